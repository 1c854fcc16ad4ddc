// SPDX-License-Identifier: Apache-2.0
// Sessions as scripts: what one connection does, by MQTT 3.1.1 and 5.
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::session {
namespace {

using mqtt::packet_type;
using mqtt::protocol_version;
using mqtt::reason_code;
using support::replay_with_cuts;
using support::script;
using support::script_client;

TEST(SessionPublish, Qos1IsRoutedThenAcknowledged) {
    replay_with_cuts([](script& s) {
        script_client& to = s.client("to");
        to.resume();
        to.subscribe("a/b", qos::at_least_once);
        script_client& from = s.client("from");
        from.resume();
        const packet_id id = from.publish("a/b", "m1", qos::at_least_once);
        EXPECT_EQ(from.expect_ack(packet_type::puback, id), reason_code::success);
        const auto got = to.receive("a/b", "m1");
        EXPECT_EQ(got.quality, qos::at_least_once);
        EXPECT_FALSE(got.dup);
        EXPECT_FALSE(got.retain);
        to.acknowledge(packet_type::puback, got.id);
        to.expect_nothing();
    });
}

TEST(SessionPublish, Qos2IsRoutedOnceWhateverIsCut) {
    for (const std::size_t shards : {1U, 3U}) {
        replay_with_cuts(support::on_shards(shards), [](script& s) {
            script_client& to = s.client("to");
            to.resume();
            to.subscribe("a/#", qos::exactly_once);
            script_client& from = s.client("from");
            from.resume(protocol_version::v3_1_1);
            const packet_id id = from.publish("a/b", "m1", qos::exactly_once);
            from.expect_ack(packet_type::pubrec, id);
            const auto got = to.receive("a/b", "m1");
            EXPECT_EQ(got.quality, qos::exactly_once);
            to.acknowledge(packet_type::pubrec, got.id);
            from.acknowledge(packet_type::pubrel, id);
            from.expect_ack(packet_type::pubcomp, id);
            to.expect_ack(packet_type::pubrel, got.id);
            to.acknowledge(packet_type::pubcomp, got.id);
        });
    }
}

} // namespace
} // namespace gv::session
