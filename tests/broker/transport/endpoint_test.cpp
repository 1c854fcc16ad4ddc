// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/endpoint.hpp"

#include <gtest/gtest.h>

namespace gv::transport {
namespace {

TEST(Endpoint, ReadsAndShowsBothFamilies) {
    struct row {
        const char* host;
        const char* text;
    };
    for (const auto& [host, text] : {
             row{"127.0.0.1", "127.0.0.1:1883"},
             {"::1", "[::1]:1883"},
             {"[2001:db8::1]", "[2001:db8::1]:1883"},
             {"::ffff:192.0.2.1", "192.0.2.1:1883"},
             {"0.0.0.0", "0.0.0.0:1883"},
         }) {
        const auto parsed = parse_endpoint(host, 1883);
        ASSERT_TRUE(parsed.has_value()) << host;
        EXPECT_EQ(parsed->text(), text);
    }
}

TEST(Endpoint, SurvivesTheSystemsForm) {
    for (const auto* host : {"192.0.2.7", "2001:db8::7"}) {
        const auto parsed = parse_endpoint(host, 8883).value();
        sockaddr_storage address;
        EXPECT_GT(to_sockaddr(parsed, address), 0U);
        EXPECT_EQ(from_sockaddr(address).text(), parsed.text());
    }
}

TEST(Endpoint, KeepsTheInterfaceOfALinkLocalAddress) {
    const auto parsed = parse_endpoint("fe80::1%lo", 1);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->host(), "fe80::1%lo");
    const auto unknown = parse_endpoint("fe80::1%no-such", 1);
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().what, "no network interface no-such");
}

TEST(Endpoint, RefusesWhatIsNoAddress) {
    for (const auto* host : {"", "localhost", "1.2.3", "1.2.3.4.5", "[::1", "::g", "1.2.3.4 "}) {
        const auto parsed = parse_endpoint(host, 1);
        ASSERT_FALSE(parsed.has_value()) << host;
        EXPECT_EQ(parsed.error().place, host);
        EXPECT_FALSE(parsed.error().remedy.empty());
    }
}

TEST(Endpoint, AnUnknownOneSaysSo) { EXPECT_EQ(endpoint{}.host(), "unknown"); }

TEST(ResolveBind, TakesAddressesNamesAndAll) {
    EXPECT_EQ(resolve_bind("127.0.0.1", 1).value().at(0).text(), "127.0.0.1:1");
    EXPECT_EQ(resolve_bind("", 1).value().size(), 1U);
    EXPECT_EQ(resolve_bind("*", 1).value().at(0).port, 1);
    const auto local = resolve_bind("localhost", 2);
    ASSERT_TRUE(local.has_value());
    EXPECT_EQ(local->at(0).port, 2);
}

TEST(ResolveBind, NamesWhatCannotBeResolved) {
    const auto failed = resolve_bind("no such host", 1);
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().place, "no such host");
}

} // namespace
} // namespace gv::transport
