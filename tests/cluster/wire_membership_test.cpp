// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_membership.hpp"
#include "tests/cluster/random_messages.hpp"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

#include <functional>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

constexpr message_limits limits{.rows_max = 40, .gossip_bytes_max = 2'048};

wire::Envelope encoded(const envelope& message) {
    wire::Envelope out;
    encode(message, out);
    return out;
}

std::optional<decode_fault> fault_of(const wire::Envelope& message) {
    const auto read = decode(message, limits);
    return read ? std::nullopt : std::optional(read.error());
}

class WireMembership : public testing::TestWithParam<std::size_t> {};

TEST_P(WireMembership, WhatIsWrittenIsReadAgain) {
    random_messages some(7 + GetParam());
    for (int i = 0; i < 300; ++i) {
        const envelope message = some.message(GetParam());
        const std::string bytes = encoded(message).SerializeAsString();
        wire::Envelope parsed;
        ASSERT_TRUE(parsed.ParseFromString(bytes));
        const auto read = decode(parsed, limits);
        ASSERT_TRUE(read) << text_of(read.error());
        EXPECT_EQ(read->cluster, message.cluster);
        EXPECT_EQ(read->wire, message.wire);
        EXPECT_EQ(read->from, message.from);
        EXPECT_EQ(read->boot, message.boot);
        EXPECT_EQ(read->to, message.to);
        EXPECT_EQ(read->sent_at, message.sent_at);
        EXPECT_EQ(read->gossip, message.gossip);
        EXPECT_EQ(read->body.index(), message.body.index());
        // The rest of the body by its bytes.
        EXPECT_EQ(encoded(*read).SerializeAsString(), bytes);
        EXPECT_LE(bytes.size(), wire_bytes(message)) << "the promise of wire_bytes()";
    }
}

INSTANTIATE_TEST_SUITE_P(EveryBody, WireMembership, testing::Range<std::size_t>(0, 8));

TEST(WireMembershipBodies, AreReadWithEachOfTheirFields) {
    envelope message{.cluster = "c", .from = node_id{1}, .boot = boot_id{1}};
    const auto through = [&](message_body body) {
        message.body = std::move(body);
        return decode(encoded(message), limits)->body;
    };
    EXPECT_EQ(std::get<probe>(through(probe{9})).sequence, 9U);
    const auto request = std::get<probe_request>(through(probe_request{9, node_id{4}}));
    EXPECT_EQ(request.sequence, 9U);
    EXPECT_EQ(request.target, node_id{4});
    const auto answer = std::get<ack>(through(ack{9, node_id{4}, true}));
    EXPECT_EQ(answer.sequence, 9U);
    EXPECT_EQ(answer.subject, node_id{4});
    EXPECT_TRUE(answer.wants_state);
    EXPECT_EQ(std::get<nack>(through(nack{9})).sequence, 9U);
    const auto refused = std::get<refusal>(through(refusal{refusal_cause::other_node, node_id{4}}));
    EXPECT_EQ(refused.cause, refusal_cause::other_node);
    EXPECT_EQ(refused.meant, node_id{4});
    random_messages some(1);
    const std::vector<member_row> rows{some.row(), some.row()};
    EXPECT_EQ(std::get<push_pull>(through(push_pull{9, rows})).rows, rows);
    EXPECT_EQ(std::get<push_pull_answer>(through(push_pull_answer{9, rows})).rows, rows);
}

TEST(WireMembershipFaults, AreToldApart) {
    struct wrong {
        decode_fault fault;
        std::function<void(wire::Envelope&)> spoil;
    };
    const wrong all[] = {
        {wire_fault::unknown_kind, [](auto& m) { m.clear_body(); }},
        {wire_fault::out_of_range, [](auto& m) { m.set_wire_min(65'536); }},
        {wire_fault::out_of_range, [](auto& m) { m.set_wire_max(1u << 31); }},
        {wire_fault::out_of_range,
         [](auto& m) { m.mutable_gossip(0)->mutable_profile()->set_wire_max(65'536); }},
        {wire_fault::unknown_value,
         [](auto& m) { m.mutable_gossip(0)->set_state(wire::MEMBER_STATE_UNSPECIFIED); }},
        {wire_fault::unknown_value,
         [](auto& m) { m.mutable_gossip(0)->set_state(static_cast<wire::MemberState>(7)); }},
        {wire_fault::unknown_value,
         [](auto& m) { m.mutable_gossip(0)->set_state(static_cast<wire::MemberState>(-1)); }},
        {wire_fault::unknown_value, [](auto& m) { m.mutable_refusal(); }},
        {wire_fault::unknown_value,
         [](auto& m) { m.mutable_refusal()->set_cause(static_cast<wire::RefusalCause>(4)); }},
        {wire_fault::too_many,
         [](auto& m) {
             for (int i = 0; i < 41; ++i) {
                 *m.mutable_push_pull()->add_rows() = m.gossip(0);
             }
         }},
        {wire_fault::too_many,
         [](auto& m) {
             for (int i = 0; i < 41; ++i) {
                 m.add_gossip();
             }
         }},
        {message_fault::no_sender, [](auto& m) { m.clear_from(); }},
        {message_fault::no_sender, [](auto& m) { m.mutable_gossip(0)->clear_boot(); }},
        {message_fault::cluster_name, [](auto& m) { m.set_cluster(std::string(65, 'c')); }},
        {message_fault::node_name, [](auto& m) { m.mutable_gossip(0)->clear_profile(); }},
        {message_fault::incarnation,
         [](auto& m) { m.mutable_gossip(0)->set_incarnation((1u << 31) + 1); }},
        {wire_fault::malformed, // a group
         [](auto& m) {
             m.GetReflection()
                 ->MutableUnknownFields(m.mutable_gossip(0))
                 ->AddGroup(1'000)
                 ->AddVarint(1, 1);
         }},
        {message_fault::unknown_fields,
         [](auto& m) {
             wire::MemberProfile& profile = *m.mutable_gossip(0)->mutable_profile();
             profile.GetReflection()->MutableUnknownFields(&profile)->AddLengthDelimited(
                 1'000, std::string(unknown_bytes_max, 'x'));
         }},
        {message_fault::wire_versions,
         [](auto& m) {
             m.set_wire_min(2);
             m.set_wire_max(1);
         }},
    };
    random_messages some(3);
    for (const wrong& each : all) {
        envelope message = some.message(0);
        message.gossip = {some.row()};
        wire::Envelope spoilt = encoded(message);
        ASSERT_FALSE(fault_of(spoilt));
        each.spoil(spoilt);
        EXPECT_EQ(fault_of(spoilt), each.fault) << text_of(each.fault);
    }
}

TEST(WireMembershipVersions, AnUnknownFieldIsSkippedAnUnknownBodyIsRefused) {
    random_messages some(4);
    const std::string bytes = encoded(some.message(0)).SerializeAsString();
    const auto read = [](const std::string& from) {
        wire::Envelope parsed;
        EXPECT_TRUE(parsed.ParseFromString(from));
        return fault_of(parsed);
    };
    // Field 1000, a number.
    EXPECT_EQ(read(bytes + "\xc0\x3e\x01"), std::nullopt);
    // Field 24, which might be a body of a later version, in the place of the known one.
    wire::Envelope bare;
    bare.ParseFromString(bytes);
    bare.clear_body();
    EXPECT_EQ(read(bare.SerializeAsString() + std::string("\xc2\x01\x00", 3)),
              decode_fault(wire_fault::unknown_kind));
}

} // namespace
} // namespace gv::cluster
