// SPDX-License-Identifier: Apache-2.0
#include "broker/server/documents.hpp"
#include "broker/server/metric_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

namespace gv::server {
namespace {

class MetricTable : public testing::Test {
  protected:
    metric_family family(std::string_view name) const {
        const std::array<const shard_metrics*, 2> shards{&first, &second};
        const cluster_blocks cluster{
            .lanes = {&first_lanes, &second_lanes}, .members = &members, .exchange = &exchange};
        for (metric_family& each : collect(shards, process, cluster)) {
            if (each.row.name == name) {
                return each;
            }
        }
        throw std::out_of_range(std::string(name));
    }

    double value(std::string_view name, std::string_view label = "") const {
        for (const metric_sample& sample : family(name).samples) {
            if (sample.label_value == label) {
                return sample.value;
            }
        }
        return std::nan("");
    }

    shard_metrics first;
    shard_metrics second;
    process_metrics process;
    lane_metrics first_lanes;
    lane_metrics second_lanes;
    cluster::membership_metrics members;
    exchange_metrics exchange;
};

TEST_F(MetricTable, ShowsTheCluster) {
    first_lanes.messages_sent.add(3);
    second_lanes.messages_sent.add(4);
    members.probes.add(5);
    exchange.routes.set(6);
    EXPECT_EQ(value("grapevine_cluster_messages_sent_total"), 7);
    EXPECT_EQ(value("grapevine_cluster_probes_total"), 5);
    EXPECT_EQ(value("grapevine_cluster_routes"), 6);
}

TEST_F(MetricTable, SumsTheShards) {
    first.turns.add(3);
    second.turns.add(4);
    first.sessions.add(5);
    second.sessions.sub(2);
    first.busy.add(1'500'000'000);
    EXPECT_EQ(value("grapevine_turns_total"), 7);
    EXPECT_EQ(value("grapevine_sessions"), 3);
    EXPECT_DOUBLE_EQ(value("grapevine_busy_seconds_total"), 1.5);
}

TEST_F(MetricTable, SumsByLabelAndShowsZeros) {
    first.messages_dropped.add(drop_reason::queue_full, 2);
    second.messages_dropped.add(drop_reason::queue_full);
    EXPECT_EQ(value("grapevine_messages_dropped_total", "queue_full"), 3);
    EXPECT_EQ(value("grapevine_messages_dropped_total", "expired"), 0);
}

TEST_F(MetricTable, LabelsThatDoNotOccurAreNotShown) {
    // Packet type 0 is reserved.
    EXPECT_EQ(family("grapevine_packets_received_total").samples.size(), 15U);
    first.packets_received.add(static_cast<mqtt::packet_type>(3));
    first.messages_sent.add(static_cast<qos>(2));
    EXPECT_EQ(value("grapevine_packets_received_total", "publish"), 1);
    EXPECT_EQ(value("grapevine_messages_sent_total", "2"), 1);
}

TEST_F(MetricTable, OfReasonCodesOnlyThoseThatOccurredAreShown) {
    EXPECT_TRUE(family("grapevine_protocol_violations_total").samples.empty());
    first.protocol_violations.add(0x82);
    EXPECT_EQ(family("grapevine_protocol_violations_total").samples.size(), 1U);
    EXPECT_EQ(value("grapevine_protocol_violations_total", "0x82"), 1);
}

TEST_F(MetricTable, BucketsOfHistogramsHoldAllBelow) {
    first.connect_time.observe(200'000);
    second.connect_time.observe(2'000'000'000);
    second.connect_time.observe(60'000'000'000);
    const metric_family found = family("grapevine_connect_seconds");
    ASSERT_EQ(found.buckets.size(), 12U);
    EXPECT_DOUBLE_EQ(found.buckets[0].bound, 0.0001);
    EXPECT_EQ(found.buckets[0].count, 0U);
    EXPECT_DOUBLE_EQ(found.buckets[1].bound, 0.00025);
    EXPECT_EQ(found.buckets[1].count, 1U);
    EXPECT_DOUBLE_EQ(found.buckets[10].bound, 10.0);
    EXPECT_EQ(found.buckets[10].count, 2U);
    EXPECT_TRUE(std::isinf(found.buckets[11].bound));
    EXPECT_EQ(found.buckets[11].count, 3U);
    EXPECT_DOUBLE_EQ(found.sum, 62.0002);
}

TEST_F(MetricTable, KnowsTheProcess) {
    read_process_metrics(process, 4);
    EXPECT_EQ(value("grapevine_build_info", version()), 1);
    EXPECT_EQ(value("grapevine_shards"), 4);
    EXPECT_GT(value("process_resident_memory_bytes"), 1'000'000);
    EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
    EXPECT_GE(value("process_open_fds"), 3);
    EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
    EXPECT_GE(value("process_threads"), 1);
    EXPECT_GT(value("process_cpu_seconds_total"), 0);
    const auto now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
    EXPECT_NEAR(value("process_start_time_seconds"), now.count(), 600);
}

TEST_F(MetricTable, IsReadWhileShardsWrite) {
    std::atomic<bool> is_over = false;
    std::thread writer([&] {
        for (int i = 0; i < 100'000; ++i) {
            first.turns.add();
        }
        is_over = true;
    });
    double seen = 0;
    while (!is_over) {
        const double now = value("grapevine_turns_total");
        EXPECT_GE(now, seen);
        seen = now;
    }
    writer.join();
    EXPECT_EQ(value("grapevine_turns_total"), 100'000);
}

TEST(MetricNames, FollowTheRulesOfPrometheus) {
    std::set<std::string_view> names;
    for (const metric_description& each : metric_descriptions()) {
        const metric_row& row = each.row;
        const std::string name(row.name);
        EXPECT_TRUE(names.insert(row.name).second) << name << " is there twice";
        EXPECT_TRUE(std::regex_match(name, std::regex("(grapevine|process)(_[a-z0-9]+)+"))) << name;
        EXPECT_EQ(name.ends_with("_total"), row.kind == metric_kind::counter) << name;
        EXPECT_TRUE(row.help.ends_with('.')) << name;
        EXPECT_EQ(row.label.empty(), each.label_values.empty() && name != "grapevine_build_info")
            << name;
    }
    EXPECT_GT(names.size(), 50U);
}

TEST(MetricNames, EveryLabelHasATextOfItsOwn) {
    for (const metric_description& each : metric_descriptions()) {
        const std::set<std::string> texts(each.label_values.begin(), each.label_values.end());
        EXPECT_EQ(texts.size(), each.label_values.size()) << each.row.name;
        EXPECT_FALSE(texts.contains("")) << each.row.name;
    }
}

// One row per code: an enum that grows without its text would shift or lose labels.
TEST(MetricNames, EveryEnumEndsWithItsLastText) {
    const auto text = []<typename Labels>(Labels, typename Labels::key last) {
        EXPECT_EQ(static_cast<std::size_t>(last) + 1, Labels::values.size());
        return Labels::values.back();
    };
    EXPECT_EQ(text(refusal_labels{}, refusal::shutting_down), "shutting_down");
    EXPECT_EQ(text(closing_labels{}, closing::administrative), "administrative");
    EXPECT_EQ(text(drop_labels{}, drop_reason::group_empty), "group_empty");
    EXPECT_EQ(text(auth_labels{}, auth_outcome::busy), "busy");
    EXPECT_EQ(text(acl_labels{}, acl_action::subscribe), "subscribe");
}

} // namespace
} // namespace gv::server
