// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_control.hpp"
#include "cluster/wire_link.hpp"
#include "tests/cluster/random_messages.hpp"

#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

#include <functional>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

constexpr node_id sender = random_messages::sender;

wire::ControlFrame encoded(const control_message& message) {
    wire::ControlFrame out;
    encode(message, out);
    return out;
}

std::optional<decode_fault> fault_of(wire::ControlFrame frame, const route_limits& limits = {}) {
    const auto read = decode(std::move(frame), sender, limits);
    return read ? std::nullopt : std::optional(read.error());
}

class WireRoutes : public testing::TestWithParam<std::size_t> {};

TEST_P(WireRoutes, WhatIsWrittenIsReadAgain) {
    random_messages some(11 + GetParam());
    for (int i = 0; i < 300; ++i) {
        const control_message message = some.route(GetParam());
        const std::string bytes = encoded(message).SerializeAsString();
        wire::ControlFrame parsed;
        ASSERT_TRUE(parsed.ParseFromString(bytes));
        const auto read = decode(std::move(parsed), sender, route_limits{});
        ASSERT_TRUE(read) << text_of(read.error());
        EXPECT_EQ(std::get<route_message>(*read).index(), GetParam());
        EXPECT_EQ(encoded(*read).SerializeAsString(), bytes);
    }
}

INSTANTIATE_TEST_SUITE_P(EveryMessage, WireRoutes, testing::Range<std::size_t>(0, 8));

