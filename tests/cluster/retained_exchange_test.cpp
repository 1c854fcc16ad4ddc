// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/retained_script.hpp"

#include <gtest/gtest.h>

namespace gv::cluster::testing {
namespace {

const retained_exchange_options quick{
    .compare_interval = 1s,
    .collecting = {.age_min = 10s, .age_max = 100s, .contact = 20s, .step = 1s, .settling = 1s}};

struct RetainedExchange : ::testing::Test {
    retained_script script;
};

TEST_F(RetainedExchange, TwoNodesThatMeetHaveWhatEitherHadAndTheNewestOfBoth) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    one.put("only one", "1", script.wall());
    two.put("only two", "2", script.wall());
    one.put("both", "old", script.wall() - 1s);
    two.put("both", "new", script.wall());
    one.put("cleared", "v", script.wall() - 1s);
    two.put("cleared", "", script.wall());
    script.tell_all(peer_state::alive);
    script.settle();
    for (const auto* each : {&one, &two}) {
        EXPECT_EQ(each->find("only one"), "1");
        EXPECT_EQ(each->find("only two"), "2");
        EXPECT_EQ(each->find("both"), "new");
        EXPECT_EQ(each->find("cleared"), "");
        EXPECT_EQ(each->ready, 1);
    }
    EXPECT_EQ(root_hash(one.digest), root_hash(two.digest));
    EXPECT_EQ(script.faults, 0);
}

TEST_F(RetainedExchange, NothingIsDatedBeforeWhatWasTold) {
    auto& one = script.add(1, quick);
    script.add(2, quick);
    script.tell_all(peer_state::alive);
    script.pass(5s);
    ASSERT_FALSE(one.stays_after.empty());
    EXPECT_LE(one.stays_after.size(), 6U) << "in steps of a second";
    EXPECT_TRUE(std::ranges::is_sorted(one.stays_after));
    EXPECT_GE(one.stays_after.back(), stamp_of(script.wall() - 4s));
}

TEST_F(RetainedExchange, WhatAnotherHasSaidToHaveIsHeldElsewhere) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    one.put("t", "v", script.wall());
    EXPECT_FALSE(one.exchange.is_held_elsewhere()) << "there is nobody";
    script.tell_all(peer_state::alive);
    EXPECT_FALSE(one.exchange.is_held_elsewhere()) << "nobody has said anything";
    script.settle();
    one.exchange.ask_all(script.moment(), one);
    script.settle();
    EXPECT_TRUE(one.exchange.is_held_elsewhere());
    one.put("t", "newer", script.wall() + 1ms);
    EXPECT_FALSE(one.exchange.is_held_elsewhere());
    one.exchange.ask_all(script.moment(), one); // now it hears that something is new, and fetches
    script.settle();
    one.exchange.ask_all(script.moment(), one);
    script.settle();
    EXPECT_EQ(two.find("t"), "newer");
    EXPECT_TRUE(one.exchange.is_held_elsewhere());
    one.exchange.on_peer(two.id, boot_id{1}, peer_state::dead, script.moment(), one);
    EXPECT_FALSE(one.exchange.is_held_elsewhere()) << "it is not there any more";
    one.exchange.on_peer(two.id, boot_id{1}, peer_state::alive, script.moment(), one);
    EXPECT_FALSE(one.exchange.is_held_elsewhere()) << "it may have lost it meanwhile";
}

TEST_F(RetainedExchange, AtRestThereAreOnlyRoots) {
    auto& one = script.add(1);
    script.add(2);
    one.put("t", "v", script.wall());
    script.tell_all(peer_state::alive);
    script.settle();
    script.sent.clear();
    script.pass(60s);
    EXPECT_EQ(script.sent_but_roots(), 0u);
    // Two questions and two answers in 5 s.
    EXPECT_GE(script.sent.size(), 4u * 60 / 5 - 4);
    EXPECT_LE(script.sent.size(), 4u * 60 / 5 + 8);
}

TEST_F(RetainedExchange, AMessageThatWasLostIsMadeUpForAtTheNextCompare) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    script.tell_all(peer_state::alive);
    script.settle();
    one.put("t", "v", script.wall());
    script.pass(6s);
    EXPECT_EQ(two.find("t"), "v");
    EXPECT_EQ(two.exchange.counted().rows_applied, 1u);
    EXPECT_EQ(one.exchange.counted().rows_sent, 1u);
}

