// SPDX-License-Identifier: Apache-2.0
// File, environment and command line, each by itself and with its problems.
#include "broker/server/command_line.hpp"
#include "broker/server/config_file.hpp"
#include "broker/server/config_source.hpp"
#include "broker/server/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace gv::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct outcome {
    options values;
    origin_map origins;
    std::vector<problem> problems;

    std::vector<std::string> lines() const {
        std::vector<std::string> out;
        for (const problem& each : problems) {
            out.push_back(to_line(each));
        }
        return out;
    }
};

outcome from_file(std::string_view text) {
    outcome out;
    const auto given = read_config_text(text, "g.toml", out.problems);
    apply(given, out.values, out.origins, out.problems);
    return out;
}

outcome from_environment(const std::vector<std::string_view>& entries) {
    outcome out;
    const auto given = read_environment(entries, out.problems);
    apply(given, out.values, out.origins, out.problems);
    return out;
}

command_line parse(const std::vector<std::string_view>& arguments) {
    return parse_command_line(arguments);
}

outcome from_flags(const std::vector<std::string_view>& arguments) {
    outcome out;
    const command_line flags = parse(arguments);
    out.problems = flags.problems;
    apply(flags.assignments, out.values, out.origins, out.problems);
    return out;
}

TEST(ConfigFile, SetsOptionsAndRemembersTheirPlaces) {
    const outcome out = from_file("[mqtt]\n"
                                  "packet_size_max = '1MiB'\n"
                                  "session_expiry_v3 = 3600\n"
                                  "retain_available = false\n"
                                  "protocol_versions = ['5.0']\n"
                                  "[flow]\n"
                                  "full_share = 1\n"
                                  "[limits]\n"
                                  "queue_full = 'drop_oldest'\n");
    EXPECT_THAT(out.lines(), IsEmpty());
    EXPECT_EQ(*out.values.mqtt.packet_size_max, 1_MiB);
    EXPECT_EQ(*out.values.mqtt.session_expiry_v3, 1h);
    EXPECT_FALSE(*out.values.mqtt.retain_available);
    EXPECT_THAT(*out.values.mqtt.protocol_versions, ElementsAre("5.0"));
    EXPECT_EQ(*out.values.flow.full_share, 1.0);
    EXPECT_EQ(*out.values.limits.queue_full, queue_full_policy::drop_oldest);
    EXPECT_EQ(out.origins.at("mqtt.retain_available"), "g.toml:4");
}

TEST(ConfigFile, MakesAListenerOfEachTable) {
    const outcome out = from_file("[[listeners]]\nport = 1884\n"
                                  "[[listeners]]\nbind = '::1'\nallow_anonymous = true\n"
                                  "tls_min_version = '1.3'\n");
    EXPECT_THAT(out.lines(), IsEmpty());
    ASSERT_EQ(out.values.listeners.items.size(), 2U);
    EXPECT_EQ(*out.values.listeners.items[0].port, 1884U);
    EXPECT_EQ(*out.values.listeners.items[1].bind, "::1");
    EXPECT_EQ(*out.values.listeners.items[1].allow_anonymous, tristate::yes);
    EXPECT_EQ(*out.values.listeners.items[1].tls_min_version, tls_version::tls_1_3);
    EXPECT_EQ(out.origins.at("listeners.1.bind"), "g.toml:4");
}

TEST(ConfigFile, TellsEveryProblemWithItsLineAndRemedy) {
    const outcome out = from_file("[mqtt]\n"
                                  "paket_size_max = 5\n"
                                  "qos_max = 3\n"
                                  "connect_timeout = 'soon'\n"
                                  "server_reference = 7\n"
                                  "qos = [1, 2]\n"
                                  "[mqqt]\n"
                                  "qos_max = 1\n"
                                  "[zzzzzz]\n"
                                  "a = 1\n");
    EXPECT_THAT(
        out.lines(),
        testing::UnorderedElementsAre(
            "g.toml:2: mqtt.paket_size_max is not an option; did you mean 'mqtt.packet_size_max'?",
            "g.toml:3: mqtt.qos_max: 3 is out of range; write a value in the range: 0 to 2",
            "g.toml:4: mqtt.connect_timeout: \"soon\" is not a time; write a whole number with a "
            "unit, such as 100ms, 10s or 30d",
            "g.toml:5: mqtt.server_reference: 7 is not text; put it in quotes: \"7\"",
            "g.toml:6: mqtt.qos: the items of a list are texts; put each item in quotes",
            "g.toml:7: [mqqt] is not a section; did you mean 'mqtt'?",
            "g.toml:9: [zzzzzz] is not a section; the sections are node, listeners, topics, auth, "
            "mqtt, limits, flow, shards, storage, sessions, cluster, admin, log"));
    EXPECT_EQ(*out.values.mqtt.qos_max, 2U);
    EXPECT_EQ(*out.values.mqtt.connect_timeout, 10s);
    EXPECT_THAT(out.origins, IsEmpty());
}

