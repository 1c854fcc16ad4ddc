// SPDX-License-Identifier: Apache-2.0
#include "broker/router/router.hpp"
#include "tests/broker/router/fake_subscriber.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace gv::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr member_id member_one{.shard = shard_id{0}, .subscriber = 1};
constexpr member_id member_two{.shard = shard_id{3}, .subscriber = 2};

std::vector<const subscriber*> takers(router& from, std::string_view topic) {
    std::vector<const subscriber*> found;
    for (const target& each : from.lookup(topic).targets) {
        found.push_back(each.who);
    }
    return found;
}

TEST(Router, TellsFirstAndLastTakerOfAFilter) {
    router routes;
    fake_subscriber one;
    fake_subscriber two;
    const auto first = routes.subscribe(one, "a/+", {});
    EXPECT_TRUE(first.is_new && first.first);
    const auto second = routes.subscribe(two, "a/+", {});
    EXPECT_TRUE(second.is_new && !second.first);
    const auto again = routes.subscribe(two, "a/+", {.quality = qos::exactly_once});
    EXPECT_TRUE(!again.is_new && !again.first);
    EXPECT_TRUE(!routes.join("g", "a/+", member_one, {}, true).first);
    EXPECT_EQ(routes.subscriptions(), 2u);
    EXPECT_EQ(routes.filters(), 1u);
    EXPECT_EQ(routes.groups(), 1u);

    EXPECT_FALSE(routes.unsubscribe(one, "a/b").existed);
    EXPECT_TRUE(!routes.unsubscribe(one, "a/+").last);
    EXPECT_FALSE(routes.unsubscribe(one, "a/+").existed);
    EXPECT_TRUE(!routes.unsubscribe(two, "a/+").last) << "the group still wants it";
    EXPECT_TRUE(routes.leave("g", "a/+", member_one).last);
    EXPECT_EQ(routes.subscriptions() + routes.filters() + routes.groups(), 0u);
}

TEST(Router, TellsFirstAndLastOfKeptTakersAndOfOthersApart) {
    router routes;
    fake_subscriber passing(1);
    fake_subscriber kept(2, true);
    fake_subscriber other(3, true);
    EXPECT_TRUE(routes.subscribe(passing, "a", {}).first_of_kind);
    const auto first = routes.subscribe(kept, "a", {});
    EXPECT_TRUE(!first.first && first.first_of_kind);
    EXPECT_FALSE(routes.subscribe(kept, "a", {.quality = qos::exactly_once}).first_of_kind);
    EXPECT_FALSE(routes.subscribe(other, "a", {}).first_of_kind);
    EXPECT_FALSE(routes.join("g", "a", member_one, {}, true).first_of_kind);
    EXPECT_TRUE(routes.unsubscribe(passing, "a").last_of_kind) << "a group is told of by itself";
    EXPECT_FALSE(routes.leave("g", "a", member_one).last_of_kind);
    EXPECT_FALSE(routes.unsubscribe(kept, "a").last_of_kind);
    const auto last = routes.unsubscribe(other, "a");
    EXPECT_TRUE(last.last && last.last_of_kind);
}

TEST(Router, AGroupIsATakerAsASubscriberIs) {
    router routes;
    fake_subscriber one;
    EXPECT_TRUE(routes.join("g", "a", member_one, {}, true).first);
    EXPECT_FALSE(routes.join("g", "a", member_two, {}, true).first);
    EXPECT_FALSE(routes.join("h", "a", member_one, {}, true).first);
    EXPECT_FALSE(routes.subscribe(one, "a", {}).first);
    EXPECT_EQ(routes.lookup("a").groups.size(), 2u);
    EXPECT_FALSE(routes.leave("g", "a", member_one).last);
    EXPECT_FALSE(routes.leave("g", "a", member_two).last);
    EXPECT_EQ(routes.lookup("a").groups.size(), 1u);
    EXPECT_FALSE(routes.leave("h", "a", member_one).last);
    EXPECT_TRUE(routes.unsubscribe(one, "a").last);
}

