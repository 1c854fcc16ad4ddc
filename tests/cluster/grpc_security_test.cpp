// SPDX-License-Identifier: Apache-2.0
// Who may speak to whom, by certificates; and what a person is told.
#include "cluster/certificate_authority.hpp"
#include "cluster/node_trust.hpp"
#include "tests/cluster/grpc_peer.hpp"
#include "tests/cluster/stalling_proxy.hpp"

#include <gmock/gmock.h>

namespace gv::cluster {

namespace {

using testing::HasSubstr;

[[nodiscard]] wall_time now() { return std::chrono::system_clock::now(); }

[[nodiscard]] certified_key authority_of(const std::string& cluster) {
    return make_authority(cluster, valid_for(now(), authority_lifetime));
}

[[nodiscard]] certified_node named(std::uint64_t number, const std::string& cluster = "garden") {
    return {.cluster = cluster, .node = node_id{number}, .name = "node" + std::to_string(number)};
}

[[nodiscard]] tls_material issue(const certified_key& by, const certified_node& who,
                                 const validity& when = valid_for(now(), node_lifetime)) {
    const std::string key = make_key();
    return {.chain = sign_request(by, make_request(key, who), who, when).value(),
            .key = key,
            .authorities = by.certificate};
}

[[nodiscard]] auto showing(const tls_material& all, const std::string& cluster = "garden") {
    return [all, cluster](grpc_transport_options& options) {
        options.security.trust = std::make_shared<node_trust>(cluster, all);
    };
}

/// What a node says of the first that it does not believe.
[[nodiscard]] peer_distrust distrust_at(grpc_peer& peer) {
    return peer.on.wait([&] { return !peer.distrusted.empty(); })
               ? peer.on.read([&] { return peer.distrusted.front(); })
               : peer_distrust{.address = {}, .what = "nothing was told", .remedy = {}};
}

void never_opens(grpc_peer& from) {
    static_cast<void>(from.on.wait([&] { return from.lost.size() >= 3; }));
    EXPECT_TRUE(from.on.read([&] { return from.opened.empty(); }));
}

void answer_with_ack(grpc_peer& peer) {
    peer.answers = [&peer](const envelope& asked) {
        return peer.message(ack{.sequence = std::get<probe>(asked.body).sequence}, asked.from);
    };
}

struct GrpcSecurity : testing::Test {
    certified_key authority = authority_of("garden");
    tls_material one_shows = issue(authority, named(1));
    tls_material two_shows = issue(authority, named(2));
};

TEST_F(GrpcSecurity, NodesOfOneAuthoritySpeak) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, showing(two_shows));
    answer_with_ack(two);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    one.transport->send(two.self.node, numbered(7));
    EXPECT_TRUE(two.on.wait([&] { return two.control.size() == 1; }));
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_welcome());
    EXPECT_TRUE(lane.write({.bytes = std::string(300'000, 'x')}));
    one.transport->ask(two.address(), one.message(probe{1}));
    EXPECT_TRUE(one.on.wait([&] { return one.got.size() == 1; }));
    EXPECT_TRUE(one.on.read([&] { return one.distrusted.empty(); }));
    EXPECT_TRUE(two.on.read([&] { return two.distrusted.empty(); }));
}

TEST_F(GrpcSecurity, OfAnotherAuthorityNobodyIsBelieved) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, showing(issue(authority_of("garden"), named(2))));
    one.open_control(two);
    const peer_distrust why = distrust_at(one);
    EXPECT_EQ(why.address, two.address());
    EXPECT_EQ(why.what, "the certificate of node \"node2\" (0000000000000002) of cluster "
                        "\"garden\" is signed by \"CN=garden,O=Grapevine\", which is not an "
                        "authority that this node has");
    never_opens(one);
    EXPECT_GE(one.transport->counts().distrusted, 1U);
    // Seen from the other side.
    two.open_control(one);
    EXPECT_THAT(distrust_at(two).what, HasSubstr("of node \"node1\""));
}

/// A stranger that believes everybody, as an attacker does.
TEST_F(GrpcSecurity, WhoBelievesThisNodeIsNotBelievedForThat) {
    tls_material stranger = issue(authority_of("garden"), named(1));
    stranger.authorities += authority.certificate;
    grpc_peer one(1, showing(stranger));
    grpc_peer two(2, showing(two_shows));
    answer_with_ack(two);
    one.open_control(two);
    const peer_distrust why = distrust_at(two);
    EXPECT_EQ(why.address, "");
    EXPECT_THAT(why.what, HasSubstr("which is not an authority that this node has"));
    one.transport->ask(two.address(), one.message(probe{1}));
    spoken_lane lane;
    one.speak_lane(two, lane);
    EXPECT_TRUE(lane.is_lost());
    never_opens(one);
    EXPECT_EQ(distrust_at(one).address, two.address());
    EXPECT_EQ(distrust_at(one).what,
              "closed the connection when it had seen the certificate of this node");
    EXPECT_TRUE(two.on.read([&] { return two.questions.empty() && two.lanes.empty(); }));
}

TEST_F(GrpcSecurity, AnotherClusterOfTheSameAuthorityIsRefused) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, [&](grpc_transport_options& options) {
        showing(issue(authority, named(2, "office")), "office")(options);
        options.cluster = "office";
    });
    one.open_control(two);
    EXPECT_EQ(distrust_at(one).what, "the certificate is that of node \"node2\" "
                                     "(0000000000000002) of cluster \"office\"; here is the "
                                     "cluster \"garden\"");
    two.open_control(one);
    EXPECT_THAT(distrust_at(two).what, HasSubstr("of cluster \"garden\"; here is the cluster "
                                                 "\"office\""));
    never_opens(one);
}