TEST(ConfigFile, TellsWhereATableIsMeantToBeAListAndTheOtherWayRound) {
    EXPECT_THAT(from_file("[listeners]\nport = 1884\n").lines(),
                ElementsAre("g.toml:1: [listeners] is a list of tables; write [[listeners]], once "
                            "for each"));
    EXPECT_THAT(from_file("[[mqtt]]\nqos_max = 1\n").lines(),
                ElementsAre("g.toml:1: [[mqtt]] is one table, not a list of them; write [mqtt] "
                            "once"));
    EXPECT_THAT(from_file("port = 1884\n").lines(),
                ElementsAre("g.toml:1: port is not an option; did you mean 'listeners.port'?"));
    EXPECT_THAT(from_file("[log]\nlevel = { a = 1 }\nformat = 2020-01-01\n").lines(),
                ElementsAre("g.toml:3: log.format: no option has a value of this kind; write text "
                            "in quotes, a number, true, false or a list",
                            "g.toml:2: log.level: no option has a value of this kind; write text "
                            "in quotes, a number, true, false or a list"));
}

TEST(ConfigFile, TellsWhereTheTomlIsBroken) {
    const outcome out = from_file("[mqtt]\nqos_max = \n");
    ASSERT_EQ(out.problems.size(), 1U);
    EXPECT_EQ(out.problems[0].place, "g.toml:2");
    EXPECT_EQ(out.problems[0].remedy, "correct the TOML there; nothing after it was read");
    EXPECT_THAT(out.problems[0].what, testing::HasSubstr("Error while parsing"));
}

TEST(ConfigFile, TellsWhyItCannotBeRead) {
    std::vector<problem> problems;
    EXPECT_THAT(read_config_file("/no/such/file", problems), IsEmpty());
    EXPECT_THAT(read_config_file("/tmp", problems), IsEmpty());
    EXPECT_THAT(problems,
                ElementsAre(problem{"/no/such/file", "cannot be read: No such file or directory",
                                    "give the path of a file that this user may read"},
                            problem{"/tmp", "cannot be read: Is a directory",
                                    "give the path of a file that this user may read"}));
}

TEST(Environment, SetsOptionsByUpperCaseNames) {
    const outcome out = from_environment(
        {"HOME=/root", "GRAPEVINE_MQTT__PACKET_SIZE_MAX=1MiB", "GRAPEVINE_LISTENERS__0__PORT=1884",
         "GRAPEVINE_MQTT__PROTOCOL_VERSIONS=3.1.1, 5.0", "GRAPEVINE_NODE__NAME=5"});
    EXPECT_THAT(out.lines(), IsEmpty());
    EXPECT_EQ(*out.values.mqtt.packet_size_max, 1_MiB);
    ASSERT_EQ(out.values.listeners.items.size(), 1U);
    EXPECT_EQ(*out.values.listeners.items[0].port, 1884U);
    EXPECT_THAT(*out.values.mqtt.protocol_versions, ElementsAre("3.1.1", "5.0"));
    EXPECT_EQ(*out.values.node.name, "5");
    EXPECT_EQ(out.origins.at("mqtt.packet_size_max"), "GRAPEVINE_MQTT__PACKET_SIZE_MAX");
}

