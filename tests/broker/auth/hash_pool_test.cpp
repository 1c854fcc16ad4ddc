// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/hash_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>

namespace gv::auth {
namespace {

using admission = hash_pool::admission;

TEST(HashPool, RunsEveryJobOnAThreadOfItsOwn) {
    constexpr int jobs = 200;
    std::latch finished(jobs);
    std::atomic<int> elsewhere = 0;
    hash_pool pool({.threads = 2, .queue_max = jobs});
    for (int i = 0; i < jobs; ++i) {
        pool.submit([&, caller = std::this_thread::get_id()](admission got) {
            elsewhere += got == admission::taken && std::this_thread::get_id() != caller;
            finished.count_down();
        });
    }
    finished.wait();
    EXPECT_EQ(elsewhere, jobs);
}

TEST(HashPool, RefusesAtOnceWhenTheQueueIsFull) {
    std::promise<void> gate;
    std::latch started(1);
    std::latch finished(3);
    hash_pool pool({.threads = 1, .queue_max = 2});
    pool.submit([&, open = gate.get_future()](admission) mutable {
        started.count_down();
        open.wait();
        finished.count_down();
    });
    started.wait(); // the thread is taken, the queue is empty
    for (int i = 0; i < 2; ++i) {
        pool.submit([&](admission) { finished.count_down(); });
    }
    bool was_refused = false;
    pool.submit([&](admission got) { was_refused = got == admission::queue_full; });
    EXPECT_TRUE(was_refused);
    gate.set_value();
    finished.wait();
    std::promise<admission> last;
    pool.submit([&](admission got) { last.set_value(got); });
    EXPECT_EQ(last.get_future().get(), admission::taken);
}

TEST(HashPool, ReleasesWaitingJobsAtItsEnd) {
    const auto token = std::make_shared<int>();
    {
        std::promise<void> gate;
        hash_pool pool({.threads = 1, .queue_max = 8});
        pool.submit([open = gate.get_future().share()](admission) { open.wait(); });
        for (int i = 0; i < 5; ++i) {
            pool.submit([token](admission) {});
        }
        EXPECT_EQ(token.use_count(), 6);
        gate.set_value();
    }
    EXPECT_EQ(token.use_count(), 1);
}

} // namespace
} // namespace gv::auth
