// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership_message.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

namespace gv::cluster {
namespace {

[[nodiscard]] member_row row_of(std::uint64_t node, std::uint32_t boot = 1,
                                std::uint32_t incarnation = 0,
                                member_state state = member_state::alive) {
    return {.node = node_id{node},
            .boot = boot_id{boot},
            .incarnation = incarnation_number{incarnation},
            .state = state,
            .profile = {.name = "shed", .peer_address = "shed.example:7883"}};
}

[[nodiscard]] envelope message_of(message_body body) {
    return {.cluster = "garden", .from = node_id{1}, .boot = boot_id{1}, .body = std::move(body)};
}

TEST(MemberRow, ABootOutdoesAllAndGoneAllOfItsBoot) {
    EXPECT_TRUE(supersedes(row_of(1, 2, 0), row_of(1, 1, 9, member_state::gone)));
    EXPECT_TRUE(supersedes(row_of(1, 1, 0, member_state::gone), row_of(1, 1, 9)));
    EXPECT_TRUE(supersedes(row_of(1, 1, 2), row_of(1, 1, 1, member_state::left)));
    EXPECT_FALSE(supersedes(row_of(1, 1, 1), row_of(1, 1, 1)));
}

TEST(MemberRow, WithinAnIncarnationTheWorseHolds) {
    const std::array order{member_state::remembered, member_state::alive, member_state::suspect,
                           member_state::dead,       member_state::left,  member_state::gone};
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
        EXPECT_TRUE(supersedes(row_of(1, 1, 1, order[i + 1]), row_of(1, 1, 1, order[i])));
        EXPECT_FALSE(supersedes(row_of(1, 1, 1, order[i]), row_of(1, 1, 1, order[i + 1])));
    }
}

// Whatever the order in which they come, the same row is left.
TEST(MemberRow, IsMergedInAnyOrder) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 1'000; ++round) {
        std::vector<member_row> rows;
        for (int i = 0; i < 6; ++i) {
            rows.push_back(row_of(1, 1 + random() % 2, static_cast<std::uint32_t>(random() % 3),
                                  static_cast<member_state>(random() % 6)));
        }
        const auto merged = [](const std::vector<member_row>& all) {
            member_row best = all.front();
            for (const member_row& each : all) {
                best = supersedes(each, best) ? each : best;
            }
            return precedence(best);
        };
        const auto first = merged(rows);
        std::ranges::shuffle(rows, random);
        EXPECT_EQ(merged(rows), first);
    }
}

TEST(MemberCheck, FindsWhatNoHonestNodeSays) {
    const auto fault_of = [](auto change) {
        member_row row = row_of(1);
        change(row);
        const auto sound = check(row);
        return sound ? std::optional<message_fault>{} : sound.error();
    };
    EXPECT_EQ(fault_of([](member_row&) {}), std::nullopt);
    EXPECT_EQ(fault_of([](member_row& r) { r.node = {}; }), message_fault::no_sender);
    EXPECT_EQ(fault_of([](member_row& r) { r.boot = {}; }), message_fault::no_sender);
    EXPECT_EQ(fault_of([](member_row& r) { r.incarnation.value = ~0U; }),
              message_fault::incarnation);
    EXPECT_EQ(fault_of([](member_row& r) { r.state = static_cast<member_state>(6); }),
              message_fault::state);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.name = ""; }), message_fault::node_name);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.name = "a\nb"; }), message_fault::node_name);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.name.assign(65, 'x'); }),
              message_fault::node_name);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.peer_address = ""; }), message_fault::address);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.peer_address.assign(256, 'x'); }),
              message_fault::address);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.client_address = "a b"; }),
              message_fault::address);
    EXPECT_EQ(fault_of([](member_row& r) { r.profile.wire = {2, 1}; }),
              message_fault::wire_versions);
}

TEST(MessageCheck, LooksAtEveryRowAndCount) {
    const message_limits limits{.rows_max = 3, .gossip_bytes_max = 1'024};
    EXPECT_TRUE(check(message_of(push_pull{1, {row_of(1), row_of(2), row_of(3)}}), limits));
    EXPECT_EQ(check(message_of(push_pull_answer{1, std::vector(4, row_of(1))}), limits).error(),
              message_fault::too_many_rows);
    EXPECT_EQ(check(message_of(push_pull{1, {row_of(1), row_of(0)}}), limits).error(),
              message_fault::no_sender);

    envelope message = message_of(probe{1});
    message.gossip = {row_of(0)};
    EXPECT_EQ(check(message, limits).error(), message_fault::no_sender);
    message.gossip = std::vector(4, row_of(1));
    EXPECT_EQ(check(message, limits).error(), message_fault::too_much_gossip);
    message.gossip.clear();
    message.from = {};
    EXPECT_EQ(check(message, limits).error(), message_fault::no_sender);
    message.from = node_id{1};
    message.cluster = std::string(65, 'x');
    EXPECT_EQ(check(message, limits).error(), message_fault::cluster_name);
    message.cluster = "garden";
    message.wire = {3, 2};
    EXPECT_EQ(check(message, limits).error(), message_fault::wire_versions);
}

TEST(MemberRow, HasRoomForALimitedNumberOfUnknownFields) {
    member_row row = row_of(1);
    row.profile.unknown.assign(unknown_bytes_max, 'x');
    EXPECT_TRUE(check(row));
    row.unknown = "x";
    EXPECT_EQ(check(row).error(), message_fault::unknown_fields);
    row.profile.unknown += 'x';
    EXPECT_EQ(check(row.profile).error(), message_fault::unknown_fields);
}

TEST(MemberRow, FitsIntoGossipWithAllThatItMayHave) {
    member_row row = row_of(1);
    row.profile = {.name = std::string(node_name_bytes_max, 'x'),
                   .peer_address = std::string(address_bytes_max, 'x'),
                   .client_address = std::string(address_bytes_max, 'x'),
                   .unknown = std::string(unknown_bytes_max, 'x')};
    EXPECT_TRUE(check(row));
    EXPECT_LE(wire_bytes(row), message_limits{}.gossip_bytes_max);
}

TEST(MemberNames, OneForEachValue) {
    EXPECT_EQ(member_state_names[static_cast<std::size_t>(member_state::gone)], "gone");
    for (const auto& each : message_fault_texts) {
        EXPECT_FALSE(each.empty());
    }
    EXPECT_EQ(message_fault_texts.size(),
              static_cast<std::size_t>(message_fault::too_much_gossip) + 1);
}

} // namespace
} // namespace gv::cluster