TEST(Router, OverlappingFiltersAreOneTarget) {
    router routes;
    fake_subscriber one;
    fake_subscriber two;
    routes.subscribe(one, "a/#", {.quality = qos::at_least_once, .subscription_id = 7});
    routes.subscribe(two, "a/#", {});
    routes.subscribe(one, "a/+", {.quality = qos::exactly_once, .subscription_id = 3});
    routes.subscribe(one, "a/b", {.retain_as_published = true});
    routes.subscribe(one, "+/b", {.subscription_id = 3});
    const route& found = routes.lookup("a/b");
    ASSERT_EQ(found.targets.size(), 2u);
    for (const target& each : found.targets) {
        if (each.who == &one) {
            EXPECT_EQ(each.how.quality, qos::exactly_once);
            EXPECT_TRUE(each.how.retain_as_published);
            EXPECT_THAT(each.how.subscription_ids, ElementsAre(3, 3, 7));
        } else {
            EXPECT_EQ(each.how.quality, qos::at_most_once);
            EXPECT_FALSE(each.how.retain_as_published);
            EXPECT_THAT(each.how.subscription_ids, IsEmpty());
        }
    }
}

TEST(Router, NoLocalFiltersDoNotCountForTheirOwnMessages) {
    router routes;
    fake_subscriber only_others(11);
    fake_subscriber both(22);
    routes.subscribe(only_others, "a/b", {.no_local = true});
    routes.subscribe(both, "a/b",
                     {.quality = qos::exactly_once, .no_local = true, .subscription_id = 5});
    routes.subscribe(both, "a/+", {.quality = qos::at_least_once, .subscription_id = 6});
    const route& found = routes.lookup("a/b");
    ASSERT_EQ(found.targets.size(), 2u);
    for (const target& each : found.targets) {
        EXPECT_EQ(found.grant_for(each, 99), &each.how);
        const grant* own = found.grant_for(each, each.who->client_hash());
        if (each.who == &only_others) {
            EXPECT_EQ(own, nullptr);
        } else {
            ASSERT_NE(own, nullptr);
            EXPECT_EQ(own->quality, qos::at_least_once);
            EXPECT_THAT(own->subscription_ids, ElementsAre(6));
            EXPECT_THAT(each.how.subscription_ids, ElementsAre(5, 6));
        }
    }
}

TEST(Router, RemoteShardsAreASetOverAllFilters) {
    router routes;
    EXPECT_TRUE(routes.add_remote("a/#", shard_id{3}));
    EXPECT_FALSE(routes.add_remote("a/#", shard_id{3}));
    EXPECT_TRUE(routes.add_remote("a/b", shard_id{63}));
    EXPECT_TRUE(routes.add_remote("x", shard_id{1}));
    EXPECT_EQ(routes.lookup("a/b").remote, std::uint64_t{1} << 3 | std::uint64_t{1} << 63);
    EXPECT_EQ(routes.filters(), 0u) << "nobody here wants them";
    EXPECT_TRUE(routes.remove_remote("a/#", shard_id{3}));
    EXPECT_FALSE(routes.remove_remote("a/#", shard_id{3}));
    EXPECT_FALSE(routes.remove_remote("q", shard_id{3}));
    EXPECT_EQ(routes.lookup("a/b").remote, std::uint64_t{1} << 63);
    EXPECT_TRUE(routes.lookup("q").is_empty());
}

TEST(Router, AdvertisesTheFiltersThatHaveATakerHere) {
    router routes;
    fake_subscriber one;
    routes.subscribe(one, "a/+", {});
    routes.subscribe(one, "plain", {});
    routes.join("g", "shared/#", member_one, {}, true);
    routes.add_remote("elsewhere", shard_id{2});
    std::set<std::string> seen;
    routes.for_each_filter([&](std::string_view filter) { seen.emplace(filter); });
    EXPECT_THAT(seen, UnorderedElementsAre("a/+", "plain", "shared/#"));
}

