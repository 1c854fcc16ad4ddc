// SPDX-License-Identifier: Apache-2.0
#include "broker/server/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gv::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* readable = "/dev/null";

class Validate : public testing::Test {
  protected:
    listener_options& listen(std::string_view bind, std::uint16_t port) {
        listener_options& made = all.listeners.items.emplace_back();
        made.bind = std::string(bind);
        made.port = port;
        return made;
    }

    std::vector<std::string> problems() const {
        std::vector<std::string> lines;
        for (const problem& each : validate(all)) {
            EXPECT_EQ(each.place, "configuration");
            lines.push_back(each.what + "; " + each.remedy);
        }
        return lines;
    }

    options all;
};

TEST_F(Validate, DefaultsAreGood) {
    listen("127.0.0.1", 1883);
    listen("::1", 1883);
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, PlacesAreWhereTheOptionWasSet) {
    listen("here", 1883);
    const auto wrong = validate(all, {{"listeners.0.bind", "g.toml:7"}});
    ASSERT_EQ(wrong.size(), 1U);
    EXPECT_EQ(wrong[0].place, "g.toml:7");
}

TEST_F(Validate, AddressesToldToOthersHaveAPort) {
    listen("127.0.0.1", 1883);
    all.cluster.name = "home";
    all.cluster.advertise = "node1.home";
    all.cluster.client_address = "node1.home:1883 node2.home:1883";
    EXPECT_THAT(problems(),
                ElementsAre("cluster.advertise: \"node1.home\" is not host:port; write such as "
                            "node1.home:7883",
                            "cluster.client_address: \"node1.home:1883 node2.home:1883\" is not "
                            "host:port; write such as node1.home:1883"));
    all.cluster.advertise = "node1.home:7883";
    all.cluster.client_address = "[fd00::1]:1883";
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, AddressesAreNumbers) {
    listen("localhost", 1883);
    listen("[::1]", 1884);
    all.admin.bind = "127.0.0.256";
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.bind: \"localhost\" is not an address; write numbers, "
                            "such as 127.0.0.1, ::1, 0.0.0.0 or ::",
                            "listeners.1.bind: \"[::1]\" is not an address; write numbers, such as "
                            "127.0.0.1, ::1, 0.0.0.0 or ::",
                            "admin.bind: \"127.0.0.256\" is not an address; write numbers, such as "
                            "127.0.0.1, ::1, 0.0.0.0 or ::"));
}

TEST_F(Validate, OtherMachinesComeInOnlyIfSomebodySaidSo) {
    listen("192.168.1.5", 1883);
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.bind: 192.168.1.5:1883 is open to other machines, but who "
                            "may come in is not said; set auth.password_file, or allow_anonymous = "
                            "true if everybody may"));
    all.auth.password_file = readable;
    EXPECT_THAT(problems(), IsEmpty());
    all.auth.password_file = "";
    all.auth.allow_anonymous = tristate::yes;
    EXPECT_THAT(problems(), IsEmpty());
    all.listeners.items[0].allow_anonymous = tristate::no;
    EXPECT_EQ(problems().size(), 1U);
    all.auth.allow_anonymous = tristate::automatic;
    all.listeners.items[0].allow_anonymous = tristate::yes;
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, AListenerThatNobodyCanUseIsAProblem) {
    listen("::1", 1883).allow_anonymous = tristate::no;
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.allow_anonymous: nobody could come in at [::1]:1883; set "
                            "auth.password_file, or allow_anonymous = true"));
}

