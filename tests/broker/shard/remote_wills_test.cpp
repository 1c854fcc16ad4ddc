// SPDX-License-Identifier: Apache-2.0
// Wills of clients whose node is held for dead: remote.cpp and session/home.cpp. The home is on the
// first node, the client on the third.
#include "broker/shard/errand.hpp"
#include "cluster/lane_format.hpp"
#include "tests/support/stored_script.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::reason_code;
using support::connect_request;
using support::script;
using support::script_client;

constexpr std::size_t home = 0;
constexpr std::size_t front = 2;
constexpr std::uint32_t hour = 3'600;

class RemoteWill : public testing::Test {
  protected:
    RemoteWill() {
        hears.connect({.shard = 1});
        hears.subscribe("will", qos::at_least_once);
    }

    script_client& mortal(std::uint32_t session_expiry, std::uint32_t delay) {
        do {
            how.id = "c" + std::to_string(++ids_);
        } while (s.node.home_node_of(how.id) != home);
        how.request = {.clean_start = session_expiry == 0,
                       .session_expiry = session_expiry,
                       .will = support::will_request{.topic = "will",
                                                     .payload = how.id,
                                                     .quality = qos::at_least_once,
                                                     .delay = delay},
                       .shard = front};
        script_client& made = s.client(how.id);
        made.connect(how.request);
        return made;
    }
    /// As that of the client before.
    [[nodiscard]] connect_request again(std::size_t at) const {
        connect_request same = how.request;
        same.shard = at;
        return same;
    }
    void see(peer_presence presence, bool has_ended = false) {
        s.core(home).on_peer({.slot = peer_slot{front},
                              .node = node_id{front + 1},
                              .boot = boot_id{1},
                              .presence = presence,
                              .has_ended = has_ended});
        s.node.run();
    }
    void lose_node() { see(peer_presence::absent, true); }
    void expect_will(duration after) {
        s.advance(after - 200ms);
        hears.expect_nothing();
        s.advance(400ms);
        hears.take("will", how.id);
    }
    void expect_none_for(duration time) {
        s.advance(time);
        hears.expect_nothing();
    }

    struct {
        std::string id;
        connect_request request;
    } how;
    script s{{.shards = 1, .nodes = 3}};
    script_client& hears = s.client("hears");

  private:
    int ids_ = 0;
};

TEST_F(RemoteWill, ComesAfterItsDelayAndAGraceIfTheNodeHasEnded) {
    struct {
        std::uint32_t session_expiry, delay;
        duration due;
    } const cases[] = {{0, 0, 2s}, {0, 30, 2s}, {hour, 0, 2s}, {hour, 1, 2s}, {hour, 30, 30s}};
    for (const auto& each : cases) {
        mortal(each.session_expiry, each.delay);
        lose_node();
        expect_will(each.due);
        expect_none_for(120s);
        see(peer_presence::live);
        s.client(how.id).wire.cut();
        s.node.run();
        while (hears.has_next()) {
            hears.take("will", how.id); // it was registered again, if it was volatile
        }
    }
}

TEST_F(RemoteWill, WaitsForALongTimeIfTheNodeMayBeCutOff) {
    struct {
        std::uint32_t session_expiry, delay;
        duration due;
    } const cases[] = {{0, 0, 60s}, {hour, 0, 60s}, {hour, 30, 60s}, {hour, 90, 90s}, {5, 0, 60s}};
    for (const auto& each : cases) {
        mortal(each.session_expiry, each.delay);
        s.node.see(home, front, peer_presence::absent);
        expect_will(each.due);
        expect_none_for(120s);
        s.node.see(home, front, peer_presence::live);
        s.client(how.id).wire.cut();
        s.node.run();
        while (hears.has_next()) {
            hears.take("will", how.id);
        }
    }
}