TEST(WireRouteRows, AreReadWithEachOfTheirFields) {
    const std::vector<route_change> changes{
        {.filter = "a/+", .value = {.quality = 2, .no_local_only = true}},
        {.filter = "b", .group = "g", .value = {.quality = 1, .online = 3, .total = 0xffff'ffff}},
        {.filter = "c", .group = "g", .is_removal = true}};
    const route_deltas sent{.stream = route_destination(partition_id{255}),
                            .of = {.epoch = ~0ULL, .author = sender, .boot = boot_id{~0U}},
                            .first_seq = 1ULL << 40,
                            .latest_seq = ~0ULL,
                            .changes = changes};
    const auto read = decode(encoded(route_message(sent)), sender, route_limits{});
    const auto& got = std::get<route_deltas>(std::get<route_message>(read.value()));
    EXPECT_EQ(got.stream, sent.stream);
    EXPECT_EQ(got.of, sent.of);
    EXPECT_EQ(got.first_seq, sent.first_seq);
    EXPECT_EQ(got.latest_seq, sent.latest_seq);
    EXPECT_EQ(got.changes, changes);
}

TEST(WireRouteRows, TakeFewBytesBesideTheirText) {
    route_deltas message{.stream = route_destination(sender),
                         .of = {.author = sender},
                         .first_seq = 2,
                         .latest_seq = 1'001,
                         .changes = std::vector(1'000, route_change{.filter = std::string(30, 'x'),
                                                                    .value = {.quality = 1}})};
    EXPECT_LE(encoded(route_message(message)).ByteSizeLong(), 1'000u * (30 + 6) + 50);
    EXPECT_LE(encoded(route_message(message)).ByteSizeLong(), bytes_of(route_message(message)));
}

TEST(WireRouteFaults, AreToldApart) {
    struct wrong {
        decode_fault fault;
        std::function<void(wire::ControlFrame&)> spoil;
    };
    const wrong all[] = {
        {wire_fault::unknown_kind, [](auto& m) { m.clear_content(); }},
        {wire_fault::unknown_kind, [](auto& m) { m.mutable_route_deltas()->clear_stream(); }},
        {wire_fault::second_hello, [](auto& m) { m.mutable_hello(); }},
        {wire_fault::out_of_range,
         [](auto& m) { m.mutable_route_deltas()->mutable_stream()->set_partition(65'536); }},
        {route_fault::unknown_stream,
         [](auto& m) { m.mutable_route_deltas()->mutable_stream()->set_partition(256); }},
        {wire_fault::out_of_range,
         [](auto& m) { m.mutable_route_deltas()->mutable_changes(0)->set_quality(256); }},
        {route_fault::value_invalid,
         [](auto& m) { m.mutable_route_deltas()->mutable_changes(0)->set_quality(3); }},
        {route_fault::filter_invalid,
         [](auto& m) { m.mutable_route_deltas()->mutable_changes(0)->set_filter("a/#/b"); }},
        {route_fault::filter_invalid,
         [](auto& m) { m.mutable_route_deltas()->mutable_changes(0)->clear_filter(); }},
        {wire_fault::too_many,
         [](auto& m) {
             for (int i = 0; i < 5; ++i) {
                 m.mutable_route_deltas()->add_changes();
             }
         }},
        {route_fault::not_its_own,
         [](auto& m) { m.mutable_route_deltas()->mutable_generation()->set_author(6); }},
        {route_fault::numbers_invalid, [](auto& m) { m.mutable_route_deltas()->clear_changes(); }},
        {wire_fault::too_many,
         [](auto& m) {
             for (int i = 0; i < 259; ++i) {
                 m.mutable_route_digests()->add_streams();
             }
         }},
        {wire_fault::too_many,
         [](auto& m) {
             for (int i = 0; i < 259; ++i) {
                 m.mutable_route_applied()->add_positions();
             }
         }},
        {wire_fault::unknown_kind, [](auto& m) { m.mutable_hashes_request(); }},
        {wire_fault::out_of_range,
         [](auto& m) { // 63 hashes
             m.mutable_stream_hashes()->mutable_stream()->set_node(5);
             m.mutable_stream_hashes()->mutable_hashes()->Resize(63, 1);
         }},
        {wire_fault::out_of_range,
         [](auto& m) {
             m.mutable_stream_hashes()->mutable_stream()->set_node(5);
             m.mutable_stream_hashes()->mutable_hashes()->Resize(1'000'000, 1);
         }},
    };
    const route_limits limits{.message_rows_max = 5};
    const route_deltas message{.stream = route_destination(sender),
                               .of = {.author = sender},
                               .first_seq = 2,
                               .latest_seq = 2,
                               .changes = {{.filter = "a"}}};
    for (std::size_t i = 0; i < std::size(all); ++i) {
        wire::ControlFrame spoilt = encoded(route_message(message));
        ASSERT_FALSE(fault_of(spoilt, limits));
        all[i].spoil(spoilt);
        EXPECT_EQ(fault_of(spoilt, limits), all[i].fault) << i << ": " << text_of(all[i].fault);
    }
}

TEST(WireRouteVersions, AnUnknownFieldIsSkippedAnUnknownMessageIsRefused) {
    wire::ControlFrame frame;
    ASSERT_TRUE(frame.ParseFromString(
        encoded(route_message(hashes_request{route_destination(sender)})).SerializeAsString()
        + "\xc0\x3e\x01"));
    EXPECT_EQ(fault_of(frame), std::nullopt);
    ASSERT_TRUE(frame.ParseFromString(std::string("\xc2\x01\x00", 3))); // field 24
    EXPECT_EQ(fault_of(frame), decode_fault(wire_fault::unknown_kind));
}

TEST(WireFaults, HaveTexts) {
    EXPECT_EQ(text_of(wire_fault::second_hello), "a hello in the middle of a stream");
    EXPECT_EQ(text_of(message_fault::too_much_gossip), message_fault_texts.back());
    EXPECT_EQ(text_of(decode_fault(route_fault::not_its_own)), text_of(route_fault::not_its_own));
}

const link_hello here{.cluster = "garden",
                      .wire = {.min = 2, .max = 3},
                      .from = {node_id{5}, boot_id{7}},
                      .to = node_id{9},
                      .via = node_id{11},
                      .hops = 1,
                      .number = 7};

TEST(WireHello, IsReadAsItWasWritten) {
    wire::LinkHello out;
    encode(here, out);
    const auto read = decode(std::move(out));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->cluster, here.cluster);
    EXPECT_EQ(read->wire, here.wire);
    EXPECT_EQ(read->from, here.from);
    EXPECT_EQ(read->to, here.to);
    EXPECT_EQ(read->via, here.via);
    EXPECT_EQ(read->hops, here.hops);
    EXPECT_EQ(read->number, here.number);
}

TEST(WireHello, FaultsAreToldApart) {
    const auto fault_of = [](const std::function<void(wire::LinkHello&)>& spoil) {
        wire::LinkHello out;
        encode(here, out);
        spoil(out);
        const auto read = decode(std::move(out));
        return read ? std::nullopt : std::optional(read.error());
    };
    EXPECT_EQ(fault_of([](auto&) {}), std::nullopt);
    EXPECT_EQ(fault_of([](auto& m) { m.clear_from(); }), decode_fault(message_fault::no_sender));
    EXPECT_EQ(fault_of([](auto& m) { m.clear_boot(); }), decode_fault(message_fault::no_sender));
    EXPECT_EQ(fault_of([](auto& m) { m.clear_to(); }), decode_fault(message_fault::no_sender));
    EXPECT_EQ(fault_of([](auto& m) { m.set_cluster("a\n"); }),
              decode_fault(message_fault::cluster_name));
    EXPECT_EQ(fault_of([](auto& m) { m.set_wire_min(4); }),
              decode_fault(message_fault::wire_versions));
    EXPECT_EQ(fault_of([](auto& m) { m.set_wire_max(65'536); }),
              decode_fault(wire_fault::out_of_range));
    EXPECT_EQ(fault_of([](auto& m) { m.set_hops(256); }), decode_fault(wire_fault::out_of_range));
}

TEST(WireHello, ARefusalNamesBothSides) {
    link_hello caller{.cluster = "garden",
                      .wire = {.min = 3, .max = 4},
                      .from = {node_id{6}, boot_id{1}},
                      .to = node_id{5}};
    EXPECT_TRUE(accept(here, caller));
    caller.to = node_id{8};
    EXPECT_EQ(accept(here, caller).error(),
              "another node than node 8, which was meant: here is node 5 of cluster \"garden\", "
              "wire 2 to 3; the caller is node 6 of cluster \"garden\", wire 3 to 4");
    caller.wire = {.min = 4, .max = 4};
    EXPECT_EQ(accept(here, caller).error(),
              "no wire version that both speak; update node 5 first: here is node 5 of cluster "
              "\"garden\", wire 2 to 3; the caller is node 6 of cluster \"garden\", wire 4 to 4");
    caller.wire = {.min = 1, .max = 1};
    EXPECT_EQ(accept(here, caller).error().substr(33, 19), "update node 6 first");
    caller.wire = {.min = 4, .max = 4};
    caller.cluster = "house";
    EXPECT_EQ(accept(here, caller).error(),
              "another cluster: here is node 5 of cluster \"garden\", wire 2 to 3; the caller is "
              "node 6 of cluster \"house\", wire 4 to 4");
}

} // namespace
} // namespace gv::cluster