TEST_F(Validate, ClientsWithCertificatesNeedNoPassword) {
    listener_options& listener = listen("0.0.0.0", 8883);
    listener.tls_certificate = readable;
    listener.tls_key = readable;
    listener.tls_client_ca = readable;
    listener.require_client_certificate = true;
    listener.use_identity_as_username = true;
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, AnonymousIsDecidedByTheNearestWord) {
    const listener_options loopback = listen("127.3.2.1", 1);
    const listener_options open = listen("0.0.0.0", 2);
    EXPECT_TRUE(allows_anonymous(all, loopback));
    EXPECT_FALSE(allows_anonymous(all, open));
    all.auth.password_file = readable;
    EXPECT_FALSE(allows_anonymous(all, loopback));
    all.auth.allow_anonymous = tristate::yes;
    EXPECT_TRUE(allows_anonymous(all, open));
    all.listeners.items[1].allow_anonymous = tristate::no;
    EXPECT_FALSE(allows_anonymous(all, all.listeners.items[1]));
}

TEST_F(Validate, HalfAConfigurationOfTlsIsAProblem) {
    listener_options& listener = listen("127.0.0.1", 8883);
    listener.tls_key = readable;
    EXPECT_THAT(problems(), ElementsAre("listeners.0.tls_key: there is a key but no certificate; "
                                        "set tls_certificate of this listener too"));
    listener.tls_key = "";
    listener.tls_certificate = readable;
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.tls_certificate: there is a certificate but no key; set "
                            "tls_key of this listener too"));
    listener.tls_certificate = "";
    listener.tls_client_ca = readable;
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.tls_client_ca: clients have no certificates without TLS; "
                            "set tls_certificate and tls_key of this listener too"));
}

TEST_F(Validate, CertificatesOfClientsNeedAnAuthority) {
    listener_options& listener = listen("127.0.0.1", 8883);
    listener.use_identity_as_username = true;
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.use_identity_as_username: not every client has a "
                            "certificate; set require_client_certificate = true of this listener "
                            "too"));
    listener.require_client_certificate = true;
    EXPECT_THAT(problems(),
                ElementsAre("listeners.0.require_client_certificate: no authority is known that "
                            "could have signed certificates of clients; set tls_client_ca of this "
                            "listener too"));
}

TEST_F(Validate, FilesMustBeReadable) {
    listener_options& listener = listen("127.0.0.1", 8883);
    listener.tls_certificate = "/no/cert.pem";
    listener.tls_key = "/no/key.pem";
    listener.tls_client_ca = "/no/ca.pem";
    all.auth.password_file = "/no/users";
    all.auth.acl_file = "/no/acl";
    std::vector<std::string> expected;
    for (const char* what :
         {"listeners.0.tls_certificate: /no/cert.pem", "listeners.0.tls_key: /no/key.pem",
          "listeners.0.tls_client_ca: /no/ca.pem", "auth.password_file: /no/users",
          "auth.acl_file: /no/acl"}) {
        expected.push_back(std::string(what)
                           + " cannot be read: No such file or directory; give the path of a file "
                             "that this user may read");
    }
    EXPECT_EQ(problems(), expected);
}

TEST_F(Validate, PortsThatMeetAreAProblem) {
    all.auth.allow_anonymous = tristate::yes;
    listen("127.0.0.1", 1883);
    listen("::1", 1883);
    listen("127.0.0.2", 1883);
    EXPECT_THAT(problems(), IsEmpty());
    listen("0.0.0.0", 1883);
    EXPECT_THAT(problems(),
                ElementsAre("listeners.3.port: 0.0.0.0:1883 is taken by listeners.0 "
                            "(127.0.0.1:1883); give one of them another port or address",
                            "listeners.3.port: 0.0.0.0:1883 is taken by listeners.2 "
                            "(127.0.0.2:1883); give one of them another port or address"));
}

TEST_F(Validate, TheAnyAddressOfIpv6TakesIpv4AsWell) {
    all.auth.allow_anonymous = tristate::yes;
    listen("10.0.0.1", 1883);
    listen("::", 1883);
    EXPECT_THAT(problems(), ElementsAre("listeners.1.port: [::]:1883 is taken by listeners.0 "
                                        "(10.0.0.1:1883); give one of them another port or "
                                        "address"));
}

