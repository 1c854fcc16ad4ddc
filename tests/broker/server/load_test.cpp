// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config_file.hpp"
#include "broker/server/documents.hpp"
#include "broker/server/load.hpp"
#include "broker/server/option_table.hpp"
#include "broker/server/reload.hpp"
#include "broker/server/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gv::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Load : public testing::Test {
  protected:
    Load() { std::filesystem::create_directories(folder); }
    ~Load() override { std::filesystem::remove_all(folder); }

    std::string write(std::string_view name, std::string_view text) {
        const std::filesystem::path path = folder / name;
        std::ofstream(path) << text;
        return path.string();
    }

    static loaded_options load(const std::vector<std::string_view>& arguments,
                               const std::vector<std::string_view>& environment = {}) {
        return load_options(parse_command_line(arguments), environment);
    }

    static std::vector<std::string> addresses(const loaded_options& loaded) {
        std::vector<std::string> out;
        for (const listener_options& each : loaded.values.listeners) {
            out.push_back(address_text(*each.bind, *each.port));
        }
        return out;
    }

    static std::vector<std::string> lines(const loaded_options& loaded) {
        std::vector<std::string> out;
        for (const problem& each : loaded.problems) {
            out.push_back(to_line(each));
        }
        return out;
    }

    std::filesystem::path folder = std::filesystem::temp_directory_path()
                                   / ("grapevine_load_test_" + std::to_string(::getpid()));
};

TEST_F(Load, RulesForTopicsAreAListOfTheirOwn) {
    const std::string file = write("g.toml", "[storage]\ndurability = \"interval\"\n"
                                             "[[topics]]\nfilter = \"a/#\"\n"
                                             "[[topics]]\nfilter = \"b/+\"\n"
                                             "durability = \"memory\"\n");
    const loaded_options loaded = load({"-c", file});
    EXPECT_THAT(lines(loaded), IsEmpty());
    ASSERT_EQ(loaded.values.topics.items.size(), 2U);
    EXPECT_EQ(*loaded.values.storage.durability, durability_level::interval);
    EXPECT_EQ(*loaded.values.topics.items[0].level, durability_choice::inherit);
    EXPECT_EQ(*loaded.values.topics.items[1].filter, "b/+");
    EXPECT_EQ(*loaded.values.topics.items[1].level, durability_choice::memory);
    EXPECT_EQ(addresses(loaded).size(), 2U) << "a rule is no listener";
}

TEST_F(Load, ARuleWithAWrongFilterIsNamed) {
    const std::string file = write("g.toml", "[[topics]]\nfilter = \"a/#/b\"\n");
    EXPECT_THAT(
        lines(load({"-c", file})),
        ElementsAre(testing::HasSubstr("topics.0.filter: \"a/#/b\" is not a topic filter")));
}

TEST_F(Load, WithNothingListensOnLoopbackOnly) {
    const loaded_options loaded = load({});
    EXPECT_THAT(lines(loaded), IsEmpty());
    EXPECT_TRUE(loaded.is_local_only);
    EXPECT_THAT(addresses(loaded), ElementsAre("127.0.0.1:1883", "[::1]:1883"));
    EXPECT_FALSE(loaded.values.listeners.items[0].is_optional);
    EXPECT_TRUE(loaded.values.listeners.items[1].is_optional);
}

TEST_F(Load, APortIsListenedOnAtLoopback) {
    const loaded_options loaded = load({"-p", "1884", "-p", "1885"});
    EXPECT_THAT(lines(loaded), IsEmpty());
    EXPECT_FALSE(loaded.is_local_only);
    EXPECT_THAT(addresses(loaded),
                ElementsAre("127.0.0.1:1884", "[::1]:1884", "127.0.0.1:1885", "[::1]:1885"));
    EXPECT_EQ(loaded.origins.at("listeners.3.port"), "-p");
}

TEST_F(Load, APortAddsToTheListenersOfTheFile) {
    const std::string file = write("g.toml", "[[listeners]]\nport = 1999\n");
    EXPECT_THAT(addresses(load({"-c", file, "-p", "1884"})),
                ElementsAre("127.0.0.1:1999", "127.0.0.1:1884", "[::1]:1884"));
}

