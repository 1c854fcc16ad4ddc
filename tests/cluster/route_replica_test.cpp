// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_replica.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace gv::cluster {
namespace {

constexpr time_point start{100s};

struct nobody final : route_listener {
    void filter_changed(std::string_view) override {}
    void all_changed() override {}
};

/// An owner and a copy of it, with messages carried by hand.
class RouteReplica : public ::testing::Test {
  protected:
    RouteReplica() { owner_ = life(1); }

    std::unique_ptr<route_owner> life(std::uint32_t boot) {
        return std::make_unique<route_owner>(
            stream_, route_generation{.author = node_id{7}, .boot = boot_id{boot}}, owner_options_);
    }
    static route_subscription to(std::string_view filter) {
        return {.key = {.filter = filter, .group = {}}};
    }
    void add(std::string_view filter) { static_cast<void>(owner_->add(to(filter), start)); }
    void drop(std::string_view filter) {
        owner_->remove(to(filter), start);
        owner_->on_deadline(start + 1h);
    }
    route_deltas news() {
        route_deltas deltas = owner_->flush();
        owner_->keep(deltas);
        return deltas;
    }
    void hear(const route_deltas& deltas) {
        EXPECT_TRUE(copy_.on_deltas(deltas, nobody_).has_value());
    }
    void hear_digest() { copy_.on_digest(owner_->digest(), nobody_); }
    /// Asks what is to be asked, once.
    template <typename Message>
    Message question() {
        const auto asked = copy_.question(now_);
        return asked && std::holds_alternative<Message>(*asked) ? std::get<Message>(*asked)
                                                                : throw "no such question";
    }
    route_page next_page(std::size_t bytes = 1) {
        return owner_->page(copy_.ask_for_page(now_), bytes);
    }
    void hear(const route_page& page) { EXPECT_TRUE(copy_.on_page(page, nobody_).has_value()); }
    void fetch() {
        while (copy_.wants_page()) {
            hear(next_page());
        }
    }
    void sync() {
        hear_digest();
        if (copy_.question(now_)) {
            copy_.on_hashes(owner_->hashes());
        }
        fetch();
        sweep();
    }
    void sweep() {
        std::size_t visits = 1'000;
        copy_.sweep(visits, nobody_);
    }
    bool has(std::string_view topic) {
        route_matches found;
        index_.match(topic, found);
        return !found.targets.empty();
    }