TEST_F(RemoteWill, ThatTheNodeHasEndedMayBeKnownLater) {
    mortal(0, 0);
    see(peer_presence::absent);
    expect_none_for(20s);
    see(peer_presence::absent, true);
    expect_will(2s);
    expect_none_for(120s);
}

TEST_F(RemoteWill, AnOperatorMayKnowThatTheNodeHasEnded) {
    mortal(hour, 30);
    see(peer_presence::absent);
    expect_none_for(10s);
    see(peer_presence::gone);
    expect_will(20s);
    expect_none_for(120s);
}

TEST_F(RemoteWill, ANodeInANewLifeHasEnded) {
    mortal(0, 0).wire.cut();
    s.node.split(home, front);
    expect_none_for(10s);
    s.node.reboot(front, {0, 1});
    expect_will(2s);
    expect_none_for(120s);
}

TEST_F(RemoteWill, WhoIsBackInTimeHasNone) {
    for (const bool has_ended : {true, false}) {
        for (const std::uint32_t session_expiry : {0U, hour}) {
            for (const std::size_t at : {home, std::size_t{1}}) {
                script_client& gone = mortal(session_expiry, 0);
                see(peer_presence::absent, has_ended);
                s.advance(1s);
                support::wire_client back(s.node, how.id);
                back.send_connect(again(at));
                back.listen();
                EXPECT_TRUE(back.is_connected());
                expect_none_for(120s);
                see(peer_presence::live);
                gone.wire.cut();
                back.send_disconnect();
                s.advance(1s);
                while (hears.has_next()) {
                    hears.take("will", how.id); // of the connection that was given up
                }
                s.advance(120s);
            }
        }
    }
}

// Its CONNECT is what the home hears first.
TEST_F(RemoteWill, WhoWaitsToTakeOverWhenItsNodeIsDeclaredDeadHasNone) {
    for (const std::uint32_t session_expiry : {0U, hour}) {
        mortal(session_expiry, 0);
        s.node.hold_frames(front, home, true);
        support::wire_client back(s.node, how.id);
        back.send_connect(again(home));
        back.listen();
        EXPECT_FALSE(back.is_connected());
        lose_node();
        back.listen();
        EXPECT_TRUE(back.is_connected());
        expect_none_for(120s);
        back.send_disconnect();
        s.node.hold_frames(front, home, false);
        see(peer_presence::live);
        s.client(how.id).wire.cut();
        s.advance(1s);
        while (hears.has_next()) {
            hears.take("will", how.id);
        }
    }
}

TEST_F(RemoteWill, ACleanStartEndsASessionAndItsWillIsDue) {
    mortal(hour, 30);
    lose_node();
    s.advance(5s);
    support::wire_client back(s.node, how.id);
    connect_request anew = again(1);
    anew.clean_start = true;
    back.send_connect(anew);
    back.listen();
    hears.take("will", how.id);
    back.send_disconnect();
    expect_none_for(120s);
}

TEST_F(RemoteWill, AShortSplitIsSilent) {
    script_client& fleeting = mortal(0, 0);
    const std::string first = how.id;
    script_client& kept = mortal(hour, 0);
    s.node.split(home, front);
    kept.expect_closed(reason_code::server_busy);
    expect_none_for(20s);
    s.node.heal(home, front);
    EXPECT_TRUE(kept.connect(again(front)));
    expect_none_for(120s);
    EXPECT_EQ(s.core(home).sessions(), 2U);
    fleeting.cut(); // it is registered again, with its will
    hears.take("will", first);
    kept.cut();
    hears.take("will", how.id);
    expect_none_for(120s);
}

TEST_F(RemoteWill, WhatHappensBeyondASplitIsHeardOnce) {
    script_client& polite = mortal(0, 0);
    script_client& lost = mortal(0, 0);
    s.node.split(home, front);
    polite.disconnect();
    lost.cut();
    hears.take("will", how.id); // its node speaks for it
    expect_none_for(20s);
    s.node.heal(home, front);
    expect_none_for(120s);
    EXPECT_EQ(s.core(home).sessions(), 0U);
}