TEST_F(Load, FlagsWinOverEnvironmentOverFileOverDefaults) {
    const std::string file = write("g.toml", "[mqtt]\n"
                                             "in_flight_max_v3 = 11\n"
                                             "in_flight_max_v5 = 12\n"
                                             "receive_maximum = 13\n"
                                             "[[listeners]]\n"
                                             "port = 1884\n");
    const loaded_options loaded =
        load({"-c", file, "--mqtt.receive_maximum", "33", "--listeners.0.port=1886"},
             {"GRAPEVINE_MQTT__IN_FLIGHT_MAX_V5=22", "GRAPEVINE_MQTT__RECEIVE_MAXIMUM=23",
              "GRAPEVINE_LISTENERS__0__PORT=1885"});
    EXPECT_THAT(lines(loaded), IsEmpty());
    EXPECT_EQ(*loaded.values.mqtt.topic_alias_max_in, 256U);
    EXPECT_EQ(*loaded.values.mqtt.in_flight_max_v3, 11U);
    EXPECT_EQ(*loaded.values.mqtt.in_flight_max_v5, 22U);
    EXPECT_EQ(*loaded.values.mqtt.receive_maximum, 33U);
    EXPECT_THAT(addresses(loaded), ElementsAre("127.0.0.1:1886"));
    EXPECT_EQ(loaded.origins.at("mqtt.in_flight_max_v3"), file + ":2");
    EXPECT_EQ(loaded.origins.at("mqtt.in_flight_max_v5"), "GRAPEVINE_MQTT__IN_FLIGHT_MAX_V5");
    EXPECT_EQ(loaded.origins.at("mqtt.receive_maximum"), "--mqtt.receive_maximum");
}

TEST_F(Load, GathersTheProblemsOfEverySource) {
    const std::string file =
        write("g.toml", "[mqtt]\nqos_max = 9\n[[listeners]]\nbind = '0.0.0.0'\n");
    EXPECT_THAT(
        lines(load({"-c", file, "-p", "x"}, {"GRAPEVINE_LOG__LEVEL=loud"})),
        ElementsAre(
            "-p: \"x\" is not a port; write a number from 0 to 65535",
            file + ":2: mqtt.qos_max: 9 is out of range; write a value in the range: 0 to 2",
            "GRAPEVINE_LOG__LEVEL: log.level: \"loud\" is not one of the choices; write one of: "
            "error, warn, info, debug, trace",
            file
                + ":4: listeners.0.bind: 0.0.0.0:1883 is open to other machines, but who may come "
                  "in is not said; set auth.password_file, or allow_anonymous = true if everybody "
                  "may"));
}

TEST_F(Load, ADefaultInPlaceOfAWrongValueIsNotBlamed) {
    const std::string ports =
        write("ports.toml", "[[listeners]]\nport = 1883\n[[listeners]]\nport = 70000\n");
    EXPECT_THAT(lines(load({"-c", ports})),
                ElementsAre(ports
                            + ":4: listeners.1.port: 70000 is out of range; write a value in "
                              "the range: 0 to 65535"));
    const std::string entrance =
        write("entrance.toml", "[[listeners]]\nbind = \"0.0.0.0\"\nallow_anonymous = \"si\"\n");
    EXPECT_THAT(lines(load({"-c", entrance})),
                ElementsAre(testing::HasSubstr("listeners.0.allow_anonymous: \"si\" is not")));
}

TEST_F(Load, ARelativePathIsTakenFromTheWorkingDirectoryAndShownWhole) {
    write("passwords", "");
    const std::string file = write("g.toml", "[auth]\npassword_file = \"passwords\"\n");
    EXPECT_THAT(
        lines(load({"-c", file})),
        ElementsAre(testing::HasSubstr("auth.password_file: "
                                       + (std::filesystem::current_path() / "passwords").string()
                                       + " cannot be read: No such file")));
}

TEST_F(Load, TheEnvironmentNamesTheFileWhereNoFlagDoes) {
    const std::string one = "GRAPEVINE_CONFIG=" + write("one.toml", "[mqtt]\nqos_max = 1\n");
    const std::string zero = write("zero.toml", "[mqtt]\nqos_max = 0\n");
    EXPECT_EQ(*load({}, {one}).values.mqtt.qos_max, 1);
    EXPECT_EQ(*load({"-c", zero}, {one}).values.mqtt.qos_max, 0);
    EXPECT_EQ(*load({}, {one, "GRAPEVINE_MQTT__QOS_MAX=2"}).values.mqtt.qos_max, 2);
    EXPECT_EQ(*load({}, {"GRAPEVINE_CONFIG="}).values.mqtt.qos_max, 2);
    EXPECT_THAT(lines(load({}, {"GRAPEVINE_CONFIG=/nowhere/g.toml"})),
                ElementsAre(testing::HasSubstr("/nowhere/g.toml: cannot be read: No such file")));
}

