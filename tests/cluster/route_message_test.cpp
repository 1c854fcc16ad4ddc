// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_message.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace gv::cluster {
namespace {

constexpr node_id peer{5};
constexpr route_limits limits{.filter_bytes_max = 30,
                              .group_bytes_max = 10,
                              .levels_max = 4,
                              .message_rows_max = 3,
                              .message_bytes_max = 300};

std::optional<route_fault> fault(const route_message& message) {
    const auto checked = check(message, peer, limits);
    return checked ? std::nullopt : std::optional(checked.error());
}

route_deltas deltas(const std::vector<route_change>& changes) {
    return {.stream = route_destination(peer),
            .of = {.author = peer, .boot = boot_id{3}},
            .first_seq = 2,
            .latest_seq = 1 + changes.size(),
            .changes = changes};
}

TEST(RouteMessage, AcceptsWhatAnOwnerSays) {
    EXPECT_EQ(fault(deltas({{.filter = "a/+/#", .value = {.quality = 2, .no_local_only = true}},
                            {.filter = "b", .group = "g", .value = {.online = 0, .total = 1}},
                            {.filter = "c", .is_removal = true}})),
              std::nullopt);
}

TEST(RouteMessage, RefusesRowsThatCannotBe) {
    const auto fault_of = [](const route_change& row) { return fault(deltas({row})); };
    EXPECT_EQ(fault_of({.filter = ""}), route_fault::filter_invalid);
    EXPECT_EQ(fault_of({.filter = "a/#/b"}), route_fault::filter_invalid);
    EXPECT_EQ(fault_of({.filter = std::string("a\0b", 3)}), route_fault::filter_invalid);
    EXPECT_EQ(fault_of({.filter = std::string(31, 'x')}), route_fault::filter_too_long);
    EXPECT_EQ(fault_of({.filter = "1/2/3/4/5"}), route_fault::filter_too_long);
    EXPECT_EQ(fault_of({.filter = "a", .group = "g/h", .value = {.total = 1}}),
              route_fault::group_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .group = std::string(11, 'g'), .value = {.total = 1}}),
              route_fault::group_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .value = {.quality = 3}}), route_fault::value_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .value = {.total = 1}}), route_fault::value_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .group = "g"}), route_fault::value_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .group = "g", .value = {.online = 2, .total = 1}}),
              route_fault::value_invalid);
    EXPECT_EQ(fault_of({.filter = "a", .value = {.quality = 1}, .is_removal = true}),
              route_fault::value_invalid);
}

TEST(RouteMessage, RefusesMoreThanTheLimits) {
    EXPECT_EQ(fault(deltas({{.filter = "1"}, {.filter = "2"}, {.filter = "3"}, {.filter = "4"}})),
              route_fault::message_too_large);
    EXPECT_EQ(fault(deltas({{.filter = std::string(400, 'x')}})), route_fault::message_too_large);
}

TEST(RouteMessage, RefusesNumbersThatNoStreamHas) {
    route_deltas none = deltas({});
    EXPECT_EQ(fault(none), route_fault::numbers_invalid);
    route_deltas first = deltas({{.filter = "a"}});
    first.first_seq = 1;
    EXPECT_EQ(fault(first), route_fault::numbers_invalid);
    route_deltas last = deltas({{.filter = "a"}, {.filter = "b"}});
    last.first_seq = last.latest_seq = ~route_seq{0};
    EXPECT_EQ(fault(last), route_fault::numbers_invalid);
    route_deltas short_of = deltas({{.filter = "a"}, {.filter = "b"}});
    short_of.latest_seq = 2;
    EXPECT_EQ(fault(short_of), route_fault::numbers_invalid);
    EXPECT_EQ(fault(route_applied{.positions = {{.since = 2, .applied = 1}}}),
              route_fault::numbers_invalid);
}

TEST(RouteMessage, RefusesToHearOneNodeForAnother) {
    route_deltas others = deltas({{.filter = "a"}});
    others.of.author = node_id{6};
    EXPECT_EQ(fault(others), route_fault::not_its_own);
    others = deltas({{.filter = "a"}});
    others.stream = route_destination(node_id{6});
    EXPECT_EQ(fault(others), route_fault::not_its_own);
    others.stream = route_destination(partition_id{255});
    EXPECT_EQ(fault(others), std::nullopt);
    others.stream.number = 256;
    EXPECT_EQ(fault(others), route_fault::unknown_stream);
    others.stream.kind = static_cast<destination_kind>(7);
    EXPECT_EQ(fault(others), route_fault::unknown_stream);
    route_page page{.stream = route_destination(peer),
                    .of = {.author = peer},
                    .rows = {{.filter = "a", .is_removal = true}}};
    EXPECT_EQ(fault(page), route_fault::value_invalid);
}

TEST(RouteMessage, EveryFaultHasAText) {
    for (int each = 0; each <= static_cast<int>(route_fault::numbers_invalid); ++each) {
        EXPECT_NE(text_of(static_cast<route_fault>(each)), "unknown fault");
    }
}

} // namespace
} // namespace gv::cluster