TEST_F(RetainedExchange, WhatWasLostBeforeALinkWasThereIsSaidAgainAsSoonAsItIs) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    one.put("t", "v", script.wall());
    script.is_cut = true;
    script.tell_all(peer_state::alive);
    script.settle();
    ASSERT_EQ(two.ready, 0);
    script.is_cut = false;
    one.exchange.on_link(two.id, script.moment(), one);
    two.exchange.on_link(one.id, script.moment(), two);
    script.settle();
    EXPECT_EQ(two.find("t"), "v");
    EXPECT_EQ(one.ready, 1);
    EXPECT_EQ(two.ready, 1);
}

TEST_F(RetainedExchange, OnlyWhatDiffersIsFetched) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    for (int i = 0; i < 2'000; ++i) {
        one.put(std::to_string(i), "v", script.wall());
    }
    script.tell_all(peer_state::alive);
    script.settle();
    EXPECT_EQ(two.exchange.counted().rows_received, 2'000u);
    one.put("7", "newer", script.wall() + 1ms);
    script.pass(6s);
    EXPECT_EQ(two.find("7"), "newer");
    EXPECT_EQ(two.exchange.counted().rows_received, 2'001u);
}

TEST_F(RetainedExchange, ManyDifferencesAreFetchedNoFasterThanAllowed) {
    retained_exchange_options slow;
    slow.bytes_per_second = 100'000;
    slow.joining_bytes_per_second = 100'000;
    auto& one = script.add(1, slow);
    auto& two = script.add(2, slow);
    for (int i = 0; i < 3'000; ++i) {
        one.put(std::to_string(i), std::string(100, 'x'), script.wall());
    }
    script.tell_all(peer_state::alive);
    script.settle();
    script.pass(1s, 10ms);
    EXPECT_LT(two.exchange.counted().bytes_received, 300'000u);
    EXPECT_EQ(two.ready, 0);
    script.pass(20s, 10ms);
    EXPECT_EQ(two.table.count(), 3'000u);
    EXPECT_EQ(two.ready, 1);
}

TEST_F(RetainedExchange, AHundredThousandDifferencesAreGoneInTenSeconds) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    script.tell_all(peer_state::alive);
    script.settle();
    ASSERT_EQ(two.ready, 1) << "from here on the steady rate holds";
    for (int i = 0; i < 100'000; ++i) {
        one.put("site/building/" + std::to_string(i), "21.5 degrees", script.wall());
    }
    script.pass(10s, 20ms);
    EXPECT_EQ(two.table.count(), 100'000u);
    EXPECT_EQ(root_hash(one.digest), root_hash(two.digest));
}

TEST_F(RetainedExchange, IsReadyAtOnceWithoutOthersButNotBeforeMembersAreKnown) {
    auto& one = script.add(1);
    EXPECT_EQ(one.ready, 0);
    one.exchange.on_members_known(script.moment(), one);
    EXPECT_EQ(one.ready, 1);
    one.exchange.on_members_known(script.moment(), one);
    EXPECT_EQ(one.ready, 1);
}

TEST_F(RetainedExchange, WaitsForAPeerThatDoesNotAnswerUntilItIsDead) {
    auto& one = script.add(1);
    script.is_cut = true;
    one.exchange.on_peer(node_id{9}, boot_id{1}, peer_state::alive, script.moment(), one);
    one.exchange.on_members_known(script.moment(), one);
    script.pass(3s);
    EXPECT_EQ(one.ready, 0);
    EXPECT_GE(script.sent.size(), 3u) << "it asks again";
    one.exchange.on_peer(node_id{9}, boot_id{1}, peer_state::dead, script.moment(), one);
    EXPECT_EQ(one.ready, 1);
}

TEST_F(RetainedExchange, RemovalsAreForgottenOnceEverybodyHasThem) {
    auto& one = script.add(1, quick);
    auto& two = script.add(2, quick);
    script.tell_all(peer_state::alive);
    one.put("t", "v", script.wall());
    script.pass(2s);
    one.put("t", "", script.wall());
    script.pass(5s);
    EXPECT_EQ(one.table.tombstones() + two.table.tombstones(), 2u);
    script.pass(20s);
    EXPECT_EQ(one.table.tombstones() + two.table.tombstones(), 0u);
    EXPECT_TRUE(one.exchange.claim().denies(stamp_of(script.wall() - 21s)));
}

TEST_F(RetainedExchange, WhileAMemberIsDownRemovalsAreKeptForIt) {
    auto& one = script.add(2, quick);
    one.exchange.on_peer(node_id{1}, boot_id{1}, peer_state::dead, script.moment(), one);
    one.exchange.on_members_known(script.moment(), one);
    one.put("t", "", script.wall());
    script.pass(90s);
    EXPECT_EQ(one.table.tombstones(), 1u);
    one.exchange.on_peer(node_id{1}, boot_id{1}, peer_state::gone, script.moment(), one);
    script.pass(60s);
    EXPECT_EQ(one.table.tombstones(), 0u) << "forgotten members are not waited for";
}

TEST_F(RetainedExchange, WhoWasAwayTooLongContributesNothingFromBefore) {
    // One of three returns after the others have gone on without it.
    const wall_time long_ago = script.wall() - 150s;
    const retained_claim theirs{.from = stamp_of(script.wall() - 1'000s),
                                .to = stamp_of(script.wall() - 100s)};
    const retained_claim before{.from = theirs.from, .to = stamp_of(script.wall() - 300s)};
    auto& one = script.add(1, quick, theirs);
    auto& two = script.add(2, quick, theirs);
    auto& late = script.add(3, quick, before);
    late.put("cleared meanwhile", "v", long_ago);
    late.put("known elsewhere", "v", long_ago);
    late.put("lately", "v", script.wall() - 50s);
    for (auto* each : {&one, &two}) {
        each->table.set_claim({});
        each->put("known elsewhere", "older", long_ago - 1s);
        each->put("set meanwhile", "v", script.wall() - 120s);
        each->table.set_claim(theirs);
    }
    script.tell_all(peer_state::alive);
    script.pass(10s);
    for (const auto* each : {&one, &two, &late}) {
        EXPECT_EQ(each->find("cleared meanwhile"), "");
        EXPECT_EQ(each->find("known elsewhere"), "v") << "the newest of a topic that lives";
        EXPECT_EQ(each->find("lately"), "v");
        EXPECT_EQ(each->find("set meanwhile"), "v");
    }
    EXPECT_EQ(late.exchange.counted().dropped, 1u);
    EXPECT_GE(late.exchange.claim().to, theirs.to);
}

TEST_F(RetainedExchange, ANewNodeTakesAllAndDeniesNothing) {
    const retained_claim theirs{.from = {}, .to = stamp_of(script.wall() - 100s)};
    auto& one = script.add(1, quick, theirs);
    auto& fresh = script.add(2, quick, {.from = stamp_of(script.wall()), .to = {}});
    one.table.set_claim({});
    one.put("old", "v", script.wall() - 500s);
    one.table.set_claim(theirs);
    script.tell_all(peer_state::alive);
    script.pass(5s);
    EXPECT_EQ(one.find("old"), "v");
    EXPECT_EQ(fresh.find("old"), "v");
    EXPECT_EQ(one.exchange.counted().dropped, 0u);
    EXPECT_EQ(fresh.exchange.claim().from, theirs.from);
}

TEST_F(RetainedExchange, AStampOfTheFutureIsNotTaken) {
    auto& one = script.add(1);
    auto& two = script.add(2);
    one.put("future", "v", script.wall() + 1h);
    one.put("present", "v", script.wall());
    script.tell_all(peer_state::alive);
    script.settle();
    EXPECT_EQ(two.find("future"), "");
    EXPECT_EQ(two.find("present"), "v");
    EXPECT_EQ(two.exchange.counted().rows_distrusted, 1u);
}

TEST_F(RetainedExchange, AStrangerIsRefused) {
    auto& one = script.add(1);
    const auto done = one.exchange.on_message(node_id{5}, retained_root{}, script.moment(), one);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), retained_fault::unknown_peer);
    EXPECT_EQ(one.exchange.counted().refused, 0u) << "membership may tell of it in a moment";
}

/// Answers a question of `one` by hand.
struct RetainedAnswers : RetainedExchange {
    retained_script::node& one = script.add(1);

    retained_rows_request ask() {
        script.is_cut = true;
        one.put("t", "v", script.wall());
        const std::uint64_t hash = retained_topic_hash("t");
        one.exchange.on_peer(node_id{9}, boot_id{1}, peer_state::alive, script.moment(), one);
        say(retained_root{.boot = boot_id{1}, .hash = 42});
        std::vector<std::uint64_t> hashes(64);
        hashes[retained_bucket_of(hash).value / 64] = 42;
        say(retained_hashes{.hashes = hashes});
        for (std::uint64_t& each : hashes) {
            each = 0;
        }
        hashes[retained_bucket_of(hash).value % 64] = 42;
        say(retained_hashes{.groups = std::get<retained_hashes_request>(script.sent.back()).groups,
                            .hashes = hashes});
        return std::get<retained_rows_request>(script.sent.back());
    }
    result<void, retained_fault> say(retained_message message) {
        auto done = one.exchange.on_message(node_id{9}, std::move(message), script.moment(), one);
        script.settle();
        return done;
    }
    static retained_row row(std::string_view topic, std::uint64_t stamp) {
        publication made;
        made.header.stamp = {stamp};
        made.header.retain = true;
        made.topic = topic;
        made.payload = "v";
        return {.what = message::copy_of(made, message::reach::shared)};
    }
};

TEST_F(RetainedAnswers, TellsWhatItHasAndAsksNothingMoreThanOnce) {
    const retained_rows_request asked = ask();
    ASSERT_EQ(asked.known.size(), 1u);
    EXPECT_EQ(asked.known.front().topic_hash, retained_topic_hash("t"));
    EXPECT_TRUE(one.exchange.is_busy());
    retained_page page{.number = asked.number, .until = asked.of.until};
    EXPECT_TRUE(say(page));
    EXPECT_FALSE(one.exchange.is_busy());
    page.rows.push_back(row("t", stamp_of(script.wall()).value + 1));
    EXPECT_TRUE(say(page)) << "an answer that comes twice is ignored";
    EXPECT_EQ(one.exchange.counted().rows_received, 0u);
}

TEST_F(RetainedAnswers, ARowOfAnotherBucketIsRefused) {
    const retained_rows_request asked = ask();
    const auto done = say(retained_page{
        .number = asked.number, .until = asked.of.until, .rows = {row("elsewhere", 5)}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), retained_fault::topic_elsewhere);
}

TEST_F(RetainedAnswers, WhatWasNotToldCannotBeDead) {
    const retained_rows_request asked = ask();
    retained_entry other = asked.known.front();
    other.version.stamp = {7};
    const auto done = say(retained_page{.number = asked.number,
                                        .until = asked.of.until,
                                        .claim = {.from = {}, .to = stamp_of(script.wall())},
                                        .dead = {other}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), retained_fault::topic_elsewhere);
    EXPECT_EQ(one.find("t"), "v");
}

TEST_F(RetainedAnswers, AnAnswerThatGoesNowhereIsRefused) {
    const retained_rows_request asked = ask();
    const auto done = say(retained_page{.number = asked.number, .until = 0});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), retained_fault::bucket_unknown);
}