TEST(Environment, TellsEveryProblem) {
    const outcome out =
        from_environment({"GRAPEVINE_MQTT__PACKET_SIZE=1MiB", "GRAPEVINE_MQTT__QOS_MAX=3",
                          "GRAPEVINE_LISTENERS__PORT=1", "GRAPEVINE_MQTT__0__QOS_MAX=1",
                          "GRAPEVINE_LISTENERS__4000000000__PORT=1"});
    EXPECT_THAT(
        out.lines(),
        ElementsAre(
            "GRAPEVINE_MQTT__PACKET_SIZE: mqtt.packet_size is not an option; did you mean "
            "'mqtt.packet_size_max'?",
            "GRAPEVINE_LISTENERS__PORT: listeners.port: which of the listeners is meant is not "
            "said; put its number before the name, from 0: listeners.0.port",
            "GRAPEVINE_MQTT__0__QOS_MAX: mqtt.0.qos_max is not an option; did you mean "
            "'mqtt.qos_max'?",
            "GRAPEVINE_MQTT__QOS_MAX: mqtt.qos_max: 3 is out of range; write a value in the "
            "range: 0 to 2",
            "GRAPEVINE_LISTENERS__4000000000__PORT: listeners.4000000000.port: there is no "
            "entry before this one; number the listeners from 0 without gaps"));
    EXPECT_TRUE(out.values.listeners.items.empty());
}

TEST(Environment, IgnoresWhatKubernetesSetsForAServiceOfThisName) {
    std::vector<problem> problems;
    EXPECT_THAT(
        read_environment(
            {"GRAPEVINE_SERVICE_HOST=10.0.0.1", "GRAPEVINE_PORT=tcp://x",
             "GRAPEVINE_SERVICE_PORT=1883", "GRAPEVINE_SERVICE_PORT_MQTT=1883",
             "GRAPEVINE_PORT_1883_TCP=tcp://10.0.0.1:1883", "GRAPEVINE_PORT_1883_TCP_PROTO=tcp",
             "GRAPEVINE_PORT_1883_TCP_PORT=1883", "GRAPEVINE_PORT_1883_TCP_ADDR=10.0.0.1",
             "GRAPEVINE__=x", "GRAPEVINE_MQTT__QOS_MAX",
             // of a service grapevine-admin
             "GRAPEVINE_ADMIN_SERVICE_HOST=10.0.0.1", "GRAPEVINE_ADMIN_SERVICE_PORT=9883",
             "GRAPEVINE_ADMIN_PORT=tcp://10.0.0.1:9883",
             "GRAPEVINE_ADMIN_PORT_9883_TCP=tcp://10.0.0.1:9883"},
            problems),
        IsEmpty());
    EXPECT_THAT(problems, IsEmpty());
}

TEST(Environment, TellsOfAnOptionThatLacksAnUnderscore) {
    const outcome out = from_environment(
        {"GRAPEVINE_AUTH_ACL_FILE=/etc/grapevine/acl", "GRAPEVINE_ADMIN_PORT=9884",
         "GRAPEVINE_LISTENERS_12_TLS_KEY=k", "GRAPEVINE_LISTENERS_PORT=1", "GRAPEVINE_AUTH_FILE=x",
         "GRAPEVINE_LISTENERS_0_PORTS=1", "GRAPEVINE_AUTH_0_ACL_FILE=x", "OTHER_AUTH_ACL_FILE=x"});
    const std::string what = ": sets no option: two underscores stand for a dot; did you mean ";
    EXPECT_THAT(
        out.lines(),
        ElementsAre("GRAPEVINE_AUTH_ACL_FILE" + what + "GRAPEVINE_AUTH__ACL_FILE?",
                    "GRAPEVINE_ADMIN_PORT" + what + "GRAPEVINE_ADMIN__PORT?",
                    "GRAPEVINE_LISTENERS_12_TLS_KEY" + what + "GRAPEVINE_LISTENERS__12__TLS_KEY?",
                    "GRAPEVINE_LISTENERS_PORT" + what + "GRAPEVINE_LISTENERS__0__PORT?"));
}

TEST(Environment, NamesTheVariableOfAnOption) {
    EXPECT_EQ(variable_name("listeners.0.tls_key"), "GRAPEVINE_LISTENERS__0__TLS_KEY");
}