TEST(RouterAccess, IsAskedOnceATopicUntilRulesChange) {
    router routes;
    fake_subscriber one;
    one.forbidden = "a/secret";
    routes.subscribe(one, "a/#", {});
    for (int i = 0; i < 3; ++i) {
        EXPECT_THAT(takers(routes, "a/secret"), IsEmpty());
        EXPECT_THAT(takers(routes, "a/open"), ElementsAre(&one));
    }
    EXPECT_EQ(one.asked, 2);
    one.forbidden = "a/open";
    routes.forget_verdicts();
    EXPECT_THAT(takers(routes, "a/secret"), ElementsAre(&one));
    EXPECT_THAT(takers(routes, "a/open"), IsEmpty());
    EXPECT_EQ(one.asked, 4);
}

TEST(RouterTurn, ARouteStaysWhileSubscribersAndGroupsGo) {
    router routes({.cached_routes_max = 2});
    fake_subscriber one;
    fake_subscriber two;
    routes.subscribe(one, "a", {.subscription_id = 1});
    routes.subscribe(two, "+", {.subscription_id = 2});
    routes.join("g", "a", member_one, {}, true);
    const route& held = routes.lookup("a");
    for (const target& each : held.targets) {
        routes.unsubscribe(one, "a");
        routes.unsubscribe(two, "+");
        routes.leave("g", "a", member_one);
        EXPECT_TRUE(routes.lookup("a").is_empty());
        for (const auto* other : {"b", "c", "d", "e"}) {
            EXPECT_TRUE(routes.lookup(other).is_empty());
        }
        EXPECT_EQ(each.how.subscription_ids.size(), 1u);
    }
    ASSERT_EQ(held.targets.size(), 2u);
    EXPECT_EQ(held.groups.front()->pick(0, "a"), nullptr);
    routes.end_turn();
    EXPECT_TRUE(routes.lookup("a").is_empty());
    EXPECT_LE(routes.cached_routes(), 2u);
}

/// One subscription in the plain list that the router is compared with.
struct subscription {
    fake_subscriber* who;
    std::string filter;
    subscription_options options;
};

