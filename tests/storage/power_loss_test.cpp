// SPDX-License-Identifier: Apache-2.0
// A database that loses power at any moment, with whatever a disk may keep of what was not synced:
// everything acknowledged is there, whole, and what else is there is a prefix of what was written.
// The same with syncs that do nothing loses rows, so the test bites.
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace gv::storage {

namespace {

struct acknowledgement {
    std::size_t at = 0; // operations of the disk when it was given
    int rows = 0;
};

/// One run of a database, with all that was acknowledged and when.
struct history {
    scratch_folder scratch;
    std::shared_ptr<power_loss_file_system> disk = std::make_shared<power_loss_file_system>();
    std::vector<acknowledgement> acknowledgements{{}};

    [[nodiscard]] std::string folder() const { return scratch / "db"; }
    [[nodiscard]] int acknowledged_at(std::size_t operation) const {
        const auto later =
            std::ranges::upper_bound(acknowledgements, operation, {}, &acknowledgement::at);
        return std::prev(later)->rows;
    }
};

/// Rows that may be written and not acknowledged, so that on a busy machine too there are many
/// acknowledgements in between.
constexpr int rows_ahead = 15;

/// Writes from one thread, syncs from another, as the broker does, with flushes and compactions.
void record(history& of, int rows) {
    trial_database db({.folder = of.folder(), .below = of.disk});
    if (!db.is_open()) {
        return; // a fault struck while it was made: nothing is acknowledged
    }
    std::atomic<bool> is_done = false;
    std::thread syncing([&] {
        while (!is_done) {
            if (db.sync()) {
                of.acknowledgements.push_back({of.disk->operations(), db.acknowledged()});
            }
        }
    });
    for (int i = 1; i <= rows; ++i) {
        db.write();
        while (!db.files().is_frozen() && db.written() > db.acknowledged() + rows_ahead) {
            std::this_thread::yield();
        }
        if (i % 97 == 0) {
            db.flush();
        }
        if (i % 250 == 0) {
            db.compact();
        }
    }
    is_done = true;
    syncing.join();
}

struct verdict {
    int crashes = 0;
    int losses = 0;
    std::string first_loss;
};

void crash_once(const history& of, const crash_options& options, verdict& so_far) {
    const scratch_folder scratch;
    of.disk->crash(options, of.folder(), scratch / "db");
    // On a disk of its own, whose syncs cost nothing.
    std::string problem;
    const auto found = recovered_rows(
        {.folder = scratch / "db", .below = std::make_shared<power_loss_file_system>()}, problem);
    const auto expected = of.acknowledged_at(options.at);
    ++so_far.crashes;
    if (found >= expected) {
        return;
    }
    if (so_far.losses++ == 0) {
        so_far.first_loss = "seed " + std::to_string(options.seed) + ", operation "
                            + std::to_string(options.at) + ": acknowledged "
                            + std::to_string(expected) + ", found " + std::to_string(found) + ": "
                            + problem;
    }
}

verdict crash_everywhere(const history& of, int crashes, sync_honesty honesty) {
    verdict result;
    const auto operations = of.disk->operations();
    for (int i = 1; i <= crashes; ++i) {
        const auto at =
            operations * static_cast<std::size_t>(i) / static_cast<std::size_t>(crashes);
        crash_once(of, {.at = at, .seed = static_cast<std::uint64_t>(i), .honesty = honesty},
                   result);
    }
    return result;
}

TEST(PowerLoss, LosesNothingAcknowledged) {
    history of;
    record(of, 900);
    ASSERT_GT(of.acknowledgements.back().rows, 800);
    ASSERT_GT(of.acknowledgements.size(), 50U);
    const auto result = crash_everywhere(of, 500, sync_honesty::honest);
    EXPECT_EQ(result.losses, 0) << result.first_loss;
    RecordProperty("crashes", result.crashes);
}

/// Power comes back and goes again while the database is opened.
TEST(PowerLoss, WhileRecoveringFromOneLosesNothingAcknowledged) {
    history of;
    record(of, 400);
    const auto operations = of.disk->operations();
    verdict result;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto at = operations * (seed + 1) / 20;
        history again;
        of.disk->crash({.at = at, .seed = seed}, of.folder(), again.folder());
        again.disk->take_over(again.folder());
        again.acknowledgements.front() = {0, of.acknowledged_at(at)};
        const auto before = again.disk->operations();
        ASSERT_TRUE(trial_database({.folder = again.folder(), .below = again.disk}).is_open());
        const auto recovery = again.disk->operations() - before;
        ASSERT_GT(recovery, 10U);
        for (std::uint64_t i = 1; i <= 12; ++i) {
            crash_once(again, {.at = before + recovery * i / 12, .seed = seed * 100 + i}, result);
        }
    }
    EXPECT_EQ(result.losses, 0) << result.first_loss;
}

TEST(PowerLoss, IsNoticedIfTheLogIsNotSynced) {
    history of;
    record(of, 300);
    const auto result = crash_everywhere(of, 60, sync_honesty::log_lies);
    RecordProperty("losses", result.losses);
    EXPECT_GT(result.losses, 10);
}

TEST(PowerLoss, IsNoticedIfNothingIsSynced) {
    history of;
    record(of, 300);
    const auto result = crash_everywhere(of, 60, sync_honesty::all_lie);
    RecordProperty("losses", result.losses);
    EXPECT_GT(result.losses, 10);
}

/// The disk fails and then loses power before anything was done about it.
TEST(PowerLoss, AfterAFreezeLosesNothingAcknowledged) {
    for (std::size_t after = 0; after < 40; ++after) {
        history of;
        of.disk->inject({.on = after % 2 == 0 ? io_operation::append : io_operation::sync,
                         .error = after % 3 == 0 ? io_fault::no_space : io_fault::other,
                         .after = after * 13});
        record(of, 200);
        verdict result;
        for (std::uint64_t seed = 0; seed < 5; ++seed) {
            crash_once(of, {.seed = seed}, result);
        }
        ASSERT_EQ(result.losses, 0) << "fault after " << after << ": " << result.first_loss;
    }
}

} // namespace

} // namespace gv::storage