// One node with a store, in a cluster of which the test plays the rest.
class StoredRemoteWill : public testing::Test {
  protected:
    StoredRemoteWill() {
        heir.resume();
        heir.subscribe("will", qos::at_least_once);
        heir.disconnect();
    }

    [[nodiscard]] static support::stored_options clustered() {
        support::stored_options options;
        options.node.core.is_clustered = true;
        options.node.core.shares_sessions = true;
        return options;
    }
    [[nodiscard]] static connect_request mortal() {
        return {.clean_start = false,
                .session_expiry = hour,
                .will = support::will_request{.topic = "will", .payload = "gone"}};
    }
    void see(peer_presence presence) {
        s.core().on_peer(
            {.slot = peer_slot{0}, .node = node_id{77}, .boot = boot_id{1}, .presence = presence});
        s.node.run();
    }
    /// The client connects to the other node.
    void attach_from_there() {
        const cluster::lane_identity lane{node_id{77}, boot_id{1}, session_lane_of(shard_id{0})};
        const auto arrived = s.core().on_hello({.lane = lane, .oldest = 1});
        ASSERT_TRUE(arrived);
        const auto will =
            message::copy_of({.topic = "will", .payload = "gone"}, message::reach::local);
        const auto word = encode(std::make_unique<rare>(
            attach{.connection = 1,
                   .username = {},
                   .request = {.client_id = "c",
                               .will = session::will_message{.content = will},
                               .connected_at = {},
                               .session_expiry = hour}}));
        const cluster::forward_flags flags{.errand = word->bytes};
        const cluster::message_shape shape(word->what, {.lane_origin = node_id{77}}, flags);
        std::string bytes(cluster::piece_header_bytes + shape.size(), '\0');
        shape.store(
            cluster::store_piece_header(bytes.data(), cluster::piece_kind::whole, shape.size()),
            word->what, flags);
        ASSERT_TRUE(s.core().on_frame(arrived->lane, {.first = 1, .oldest = 1, .bytes = bytes}));
        s.node.run();
    }
    void crash_and_serve() {
        s.crash();
        s.core().hold_sessions();
        s.advance(1s);
        s.core().begin_serving();
    }

    support::stored_script s{clustered()};
    script_client& heir = s.client("heir");
};

TEST_F(StoredRemoteWill, AHomeThatStartsAgainWaitsForItsClients) {
    for (const bool is_back : {true, false}) {
        s.client("c").connect(mortal());
        crash_and_serve();
        s.advance(3'800ms);
        heir.resume();
        heir.expect_nothing();
        if (is_back) {
            EXPECT_TRUE(s.client("c").connect(mortal()));
        }
        s.advance(400ms);
        is_back ? heir.expect_nothing() : static_cast<void>(heir.take("will", "gone"));
        s.advance(120s);
        heir.expect_nothing();
        if (is_back) {
            s.client("c").disconnect();
        }
    }
}

TEST_F(StoredRemoteWill, AClientThatIsBackBeforeItsHomeServesHasNone) {
    s.client("c").connect(mortal());
    s.crash();
    s.core().hold_sessions();
    s.advance(1s);
    heir.resume();
    EXPECT_TRUE(s.client("c").connect(mortal()));
    s.core().begin_serving();
    s.advance(120s);
    heir.expect_nothing();
}

TEST_F(StoredRemoteWill, WaitsOnAfterARestartOfItsHome) {
    see(peer_presence::live);
    attach_from_there();
    see(peer_presence::absent);
    s.advance(30s);
    crash_and_serve();
    heir.resume();
    s.advance(26s); // with the two that a restart takes
    heir.expect_nothing();
    s.advance(2s);
    heir.take("will", "gone");
    crash_and_serve();
    heir.resume();
    s.advance(120s);
    heir.expect_nothing();
}

} // namespace
} // namespace gv::shard