TEST(Environment, OfTheProcessIsRead) {
    ASSERT_EQ(::setenv("GRAPEVINE_TEST__VARIABLE", "x y", 1), 0);
    EXPECT_THAT(process_environment(), testing::Contains("GRAPEVINE_TEST__VARIABLE=x y"));
    ::unsetenv("GRAPEVINE_TEST__VARIABLE");
}

TEST(CommandLine, KnowsTheFlagsOfMosquitto) {
    const command_line flags = parse({"-v", "-p", "1883", "-c", "g.toml", "-d", "-p", "1884"});
    EXPECT_THAT(flags.problems, IsEmpty());
    EXPECT_EQ(flags.wanted, command_line::action::run);
    EXPECT_TRUE(flags.is_daemon);
    EXPECT_EQ(flags.config_file, "g.toml");
    EXPECT_THAT(flags.ports, ElementsAre(1883, 1884));
}

TEST(CommandLine, SetsAnyOption) {
    const outcome out = from_flags({"--mqtt.packet_size_max", "1MiB", "--listeners.0.port=1884",
                                    "--ports-file", "p", "--admin.enabled=false"});
    EXPECT_THAT(out.lines(), IsEmpty());
    EXPECT_EQ(*out.values.mqtt.packet_size_max, 1_MiB);
    EXPECT_EQ(*out.values.listeners.items.at(0).port, 1884U);
    EXPECT_EQ(*out.values.node.ports_file, "p");
    EXPECT_FALSE(*out.values.admin.enabled);
    EXPECT_EQ(out.origins.at("mqtt.packet_size_max"), "--mqtt.packet_size_max");
    EXPECT_EQ(out.origins.at("node.ports_file"), "--ports-file");
}

TEST(CommandLine, VerboseIsDebugWithoutLimitUnlessALevelIsGiven) {
    const outcome verbose = from_flags({"-v"});
    EXPECT_EQ(*verbose.values.log.level, log_level::debug);
    EXPECT_EQ(*verbose.values.log.lines_per_second, 0U);
    EXPECT_EQ(*from_flags({"--log.level", "trace", "-v"}).values.log.level, log_level::trace);
}

TEST(CommandLine, KnowsWhatToDoInsteadOfRunning) {
    using action = command_line::action;
    EXPECT_EQ(parse({"--check-config"}).wanted, action::check_config);
    EXPECT_EQ(parse({"--print-config"}).wanted, action::print_config);
    EXPECT_EQ(parse({"--help"}).wanted, action::help);
    EXPECT_EQ(parse({"-h"}).wanted, action::help);
    EXPECT_EQ(parse({"--version"}).wanted, action::version);
    const command_line passwd = parse({"passwd", "-c", "users", "ann"});
    EXPECT_EQ(passwd.wanted, action::passwd);
    EXPECT_THAT(passwd.rest, ElementsAre("-c", "users", "ann"));
}

TEST(CommandLine, TellsEveryProblem) {
    const outcome out =
        from_flags({"-p", "70000", "-x", "--chekc-config", "--packet_size_max", "start",
                    "--verbose=yes", "-p", "abc", "--mqtt.qos_mx", "1", "--zzzzzzzzzz", "-c"});
    EXPECT_THAT(
        out.lines(),
        ElementsAre("-p: \"70000\" is not a port; write a number from 0 to 65535",
                    "-x: is not a flag; see --help for all flags",
                    "--chekc-config: is not a flag; did you mean '--check-config'?",
                    "--packet_size_max: is not a flag; did you mean '--mqtt.packet_size_max'?",
                    "start: is neither a flag nor a command; flags start with -; the commands are "
                    "passwd, store, cluster and health, and come first",
                    "--verbose: takes no value; leave away what follows it",
                    "-p: \"abc\" is not a port; write a number from 0 to 65535",
                    "--zzzzzzzzzz: is not a flag; see --help for all flags",
                    "-c: has no value; write one after it",
                    "--mqtt.qos_mx: mqtt.qos_mx is not an option; did you mean 'mqtt.qos_max'?"));
}

TEST(CommandLine, IsReadFromMain) {
    const char* const arguments[] = {"grapevine", "-p", "0"};
    EXPECT_THAT(parse_command_line(3, arguments).ports, ElementsAre(0));
    EXPECT_THAT(parse_command_line(0, nullptr).ports, IsEmpty());
}

} // namespace
} // namespace gv::server
