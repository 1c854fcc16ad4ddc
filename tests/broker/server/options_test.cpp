// SPDX-License-Identifier: Apache-2.0
#include "base/log_line.hpp"
#include "broker/server/log_settings.hpp"
#include "broker/server/option_table.hpp"
#include "broker/server/options.hpp"
#include "broker/server/reload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>

namespace gv::server {
namespace {

using testing::ElementsAre;

std::map<std::string, std::string> defaults() {
    std::map<std::string, std::string> out;
    options all = documented_options();
    for (const section_ref& section : sections(all)) {
        for (const auto& each : section.options) {
            out[std::string(each->name())] = each->text();
        }
    }
    return out;
}

TEST(Options, HaveTheDefaultsThatWereSettled) {
    const auto all = defaults();
    const std::map<std::string, std::string> settled{
        {"mqtt.packet_size_max", "16MiB"},
        {"mqtt.session_expiry_v3", "30d"},
        {"mqtt.session_expiry_max", "365d"},
        {"mqtt.in_flight_max_v3", "100"},
        {"mqtt.in_flight_max_v5", "1000"},
        {"mqtt.receive_maximum", "1000"},
        {"mqtt.topic_alias_max_in", "256"},
        {"mqtt.topic_alias_max_out", "16"},
        {"mqtt.topic_levels_max", "128"},
        {"mqtt.filter_length_max", "65535"},
        {"mqtt.filters_per_subscribe_max", "0"},
        {"mqtt.subscriptions_per_client_max", "100000"},
        {"mqtt.connect_timeout", "10s"},
        {"mqtt.keep_alive_max", "0"},
        {"flow.output_buffer_max", "1MiB"},
        {"flow.progress_window", "100ms"},
        {"flow.full_share", "0.5"},
        {"flow.hold_max", "1s"},
        {"limits.queue_full", "drop_newest"},
        {"listeners.bind", "127.0.0.1"},
        {"listeners.port", "1883"},
        {"admin.bind", "127.0.0.1"},
    };
    for (const auto& [name, value] : settled) {
        EXPECT_EQ(all.at(name), value) << name;
    }
}

// Names are written in full in each row, so that they can be found; this keeps them true.
TEST(Options, AreNamedAfterTheirSection) {
    options all = documented_options();
    std::set<std::string> names;
    for (const section_ref& section : sections(all)) {
        EXPECT_FALSE(section.row.doc.empty());
        for (const auto& each : section.options) {
            const std::string name(each->name());
            EXPECT_TRUE(name.starts_with(std::string(section.row.name) + ".")) << name;
            EXPECT_TRUE(std::regex_match(name, std::regex("[a-z]+\\.[a-z0-9]+(_[a-z0-9]+)*")))
                << name;
            EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
        }
    }
}

TEST(Options, SayWhatTheyDoInSentences) {
    options all = documented_options();
    for (const section_ref& section : sections(all)) {
        for (const auto& each : section.options) {
            EXPECT_TRUE(each->doc().ends_with('.')) << each->name();
            EXPECT_FALSE(each->since().empty()) << each->name();
        }
    }
}

TEST(Options, AcceptTheirOwnDefaults) {
    options all = documented_options();
    for (const section_ref& section : sections(all)) {
        for (const auto& each : section.options) {
            const auto wrong = each->read({.text = each->text(), .items = {}});
            EXPECT_FALSE(wrong.has_value()) << each->name() << ": " << wrong->what;
        }
    }
}

TEST(Options, EveryChoiceHasAName) {
    EXPECT_EQ(choices(tristate{}).size(), std::size_t(tristate::no) + 1);
    EXPECT_EQ(choices(transport_kind{}).size(), std::size_t(transport_kind::websocket) + 1);
    EXPECT_EQ(choices(tls_version{}).size(), std::size_t(tls_version::tls_1_3) + 1);
    EXPECT_EQ(choices(share_strategy{}).size(), std::size_t(share_strategy::hash) + 1);
    EXPECT_EQ(choices(queue_full_policy{}).size(), std::size_t(queue_full_policy::disconnect) + 1);
    EXPECT_EQ(choices(qos0_policy{}).size(), std::size_t(qos0_policy::drop) + 1);
    EXPECT_EQ(choices(log_level{}).size(), std::size_t(log_level::trace) + 1);
    EXPECT_EQ(choices(log_format{}).size(), std::size_t(log_format::json) + 1);
}

TEST(Options, ListenersAreAListOfTables) {
    EXPECT_TRUE(is_list_section("listeners"));
    EXPECT_FALSE(is_list_section("mqtt"));
    EXPECT_FALSE(is_list_section("nothing"));
}

TEST(LogSettings, FollowTheOptions) {
    options all;
    EXPECT_EQ(log_settings(all).threshold, log::level::info);
    EXPECT_EQ(log_settings(all).shape, log::format::text);
    EXPECT_EQ(log_settings(all).destination, "stderr");
    EXPECT_EQ(log_settings(all).lines_per_second, 100U);
    all.node.name = "n";
    all.log.level = log_level::trace;
    all.log.format = log_format::json;
    all.log.destination = "/x/log";
    all.log.lines_per_second = 0;
    EXPECT_EQ(log_settings(all).threshold, log::level::trace);
    EXPECT_EQ(log_settings(all).shape, log::format::json);
    EXPECT_EQ(log_settings(all).destination, "/x/log");
    EXPECT_EQ(log_settings(all).lines_per_second, 0U);
    EXPECT_EQ(log_settings(all).node, "n");
}

TEST(LogSettings, LevelsAreThoseOfTheLogByName) {
    for (std::size_t each = 0; each < log_level_names.size(); ++each) {
        options all;
        all.log.level = static_cast<log_level>(each);
        EXPECT_EQ(log::level_name(log_settings(all).threshold), log_level_names[each]);
    }
}

TEST(Reload, NamesWhatChangedAndWhenItApplies) {
    options before;
    before.listeners.items.resize(1);
    options after = before;
    after.log.level = log_level::debug;
    after.mqtt.packet_size_max = 1_MiB;
    after.listeners.items[0].port = 1884;
    after.shards.threads = 4;
    after.listeners.items.emplace_back().bind = "::1";
    EXPECT_THAT(
        diff(before, after),
        ElementsAre(option_change{"listeners.0.port", "1883", "1884", reload::restart},
                    option_change{"mqtt.packet_size_max", "16MiB", "1MiB", reload::new_connections},
                    option_change{"shards.threads", "0", "4", reload::restart},
                    option_change{"log.level", "info", "debug", reload::live},
                    option_change{"listeners.1", "", "bind = ::1", reload::restart}));
}

} // namespace
} // namespace gv::server