TEST_F(Load, ADaemonLogsToSyslogUnlessToldOtherwise) {
    EXPECT_EQ(*load({"-d"}).values.log.destination, "syslog");
    EXPECT_EQ(load({"-d"}).origins.at("log.destination"), "-d");
    EXPECT_EQ(*load({"-d", "--log.destination", "stderr"}).values.log.destination, "stderr");
}

TEST_F(Load, WhatIsPrintedIsReadBackTheSame) {
    const std::string users = write("users", "");
    const loaded_options loaded = load(
        {"-p", "1884", "--mqtt.packet_size_max=3000000", "--flow.hold_max=1500ms", "-v",
         "--auth.password_file", users, "--node.name", "a \"quoted\" \\ name\t\n",
         "--listeners.0.bind=127.0.0.2", "--auth.allow_anonymous=true",
         "--mqtt.protocol_versions=5.0", "--limits.retained_bytes_max=0", "--flow.full_share=1"});
    ASSERT_THAT(lines(loaded), IsEmpty());
    const std::string printed = print_config(loaded.values, loaded.origins);
    const loaded_options again = load({"-c", write("again.toml", printed)});
    EXPECT_THAT(lines(again), IsEmpty()) << printed;
    EXPECT_THAT(diff(loaded.values, again.values), IsEmpty());
    EXPECT_EQ(*again.values.node.name, "a \"quoted\" \\ name\t\n");
    EXPECT_THAT(printed, testing::HasSubstr("\nhold_max = \"1500ms\"  # --flow.hold_max\n"));
    EXPECT_THAT(printed, testing::HasSubstr("\nport = 1884  # -p\n"));
}

TEST_F(Load, TheExampleFileChangesNothing) {
    const loaded_options loaded = load({"-c", write("example.toml", example_config())});
    EXPECT_THAT(lines(loaded), IsEmpty());
    EXPECT_TRUE(loaded.is_local_only);
    EXPECT_THAT(diff(loaded.values, load({}).values), IsEmpty());
}

TEST_F(Load, TheExampleFileWithEverythingUncommentedHoldsTheDefaults) {
    std::string text;
    const std::string example = example_config();
    for (std::size_t at = 0; at < example.size();) {
        const std::size_t end = example.find('\n', at);
        std::string line = example.substr(at, end - at);
        if (line.size() > 1 && line[0] == '#' && line[1] != ' ') {
            line.erase(0, 1);
        }
        text += line + "\n";
        at = end + 1;
    }
    const loaded_options loaded = load({"-c", write("example.toml", text)});
    EXPECT_THAT(lines(loaded), IsEmpty()) << text;
    EXPECT_EQ(loaded.origins.size(), option_names().size());
    EXPECT_THAT(diff(loaded.values, documented_options()), IsEmpty());
}

TEST(Documents, HelpNamesEveryFlagAndOption) {
    const std::string help = help_text();
    for (const flag_doc& flag : flag_docs()) {
        EXPECT_THAT(help, testing::HasSubstr(std::string(flag.full) + " "));
    }
    EXPECT_THAT(help, testing::HasSubstr("  --mqtt.packet_size_max SIZE [16MiB]\n"
                                         "        Largest packet accepted from a client.\n"));
    EXPECT_THAT(help, testing::HasSubstr("  --listeners.0.port NUMBER [1883]\n"));
    EXPECT_THAT(help, testing::HasSubstr("  --limits.queue_full drop_newest|drop_oldest|"));
}

TEST(Documents, ThePageOfOptionsHasAnEntryForEach) {
    const std::string page = configuration_page();
    EXPECT_THAT(page, testing::HasSubstr("**`packet_size_max`** = `\"16MiB\"` (128B to 256MiB; new "
                                         "connections)  \nLargest packet accepted"));
    std::size_t entries = 0;
    for (std::size_t at = page.find("\n**`"); at != std::string::npos;
         at = page.find("\n**`", at + 1)) {
        ++entries;
    }
    EXPECT_EQ(entries, option_names().size());
}

TEST(Documents, ThePageOfMetricsTellsKindHelpAndLabels) {
    const std::string page = metrics_page();
    EXPECT_THAT(page, testing::HasSubstr("**`grapevine_messages_sent_total{qos}`** counter  \n"
                                         "Messages sent to subscribers, by the QoS they were sent "
                                         "with.\nqos: 0, 1, 2\n"));
    EXPECT_THAT(page, testing::HasSubstr("reason_code: 0x00 to 0xff\n"));
}

} // namespace
} // namespace gv::server
