// SPDX-License-Identifier: Apache-2.0
#include "base/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

namespace gv {
namespace {

const time_point start{1'000'000s};

std::size_t advance_to(timer_wheel& wheel, time_point now) {
    return wheel.advance(now, [](timer&) {});
}

TEST(TimerWheel, FiresAfterTheDeadlineAndWithinOneTick) {
    for (const duration delay : {duration{1ns}, duration{49ms}, duration{50ms}, duration{51ms},
                                 duration{3200ms}, duration{10s}, duration{205s}, duration{3h}}) {
        timer_wheel wheel(start);
        timer one;
        wheel.schedule(one, start + delay);
        EXPECT_EQ(advance_to(wheel, start + delay - 1ns), 0u) << delay.count();
        EXPECT_EQ(advance_to(wheel, start + delay + timer_wheel::tick - 1ns), 1u) << delay.count();
        EXPECT_FALSE(one.is_scheduled());
    }
}

TEST(TimerWheel, APassedDeadlineFiresAtTheNextTick) {
    timer_wheel wheel(start);
    advance_to(wheel, start + 10s);
    timer late;
    wheel.schedule(late, start + 1s);
    EXPECT_EQ(wheel.next_deadline(), start + 10s + timer_wheel::tick);
    EXPECT_EQ(advance_to(wheel, start + 10s + timer_wheel::tick), 1u);
}

TEST(TimerWheel, ForgetsCancelledAndDestroyedTimers) {
    timer_wheel wheel(start);
    timer kept;
    timer cancelled;
    auto destroyed = std::make_unique<timer>();
    wheel.schedule(kept, start + 2s);
    wheel.schedule(cancelled, start + 1s);
    wheel.schedule(*destroyed, start + 1h);
    wheel.cancel(cancelled);
    wheel.cancel(cancelled);
    destroyed.reset();
    EXPECT_EQ(wheel.next_deadline(), start + 2s);
    EXPECT_EQ(advance_to(wheel, start + 2h), 1u);
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
}

TEST(TimerWheel, NeverCancels) {
    timer_wheel wheel(start);
    timer one;
    wheel.schedule(one, start + 1s);
    wheel.schedule(one, never);
    EXPECT_FALSE(one.is_scheduled());
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
}

TEST(TimerWheel, ATimerMayBeScheduledAgainWhileItFires) {
    timer_wheel wheel(start);
    timer one;
    std::vector<time_point> fired;
    wheel.schedule(one, start + 1s);
    wheel.advance(start + 5s, [&](timer& each) {
        fired.push_back(each.deadline());
        wheel.schedule(each, each.deadline() + 1s);
    });
    EXPECT_EQ(fired, (std::vector<time_point>{start + 1s, start + 2s, start + 3s, start + 4s,
                                              start + 5s}));
    EXPECT_EQ(one.deadline(), start + 6s);
}

TEST(TimerWheel, ATimerThatFiresMayCancelAndDestroyOthersOfItsTick) {
    timer_wheel wheel(start);
    auto first = std::make_unique<timer>();
    auto second = std::make_unique<timer>();
    timer third;
    for (timer* each : {first.get(), second.get(), &third}) {
        wheel.schedule(*each, start + 1s);
    }
    const std::size_t fired = wheel.advance(start + 2s, [&](timer& each) {
        EXPECT_EQ(&each, first.get());
        first.reset();
        second.reset();
        wheel.cancel(third);
    });
    EXPECT_EQ(fired, 1u);
}

TEST(TimerWheel, TimersOutliveTheirWheel) {
    timer one;
    timer other;
    {
        timer_wheel wheel(start);
        wheel.schedule(one, start + 1s);
        wheel.schedule(other, start + 1s);
    }
    EXPECT_FALSE(one.is_scheduled());
    EXPECT_FALSE(other.is_scheduled());
}

TEST(TimerWheel, AnIdleShardSleepsLong) {
    timer_wheel wheel(start);
    timer far;
    const time_point deadline = start + 365 * 24h;
    wheel.schedule(far, deadline);
    int wake_ups = 0;
    time_point woken = start;
    while (far.is_scheduled()) {
        ASSERT_GT(*wheel.next_deadline(), woken);
        woken = *wheel.next_deadline();
        advance_to(wheel, woken);
        ++wake_ups;
    }
    EXPECT_GE(woken, deadline);
    EXPECT_LT(woken, deadline + timer_wheel::tick);
    EXPECT_LE(wake_ups, 5);
}

TEST(TimerWheel, DeadlinesBeyondItsReachStillFireInTime) {
    timer_wheel wheel(start);
    timer far;
    const time_point deadline = start + 10 * 365 * 24h;
    wheel.schedule(far, deadline);
    EXPECT_EQ(advance_to(wheel, deadline - 1ns), 0u);
    EXPECT_EQ(advance_to(wheel, deadline + timer_wheel::tick - 1ns), 1u);
}

/// The wheel beside a multimap that does the same slowly.
class wheel_model {
  public:
    explicit wheel_model(unsigned seed) : random_(seed), timers_(300) {}

    void run(int steps) {
        for (int step = 0; step < steps; ++step) {
            change();
            if (pick(10) == 0) {
                advance(now_ + random_delay());
            }
        }
    }

  private:
    std::uint64_t pick(std::uint64_t below) { return random_() % below; }
    duration random_delay() {
        static constexpr std::uint64_t scales[] = {50, 3'000, 200'000, 13'000'000, 800'000'000};
        return std::chrono::microseconds(pick(scales[pick(5)] * 1'000));
    }

    void change() {
        timer& what = timers_[pick(timers_.size())];
        if (pick(4) == 0) {
            wheel_.cancel(what);
            expected_.erase(&what);
        } else {
            schedule(what);
        }
    }
    void schedule(timer& what) {
        const time_point deadline = now_ + random_delay();
        wheel_.schedule(what, deadline);
        expected_[&what] = {deadline, now_};
    }

    void advance(time_point now) {
        const auto next = wheel_.next_deadline();
        ASSERT_EQ(next.has_value(), !expected_.empty());
        for (const auto& [what, each] : expected_) {
            ASSERT_LT(*next, std::max(each.deadline, each.scheduled) + 2 * timer_wheel::tick);
        }
        now_ = now;
        wheel_.advance(now, [&](timer& what) {
            ASSERT_TRUE(expected_.contains(&what));
            EXPECT_LE(expected_[&what].deadline, now);
            expected_.erase(&what);
            if (pick(3) == 0) {
                schedule(what);
            }
        });
        for (const auto& [what, each] : expected_) {
            const time_point latest = std::max(each.deadline, each.scheduled) + timer_wheel::tick;
            EXPECT_GT(latest, now) << "a timer is late";
        }
    }

    struct expectation {
        time_point deadline;
        time_point scheduled;
    };
    std::mt19937_64 random_;
    time_point now_ = start;
    timer_wheel wheel_{start};
    std::vector<timer> timers_;
    std::map<timer*, expectation> expected_;
};

TEST(TimerWheel, AgreesWithAnOrderedMap) {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        wheel_model(seed).run(3'000);
    }
}

} // namespace
} // namespace gv
