// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_control.hpp"

#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {
namespace {

namespace wire = grapevine::cluster::v1;

constexpr partition_heading heading{
    .founding = {.at = {std::uint64_t{1'234'567} << 16 | 5}, .by = node_id{~0ULL}},
    .has_sessions = true,
    .takes_more = false};

[[nodiscard]] wire::ControlFrame encoded(const partition_message& message) {
    wire::ControlFrame out;
    encode(control_message(message), out);
    return out;
}

[[nodiscard]] auto read(wire::ControlFrame frame) {
    return decode(std::move(frame), node_id{1}, route_limits{});
}

void expect_same(const partition_message& message) {
    const auto got = read(encoded(message));
    ASSERT_TRUE(got) << text_of(got.error());
    EXPECT_EQ(std::get<partition_message>(*got), message);
}

TEST(WirePartitions, AreReadAsTheyWereWritten) {
    expect_same(partition_rows{});
    expect_same(partition_rows{
        .heading = heading,
        .wants_answer = true,
        .rows = {{.which = partition_id{0}, .row = {.home = node_id{1}, .epoch = 1}},
                 {.which = partition_id{255}, .row = {.home = node_id{~0ULL}, .epoch = ~0ULL}}}});
    expect_same(partition_digest{.heading = heading, .hash = 17});
    expect_same(partition_digest{});
}

TEST(WirePartitions, WhatNoNodeSaysIsRefused) {
    wire::ControlFrame many = encoded(partition_rows{.heading = heading, .rows = {}});
    for (int row = 0; row < 257; ++row) {
        many.mutable_partition_rows()->add_rows();
    }
    EXPECT_EQ(read(many).error(), decode_fault(wire_fault::too_many));
    wire::ControlFrame large = encoded(partition_rows{.heading = heading, .rows = {}});
    large.mutable_partition_rows()->add_rows()->set_partition(65'536);
    EXPECT_EQ(read(large).error(), decode_fault(wire_fault::out_of_range));
}

} // namespace
} // namespace gv::cluster