TEST_F(RetainedAnswers, APeerThatDoesNotAnswerIsGivenUp) {
    const retained_rows_request asked = ask();
    const std::size_t sent = script.sent_but_roots();
    script.pass(10s);
    EXPECT_EQ(script.sent_but_roots(), sent + 4) << "five times in all";
    EXPECT_FALSE(one.exchange.is_busy());
    EXPECT_EQ(one.exchange.counted().passes_done, 0u);
    EXPECT_TRUE(say(retained_page{.number = asked.number, .until = asked.of.until}));
}

TEST(RetainedBudget, IsADebtPaidOffWithTime) {
    byte_budget budget;
    const time_point start{100s};
    budget.spend(1'000'000, start);
    const duration credit = byte_budget::credit;
    EXPECT_LE(budget.free_at(), start) << "no rate, no limit";
    budget.set_rate(1'000);
    budget.spend(500, start);
    EXPECT_EQ(budget.free_at() + credit, start + 500ms);
    budget.spend(1'000, start);
    EXPECT_EQ(budget.free_at() + credit, start + 1'500ms);
    budget.spend(100, start + 10s);
    EXPECT_EQ(budget.free_at() + credit, start + 10'100ms) << "what is not spent is not saved";
}

} // namespace
} // namespace gv::cluster::testing