TEST_F(GrpcSecurity, ACertificateThatHasExpiredIsRefusedAtBothEnds) {
    using namespace std::chrono_literals;
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, showing(issue(authority, named(2), {now() - 48h, now() - 24h})));
    one.open_control(two);
    EXPECT_THAT(distrust_at(one).what, HasSubstr("has expired, on "));
    EXPECT_EQ(distrust_at(one).address, two.address());
    grpc_peer three(3, showing(issue(authority, named(3))));
    two.open_control(three);
    EXPECT_THAT(distrust_at(three).what, HasSubstr("has expired, on "));
    EXPECT_EQ(distrust_at(three).address, "");
    never_opens(two);
}

TEST_F(GrpcSecurity, WhoSaysThatItIsAnotherIsRefused) {
    grpc_peer one(1, showing(issue(authority, named(5))));
    grpc_peer two(2, showing(two_shows));
    answer_with_ack(two);
    one.open_control(two);
    EXPECT_EQ(distrust_at(two).what, "says that it is node 0000000000000001, and its certificate "
                                     "is that of node 0000000000000005");
    EXPECT_THAT(one.loss(0), HasSubstr("the certificate of the caller is not that of node 1"));
    one.transport->ask(two.address(), one.message(probe{1}));
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_lost());
    EXPECT_THAT(lane.lost.front(), HasSubstr("is not that of node 1"));
    EXPECT_TRUE(comes_true([&] { return one.transport->counts().questions_unanswered == 1; }));
    EXPECT_TRUE(two.on.read([&] { return two.questions.empty() && two.lanes.empty(); }));
}

TEST_F(GrpcSecurity, WhoIsCalledAndIsAnotherIsRefused) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, showing(issue(authority, named(5))));
    answer_with_ack(two);
    one.open_control(two);
    const peer_distrust why = distrust_at(one);
    EXPECT_EQ(why.address, two.address());
    EXPECT_EQ(why.what, "says that it is node 0000000000000002, and its certificate is that of "
                        "node 0000000000000005");
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_lost());
    EXPECT_EQ(lane.lost.front(), "its certificate is that of another node");
    EXPECT_EQ(lane.on.read([&] { return lane.welcome.boot; }), boot_id{});
    one.transport->ask(two.address(), one.message(probe{1}));
    EXPECT_TRUE(comes_true([&] { return one.transport->counts().questions_unanswered == 1; }));
    EXPECT_TRUE(one.on.read([&] { return one.got.empty() && one.opened.empty(); }));
}

