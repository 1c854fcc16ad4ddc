// SPDX-License-Identifier: Apache-2.0
// That the other tests of this program are what they seem: every message has unknown fields.
#include "cluster/wire_control.hpp"
#include "cluster/wire_lane.hpp"
#include "cluster/wire_link.hpp"
#include "cluster/wire_membership.hpp"
#include "tests/cluster/random_messages.hpp"
#include "tests/future/future_wire.hpp"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster::future {

namespace {

namespace wire = grapevine::cluster::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// How many messages are in it, itself too; 0 if one of them has no unknown field.
std::size_t marked_messages(const Message& message) {
    const auto& reflection = *message.GetReflection();
    if (reflection.GetUnknownFields(message).empty()) {
        return 0;
    }
    std::size_t count = 1;
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    const auto add = [&count](std::size_t more) { count = more == 0 ? 0 : count + more; };
    for (const FieldDescriptor* field : set) {
        if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
            continue;
        }
        if (!field->is_repeated()) {
            add(marked_messages(reflection.GetMessage(message, field)));
        }
        for (int at = 0; field->is_repeated() && at < reflection.FieldSize(message, field); ++at) {
            add(marked_messages(reflection.GetRepeatedMessage(message, field, at)));
        }
    }
    return count;
}

template <typename Wire, typename What>
std::size_t marked(What&& what) {
    Wire out;
    encode(std::forward<What>(what), out);
    return marked_messages(out);
}

TEST(FutureWire, EveryMessageHasUnknownFields) {
    random_messages some(1);
    envelope own = some.message(4);
    member_row row = some.row();
    row.node = own.from;
    row.unknown.clear();
    row.profile.unknown.clear();
    own.gossip.clear();
    own.body = push_pull{1, {row}};
    EXPECT_EQ(marked<wire::Envelope>(own), 4U) << "itself, its body, the row and its profile";
    EXPECT_EQ(marked<wire::LinkHello>(link_hello{.cluster = "garden"}), 1U);
    for (std::size_t kind = 0; kind < 8; ++kind) {
        EXPECT_GE(marked<wire::ControlFrame>(control_message(some.route(kind))), 2U) << kind;
    }
    EXPECT_EQ(marked<wire::ControlFrame>(control_message(retained_message(retained_root{}))), 3U);
    EXPECT_EQ(marked<wire::LaneFrame>(lane_opening{}), 3U);
    EXPECT_EQ(marked<wire::LaneFrame>(lane_frame{.bytes = "x"}), 2U);
    EXPECT_EQ(marked<wire::LaneReply>(lane_welcome{}), 2U);
    EXPECT_EQ(marked<wire::LaneReply>(lane_reply{}), 2U);
}

} // namespace
} // namespace gv::cluster::future
