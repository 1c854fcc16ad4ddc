// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_control.hpp"

#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {
namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] node_figures numbered() {
    node_figures made{.version = "1.2.3", .counters = {}, .levels = {}};
    std::uint64_t next = 1;
    for (const auto field : counter_fields) {
        made.counters.*field = next++ << 33;
    }
    for (const auto field : level_fields) {
        made.levels.*field = next++;
    }
    return made;
}

[[nodiscard]] wire::ControlFrame encoded(const node_figures& figures) {
    wire::ControlFrame out;
    encode(control_message(figures), out);
    return out;
}

[[nodiscard]] auto read(wire::ControlFrame frame) {
    return decode(std::move(frame), node_id{1}, route_limits{});
}

TEST(WireFigures, AreReadWithEachOfTheirNumbers) {
    const auto got = read(encoded(numbered()));
    ASSERT_TRUE(got) << text_of(got.error());
    EXPECT_EQ(std::get<node_figures>(*got), numbered());
}

TEST(WireFigures, MayComeFromAnOlderOrANewerNode) {
    wire::ControlFrame older = encoded(numbered());
    older.mutable_node_figures()->mutable_counters()->Truncate(1);
    older.mutable_node_figures()->clear_levels();
    const auto less = std::get<node_figures>(read(older).value());
    EXPECT_EQ(less.counters.packets_received, numbered().counters.packets_received);
    EXPECT_EQ(less.counters.packets_sent, 0U);
    EXPECT_EQ(less.levels, node_levels{});
    wire::ControlFrame newer = encoded(numbered());
    newer.mutable_node_figures()->add_counters(5);
    newer.mutable_node_figures()->add_levels(6);
    EXPECT_EQ(std::get<node_figures>(read(newer).value()), numbered());
}

TEST(WireFigures, WhatNoNodeSaysIsRefused) {
    wire::ControlFrame many = encoded(numbered());
    for (int i = 0; i < 64; ++i) {
        many.mutable_node_figures()->add_levels(1);
    }
    EXPECT_EQ(read(many).error(), decode_fault(wire_fault::too_many));
    for (const std::string& version : {std::string(), std::string(65, 'x'), std::string("a\nb")}) {
        wire::ControlFrame odd = encoded(numbered());
        odd.mutable_node_figures()->set_version(version);
        EXPECT_EQ(read(odd).error(), decode_fault(wire_fault::out_of_range));
    }
}

} // namespace
} // namespace gv::cluster