class router_model {
  public:
    explicit router_model(unsigned seed)
        : random_(seed), routes_({.cached_routes_max = 20, .cached_bytes_max = 8'000}) {
        for (std::uint64_t number = 0; number < 40; ++number) {
            subscribers_.push_back(std::make_unique<fake_subscriber>(number));
        }
    }
    void run(int steps) {
        for (int step = 0; step < steps; ++step) {
            change();
            for (int i = 0; i < 3; ++i) {
                check(random_.name());
            }
            if (random_.below(4) == 0) {
                routes_.end_turn();
            }
        }
    }

  private:
    subscription_options random_options() {
        return {.quality = static_cast<qos>(random_.below(3)),
                .no_local = random_.below(4) == 0,
                .retain_as_published = random_.below(4) == 0,
                .subscription_id = static_cast<std::uint32_t>(random_.below(4))};
    }
    void change() {
        const std::string filter = random_.below(10) == 0 ? "#" : random_.filter();
        const shard_id shard{static_cast<std::uint16_t>(random_.below(5))};
        fake_subscriber& who = *subscribers_[random_.below(subscribers_.size())];
        switch (random_.below(6)) {
        case 0:
        case 1:
        case 2:
            subscribe(who, filter);
            break;
        case 3:
        case 4:
            unsubscribe_one();
            break;
        default:
            if (random_.below(2) == 0) {
                EXPECT_EQ(routes_.add_remote(filter, shard), remote_.emplace(filter, shard).second);
            } else {
                EXPECT_EQ(routes_.remove_remote(filter, shard),
                          remote_.erase({filter, shard}) == 1);
            }
        }
        EXPECT_EQ(routes_.subscriptions(), list_.size());
    }
    auto find(const fake_subscriber& who, std::string_view filter) {
        return std::ranges::find_if(list_, [&](const subscription& each) {
            return each.who == &who && each.filter == filter;
        });
    }
    bool is_wanted(std::string_view filter) const {
        return std::ranges::count(list_, filter, &subscription::filter) > 0;
    }
    void subscribe(fake_subscriber& who, const std::string& filter) {
        const subscription_options options = random_options();
        const auto known = find(who, filter);
        const bool first = !is_wanted(filter);
        const auto added = routes_.subscribe(who, filter, options);
        EXPECT_EQ(added.is_new, known == list_.end());
        EXPECT_EQ(added.first, first);
        if (known != list_.end()) {
            known->options = options;
        } else {
            list_.push_back({&who, filter, options});
        }
    }
    void unsubscribe_one() {
        if (list_.empty()) {
            return;
        }
        const auto at = list_.begin() + static_cast<std::ptrdiff_t>(random_.below(list_.size()));
        const subscription gone = *at;
        list_.erase(at);
        const auto removed = routes_.unsubscribe(*gone.who, gone.filter);
        EXPECT_TRUE(removed.existed);
        EXPECT_EQ(removed.last, !is_wanted(gone.filter));
    }

    void check(const std::string& topic) {
        const route& found = routes_.lookup(topic);
        std::uint64_t remote = 0;
        for (const auto& [filter, shard] : remote_) {
            if (topic_matches(filter, topic)) {
                remote |= std::uint64_t{1} << shard.value;
            }
        }
        ASSERT_EQ(found.remote, remote) << topic;
        std::size_t expected = 0;
        for (const auto& each : subscribers_) {
            expected += check_target(found, *each, topic) ? 1 : 0;
        }
        ASSERT_EQ(found.targets.size(), expected) << topic;
        EXPECT_LE(routes_.cached_routes(), 20u);
    }
    bool check_target(const route& found, const fake_subscriber& who, std::string_view topic) {
        const auto target = std::ranges::find(found.targets, &who, &target::who);
        const bool is_expected =
            expect_grant(target == found.targets.end() ? nullptr : found.grant_for(*target, 1'000),
                         who, topic, false);
        if (target != found.targets.end()) {
            expect_grant(found.grant_for(*target, who.client_hash()), who, topic, true);
        }
        return is_expected;
    }
    bool expect_grant(const grant* how, const fake_subscriber& who, std::string_view topic,
                      bool is_own) {
        grant expected;
        std::vector<std::uint32_t> ids;
        bool any = false;
        for (const subscription& each : list_) {
            if (each.who == &who && topic_matches(each.filter, topic)
                && !(is_own && each.options.no_local)) {
                any = true;
                expected.quality = std::max(expected.quality, each.options.quality);
                expected.retain_as_published |= each.options.retain_as_published;
                if (each.options.subscription_id != 0) {
                    ids.push_back(each.options.subscription_id);
                }
            }
        }
        std::ranges::sort(ids);
        EXPECT_EQ(how != nullptr, any);
        if (how != nullptr && any) {
            EXPECT_EQ(how->quality, expected.quality);
            EXPECT_EQ(how->retain_as_published, expected.retain_as_published);
            EXPECT_THAT(how->subscription_ids, testing::ElementsAreArray(ids));
        }
        return any;
    }

    random_topics random_;
    router routes_;
    std::vector<std::unique_ptr<fake_subscriber>> subscribers_;
    std::vector<subscription> list_;
    std::set<std::pair<std::string, shard_id>> remote_;
};

TEST(Router, AgreesWithAListOfSubscriptions) {
    for (unsigned seed = 1; seed <= 15; ++seed) {
        SCOPED_TRACE(seed);
        router_model(seed).run(600);
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

TEST(Router, AWideFilterFindsItsSubscribersInAnyNumber) {
    router routes;
    std::vector<std::unique_ptr<fake_subscriber>> many;
    for (std::uint64_t number = 0; number < 1'000; ++number) {
        many.push_back(std::make_unique<fake_subscriber>(number));
        ASSERT_TRUE(routes.subscribe(*many.back(), "wide", {}).is_new);
    }
    for (const auto& each : many) {
        ASSERT_FALSE(routes.subscribe(*each, "wide", {.subscription_id = 1}).is_new);
    }
    EXPECT_EQ(routes.lookup("wide").targets.size(), 1'000u);
    for (const auto& each : many) {
        ASSERT_TRUE(routes.unsubscribe(*each, "wide").existed);
        ASSERT_FALSE(routes.unsubscribe(*each, "wide").existed);
    }
    EXPECT_EQ(routes.filters(), 0u);
}

} // namespace
} // namespace gv::router