    const route_destination stream_{node_id{7}};
    route_owner_options owner_options_{.linger = 0s};
    route_replica_options options_{.touched_max = 3,
                                   .limits = {.rows_max = 4, .message_rows_max = 2}};
    route_index index_;
    std::uint64_t numbers_ = 0;
    nobody nobody_;
    std::unique_ptr<route_owner> owner_;
    route_replica copy_{stream_, index_, options_, numbers_};
    time_point now_ = start;
};

TEST_F(RouteReplica, FetchesPageByPage) {
    add("a");
    add("b");
    owner_->start();
    hear_digest();
    static_cast<void>(question<hashes_request>());
    copy_.on_hashes(owner_->hashes());
    hear(next_page());
    EXPECT_FALSE(copy_.is_complete());
    const auto partly = copy_.position_news();
    EXPECT_FALSE(partly) << "nothing to tell before it is complete";
    fetch();
    EXPECT_TRUE(copy_.is_complete());
    const auto all = copy_.position_news();
    ASSERT_TRUE(all);
    EXPECT_EQ(all->since, 0u);
    EXPECT_EQ(all->applied, 1u);
    EXPECT_TRUE(has("a") && has("b"));
}

TEST_F(RouteReplica, AGapIsAskedForAndNotSkipped) {
    owner_->start();
    sync();
    add("a");
    const route_deltas lost = news();
    add("b");
    hear(news());
    EXPECT_FALSE(has("b")) << "out of order";
    EXPECT_EQ(question<resend_request>().after, 1u);
    EXPECT_FALSE(copy_.question(now_)) << "asked once";
    EXPECT_TRUE(copy_.question(now_ + options_.ask_again)) << "and again when nobody answers";
    hear(*owner_->resend(1, 1'000));
    EXPECT_TRUE(has("a") && has("b"));
    hear(lost);
    EXPECT_EQ(copy_.applied(), 3u);
}

TEST_F(RouteReplica, ADigestShowsThatTheLastChangeWasLost) {
    owner_->start();
    sync();
    add("a");
    static_cast<void>(news());
    hear_digest();
    EXPECT_EQ(question<resend_request>().after, 1u);
}

TEST_F(RouteReplica, AResendInPartsIsFollowedUpAtOnce) {
    owner_->start();
    sync();
    add("a");
    add("b");
    static_cast<void>(news());
    hear_digest();
    static_cast<void>(question<resend_request>());
    hear(*owner_->resend(1, 1));
    EXPECT_EQ(question<resend_request>().after, 2u);
}

TEST_F(RouteReplica, ADifferenceAtTheSameNumberIsMended) {
    owner_->start();
    sync();
    add("a");
    add("b");
    route_deltas wrong = news();
    wrong.changes[1].filter = "ghost";
    hear(wrong);
    hear_digest();
    EXPECT_EQ(copy_.counted().mismatches, 1u);
    static_cast<void>(question<hashes_request>());
    copy_.on_hashes(owner_->hashes());
    fetch();
    sweep();
    EXPECT_TRUE(has("a") && has("b"));
    EXPECT_FALSE(has("ghost"));
    EXPECT_EQ(index_.digest(copy_.slot()).hash(), owner_->digest().hash);
}

TEST_F(RouteReplica, ANewGenerationReplacesTheOldOneWithoutAGap) {
    owner_->start();
    add("stays");
    add("goes");
    hear_digest();
    sync();
    owner_ = life(2);
    add("stays");
    add("comes");
    owner_->start();
    hear_digest();
    static_cast<void>(question<hashes_request>());
    copy_.on_hashes(owner_->hashes());
    EXPECT_TRUE(has("stays") && has("goes"));
    while (copy_.wants_page()) {
        sweep();
        hear(next_page());
        EXPECT_TRUE(has("stays"));
    }
    EXPECT_TRUE(has("goes")) << "until it is swept";
    sweep();
    EXPECT_TRUE(has("stays") && has("comes"));
    EXPECT_FALSE(has("goes"));
}

TEST_F(RouteReplica, AnHeirWithTheSameRowsCostsOneDigest) {
    add("a");
    owner_->start();
    sync();
    owner_ = life(2);
    add("a");
    owner_->start();
    hear_digest();
    EXPECT_TRUE(copy_.is_complete());
    EXPECT_EQ(copy_.of().boot, boot_id{2});
    EXPECT_FALSE(copy_.question(now_));
}

TEST_F(RouteReplica, WhatAnOldGenerationSaysLateChangesNothing) {
    add("a");
    owner_->start();
    sync();
    add("late");
    const route_deltas late = news();
    drop("a");
    const route_deltas later = news();
    const stream_digest old_digest = owner_->digest();
    owner_ = life(2);
    add("a");
    owner_->start();
    sync();
    hear(late);
    hear(later);
    copy_.on_digest(old_digest, nobody_);
    EXPECT_TRUE(has("a"));
    EXPECT_FALSE(has("late"));
    EXPECT_FALSE(copy_.question(now_ + 1h));
    EXPECT_TRUE(copy_.is_complete());
}

TEST_F(RouteReplica, LateAnswersOfAnOldGenerationAreNotTaken) {
    add("a");
    owner_->start();
    sync();
    const stream_hashes late = owner_->hashes();
    owner_ = life(2);
    add("b");
    owner_->start();
    hear_digest();
    static_cast<void>(question<hashes_request>());
    copy_.on_hashes(late);
    EXPECT_FALSE(copy_.wants_page());
    copy_.on_hashes(owner_->hashes());
    copy_.on_hashes(late);
    EXPECT_EQ(copy_.of().boot, boot_id{2});
    fetch();
    EXPECT_TRUE(copy_.is_complete());
}

TEST_F(RouteReplica, APageOfAnEarlierPassIsNotTaken) {
    add("a");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    const route_page late = next_page(1'000);
    copy_.leave(nobody_);
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    static_cast<void>(copy_.ask_for_page(now_));
    hear(late);
    EXPECT_FALSE(copy_.is_complete());
}

TEST_F(RouteReplica, ChangesWhileItFetchesAreVisibleAndSaidToBePartial) {
    add("a");
    add("b");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    add("new");
    hear(news());
    EXPECT_TRUE(has("new"));
    const auto position = copy_.position_news();
    ASSERT_TRUE(position);
    EXPECT_EQ(position->since, 1u) << "what came before may be missing";
    EXPECT_EQ(position->applied, 2u);
}

TEST_F(RouteReplica, AnOldPageDoesNotUndoANewerChange) {
    add("a");
    add("b");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    const route_page slow = next_page(1'000);
    drop("a");
    hear(news());
    hear(slow);
    EXPECT_TRUE(copy_.is_complete());
    EXPECT_FALSE(has("a"));
    EXPECT_TRUE(has("b"));
    hear_digest();
    EXPECT_EQ(copy_.counted().mismatches, 0u);
}

TEST_F(RouteReplica, APageThatTooMuchHasOvertakenIsAskedForAnew) {
    add("a");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    const route_page slow = next_page(1'000);
    for (const auto* each : {"1", "2", "3", "4"}) {
        add(each);
        drop(each);
        hear(news());
    }
    EXPECT_TRUE(copy_.wants_page());
    hear(slow);
    EXPECT_FALSE(copy_.is_complete());
    fetch();
    EXPECT_TRUE(copy_.is_complete());
}

TEST_F(RouteReplica, TheAnswerToARepeatedQuestionMayBeThatToTheFirst) {
    add("a");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    const route_page slow = next_page(1'000);
    drop("a");
    hear(news());
    now_ += options_.ask_again;
    copy_.on_deadline(now_);
    ASSERT_TRUE(copy_.wants_page());
    static_cast<void>(copy_.ask_for_page(now_));
    hear(slow);
    EXPECT_TRUE(copy_.is_complete());
    EXPECT_FALSE(has("a"));
}

TEST_F(RouteReplica, RefusesMoreRowsThanAStreamMayHave) {
    owner_->start();
    sync();
    for (const auto* each : {"1", "2", "3", "4", "5", "6"}) {
        add(each);
        hear(news());
    }
    add("7");
    EXPECT_EQ(copy_.on_deltas(news(), nobody_).error(), route_fault::too_many_rows);
    EXPECT_FALSE(has("7"));
    EXPECT_EQ(copy_.applied(), 7u);
}

TEST_F(RouteReplica, GenerationsThatNeverEndDoNotFillTheMemory) {
    for (std::uint32_t boot = 1; boot < 50; ++boot) {
        owner_ = life(boot);
        for (int each = 0; each < 4; ++each) {
            add(std::to_string(boot) + "/" + std::to_string(each));
        }
        owner_->start();
        hear_digest();
        static_cast<void>(copy_.question(now_));
        copy_.on_hashes(owner_->hashes());
        route_page page = owner_->page(copy_.ask_for_page(now_), 1'000);
        page.is_last = false;
        static_cast<void>(copy_.on_page(page, nobody_));
    }
    EXPECT_LE(index_.size(), 2 * (options_.limits.rows_max + options_.limits.message_rows_max));
}

TEST_F(RouteReplica, RefusesAPageThatDoesNotGoOn) {
    add("a");
    owner_->start();
    hear_digest();
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    route_page page = next_page();
    page.is_last = false;
    page.next_cursor = 0;
    EXPECT_EQ(copy_.on_page(page, nobody_).error(), route_fault::numbers_invalid);
    EXPECT_FALSE(has("a"));
}

TEST_F(RouteReplica, LeavesAndMayStayAfterAll) {
    add("a");
    owner_->start();
    sync();
    copy_.leave(nobody_);
    EXPECT_FALSE(has("a"));
    hear_digest();
    EXPECT_TRUE(has("a")) << "stale, and shown again";
    static_cast<void>(copy_.question(now_));
    copy_.on_hashes(owner_->hashes());
    fetch();
    sweep();
    EXPECT_TRUE(has("a"));
    copy_.leave(nobody_);
    sweep();
    EXPECT_TRUE(copy_.is_over());
    EXPECT_EQ(index_.size(), 0u);
}

} // namespace
} // namespace gv::cluster
