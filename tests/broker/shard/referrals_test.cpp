// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"
#include "broker/shard/referrals.hpp"
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::reason_code;
using support::connect_request;
using support::script;
using support::script_client;

constexpr shard_id home{0xf000}, other{0xf001};
constexpr time_point start{1'000s};

TEST(Referrals, AClientIsToldOnceAndServedIfItComesAgain) {
    referrals all({.told_for = 60s, .told_max = 8});
    all.set_address(home, "home:1883");
    EXPECT_EQ(all.refer(home, 1, start), "home:1883");
    EXPECT_EQ(all.refer(home, 1, start + 1s), std::nullopt);
    EXPECT_EQ(all.refer(home, 2, start + 1s), "home:1883") << "another one";
    EXPECT_EQ(all.refer(home, 1, start + 50s), std::nullopt);
    EXPECT_EQ(all.refer(home, 1, start + 100s), std::nullopt) << "it comes again and again";
    EXPECT_EQ(all.refer(home, 1, start + 160s), "home:1883");
}

TEST(Referrals, ANodeThatIsNotThereIsNotNamed) {
    referrals all;
    EXPECT_EQ(all.refer(home, 1, start), std::nullopt);
    all.set_address(home, "home:1883");
    EXPECT_EQ(all.refer(other, 1, start), std::nullopt);
    all.set_address(home, "");
    EXPECT_EQ(all.refer(home, 1, start), std::nullopt);
}

TEST(Referrals, WhoCannotBeRememberedIsServed) {
    referrals all({.told_for = 60s, .told_max = 2});
    all.set_address(home, "home:1883");
    EXPECT_TRUE(all.refer(home, 1, start));
    EXPECT_TRUE(all.refer(home, 2, start));
    EXPECT_FALSE(all.refer(home, 3, start));
    EXPECT_TRUE(all.refer(home, 3, start + 61s));
}

/// Three nodes that tell clients where their sessions live.
class ReferredClients : public testing::Test {
  protected:
    static support::node_options options() {
        support::node_options made{.shards = 1, .nodes = 3};
        made.core.referrals = std::make_shared<referrals>();
        made.core.limits.server_reference = "elsewhere:1883";
        for (std::uint16_t node = 0; node < 3; ++node) {
            made.core.referrals->set_address(party_of(peer_slot{node}),
                                             "node" + std::to_string(node) + ":1883");
        }
        return made;
    }
    script_client& client_of(std::size_t node) {
        std::string id;
        do {
            id = "c" + std::to_string(++ids_);
        } while (s.node.home_node_of(id) != node);
        return s.client(id);
    }
    static connect_request kept(std::size_t node) {
        return {.clean_start = false, .session_expiry = 3'600, .shard = node};
    }
    script s{options()};

  private:
    int ids_ = 0;
};

TEST_F(ReferredClients, AreToldTheHomeOfTheirSessionOnce) {
    script_client& to = client_of(1);
    to.wire.send_connect(kept(0));
    const auto packet = to.next();
    const auto* connack = packet.as<mqtt::connack_view>();
    ASSERT_NE(connack, nullptr);
    EXPECT_EQ(connack->reason, reason_code::use_another_server);
    EXPECT_EQ(connack->properties.text(mqtt::property::server_reference), "node1:1883");
    EXPECT_TRUE(to.wire.is_closed());
    EXPECT_EQ(s.core(0).counts().referred, 1U);
    EXPECT_EQ(s.core(1).sessions(), 0U) << "its home was not asked";
    EXPECT_FALSE(to.connect(kept(1))) << "there it is at home";
    to.cut();
    EXPECT_TRUE(to.connect(kept(0))) << "and here it is served as ever";
    EXPECT_EQ(s.core(0).counts().referred, 1U);
}

TEST_F(ReferredClients, OthersAreServedWhereTheyCome) {
    client_of(1).connect({.shard = 0}); // its session ends with it
    connect_request v3 = kept(0);
    v3.version = mqtt::protocol_version::v3_1_1;
    client_of(1).connect(v3);      // knows no references
    client_of(0).connect(kept(0)); // is at home
    s.node.split(0, 2);
    client_of(2).wire.send_connect(kept(0)); // its home is away
    s.node.run();
    EXPECT_EQ(s.core(0).counts().referred, 0U);
}

} // namespace
} // namespace gv::shard