TEST_F(Validate, AnyFreePortMeetsNoOther) {
    listen("127.0.0.1", 0);
    listen("127.0.0.1", 0);
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, TheAdminPortIsOneOfThem) {
    listen("127.0.0.1", 9883);
    EXPECT_THAT(problems(), ElementsAre("admin.port: 127.0.0.1:9883 is taken by listeners.0 "
                                        "(127.0.0.1:9883); give one of them another port or "
                                        "address"));
    all.admin.enabled = false;
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, OnlyVersionsThatThereAre) {
    all.mqtt.protocol_versions = text_list{"3.1.1", "4"};
    EXPECT_THAT(problems(), ElementsAre("mqtt.protocol_versions: \"4\" is not a version of MQTT; "
                                        "write some of: 3.1, 3.1.1, 5.0"));
    all.mqtt.protocol_versions = text_list{};
    EXPECT_THAT(problems(), ElementsAre("mqtt.protocol_versions: without a version of MQTT nobody "
                                        "could come in; write some of: 3.1, 3.1.1, 5.0"));
}

TEST_F(Validate, OneQueueIsNotLargerThanAllTogether) {
    all.limits.queue_bytes_per_session_max = 2_GiB;
    all.limits.queue_bytes_total_max = 1_GiB;
    EXPECT_THAT(problems(),
                ElementsAre("limits.queue_bytes_per_session_max: one session may queue more than "
                            "all sessions together; lower it, or raise "
                            "limits.queue_bytes_total_max"));
    all.limits.queue_bytes_total_max = 0_B;
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, WhatIsWrittenNeedsAFolder) {
    all.node.pid_file = "/no/such/pid";
    all.node.ports_file = "ports"; // in the working folder
    all.log.destination = "/no/such/log";
    EXPECT_THAT(problems(),
                ElementsAre("node.pid_file: /no/such cannot be written to: No such file or "
                            "directory; give a path in a folder that this user may write to",
                            "log.destination: /no/such cannot be written to: No such file or "
                            "directory; give a path in a folder that this user may write to"));
    all.node.pid_file = "";
    all.log.destination = "stdrr";
    EXPECT_THAT(problems(),
                ElementsAre("log.destination: \"stdrr\" is no place for logs; write stderr, "
                            "syslog, or the path of a file (./stdrr)"));
}

TEST_F(Validate, WhatIsToldToClientsIsTextOfMqtt) {
    all.mqtt.server_reference = std::string("a\0b", 3);
    all.mqtt.response_information = "a/\xff";
    EXPECT_THAT(problems(),
                ElementsAre("mqtt.response_information: what is not UTF-8 at byte 2 cannot be sent "
                            "to clients; write UTF-8 without U+0000",
                            "mqtt.server_reference: U+0000 at byte 1 cannot be sent to clients; "
                            "write UTF-8 without U+0000"));
    all.mqtt.server_reference = "b.example";
    all.mqtt.response_information = std::string(65'536, 'x');
    EXPECT_THAT(problems(), ElementsAre("mqtt.response_information: 65536 bytes cannot be sent to "
                                        "clients; write at most 65535"));
    all.mqtt.response_information = "antworten/für/%c";
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, ALogIsNoFolder) {
    all.log.destination = "/usr";
    EXPECT_THAT(problems(), ElementsAre("log.destination: /usr is a folder; give the path of a "
                                        "file, such as /usr/grapevine.log"));
    all.log.destination = "/dev/null";
    EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(Validate, TheUserMustExist) {
    all.node.user = "nobody-of-this-name";
    EXPECT_THAT(problems(), ElementsAre("node.user: there is no user nobody-of-this-name; name a "
                                        "user of this machine"));
    all.node.user = "root";
    EXPECT_THAT(problems(), IsEmpty());
}

TEST(Address, LoopbackIsTheMachineItself) {
    for (const char* each : {"127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1"}) {
        EXPECT_TRUE(is_loopback(each)) << each;
    }
    for (const char* each : {"0.0.0.0", "::", "128.0.0.1", "1270.0.0.1", "localhost", "::2", ""}) {
        EXPECT_FALSE(is_loopback(each)) << each;
    }
}

} // namespace
} // namespace gv::server