TEST_F(GrpcSecurity, PlainTextIsNotSpokenWithCertificates) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2);
    one.open_control(two);
    const peer_distrust why = distrust_at(one);
    EXPECT_EQ(why.address, two.address());
    EXPECT_EQ(why.what, "speaks plain text, and this node has a certificate") << one.loss(0);
    two.open_control(one);
    never_opens(two);
    never_opens(one);
}

TEST_F(GrpcSecurity, NewCertificatesHoldForNewConnectionsAndOldOnesStay) {
    grpc_peer one(1, showing(one_shows));
    grpc_peer two(2, showing(two_shows));
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_welcome());
    // The authority changes: first both are believed, then each shows the new one.
    const certified_key fresh = authority_of("garden");
    const std::string both = authority.certificate + fresh.certificate;
    const auto replace = [&](grpc_peer& at, tls_material with) {
        with.authorities = both;
        at.options.security.trust->replace(with);
    };
    replace(one, one_shows);
    replace(two, two_shows);
    replace(one, issue(fresh, named(1)));
    replace(two, issue(fresh, named(2)));
    EXPECT_TRUE(lane.write({.bytes = "still here"}));
    EXPECT_TRUE(one.on.read([&] { return one.lost.empty(); }));
    grpc_peer three(3, showing(issue(fresh, named(3))));
    for (grpc_peer* const each : {&one, &two}) {
        three.open_control(*each);
    }
    EXPECT_TRUE(three.on.wait([&] { return three.opened.size() == 2; }));
}

TEST_F(GrpcSecurity, ANeighbourThatPassesOnVouchesForWhoCalls) {
    const auto soon = [](const tls_material& all) {
        return [all](grpc_transport_options& options) {
            showing(all)(options);
            options.relay_after = 50ms;
            options.connect_within = 300ms;
        };
    };
    grpc_peer one(1, soon(one_shows));
    grpc_peer two(2, soon(two_shows));
    grpc_peer three(3, soon(issue(authority, named(3))));
    stalling_proxy cut(three.options.port);
    cut.stall(true);
    one.open_control(two);
    two.open_control(three);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    ASSERT_TRUE(two.on.wait([&] { return two.opened.size() == 1; }));
    one.transport->open_control(three.self, cut.address(), feature_relay);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 2; }));
    EXPECT_EQ(one.on.read([&] { return one.ways.back(); }), two.self.node);
    one.transport->send(three.self.node, numbered(7));
    ASSERT_TRUE(three.on.wait([&] { return !three.control.empty(); }));
    EXPECT_EQ(three.on.read([&] { return three.control.front().from; }), one.self);
    spoken_lane lane;
    lane.link = one.transport->open_lane(three.self.node, cut.address(), one.hello_of(0), lane);
    EXPECT_TRUE(lane.is_welcome());
    for (grpc_peer* const each : {&one, &two, &three}) {
        EXPECT_TRUE(each->on.read([&] { return each->distrusted.empty(); }));
    }
}

TEST(PlainText, IsSpokenWithThisMachineOnlyUnlessItMayBeWithAnybody) {
    grpc_peer one(1, [](grpc_transport_options& options) {
        options.security.plain = plain_text::this_machine;
    });
    grpc_peer two(2);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    one.transport->open_control({node_id{3}, boot_id{1}}, "192.0.2.1:7883", 0);
    const peer_distrust why = distrust_at(one);
    EXPECT_EQ(why.address, "192.0.2.1:7883");
    EXPECT_EQ(why.what, "is on another machine, and this node has no certificate");
    EXPECT_THAT(why.remedy, HasSubstr("cluster.allow_plaintext"));
}

} // namespace

} // namespace gv::cluster
