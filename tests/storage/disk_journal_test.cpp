// SPDX-License-Identifier: Apache-2.0
// What a loss of power may leave: nothing that was synced is missing, and everything else is lost
// in every way the page cache and the file system can lose it.
#include "tests/storage/disk_journal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace gv::storage {

namespace {

constexpr std::uint64_t seeds = 200;

/// The images of many losses of power at one moment.
std::set<disk_image> images(const disk_journal& journal, crash_options options = {}) {
    std::set<disk_image> all;
    for (options.seed = 0; options.seed < seeds; ++options.seed) {
        all.insert(journal.image_after(options));
    }
    return all;
}

TEST(DiskJournal, KeepsWhatWasSynced) {
    disk_journal journal;
    const auto file = journal.create("a.log");
    journal.write(file, 0, "synced");
    journal.sync(file);
    journal.sync_directory();
    EXPECT_EQ(images(journal), (std::set<disk_image>{{{"a.log", "synced"}}}));
    EXPECT_EQ(images(journal, {.at = 0}), (std::set<disk_image>{{}}));
    EXPECT_TRUE(images(journal, {.honesty = sync_honesty::log_lies}).contains({{"a.log", ""}}));
    EXPECT_TRUE(images(journal, {.honesty = sync_honesty::all_lie}).contains({}));
}

TEST(DiskJournal, LosesUnsyncedBytesWhollyOrInPartOrOutOfOrder) {
    disk_journal journal;
    const auto file = journal.create("a");
    journal.sync_directory();
    journal.write(file, 0, std::string(5000, 's'));
    journal.sync(file);
    journal.write(file, 5000, std::string(15000, 'u'));
    bool is_whole = false;
    bool is_gone = false;
    bool is_prefix = false;
    bool is_torn = false;
    for (const auto& image : images(journal)) {
        const auto& bytes = image.at("a");
        EXPECT_EQ(bytes.substr(0, 5000), std::string(5000, 's'));
        const auto rest = bytes.substr(5000);
        const auto zeros = static_cast<std::size_t>(std::ranges::count(rest, '\0'));
        EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(rest, 'u')) + zeros, rest.size());
        is_whole |= rest.size() == 15000 && zeros == 0;
        is_gone |= rest.empty();
        is_prefix |= rest.size() < 15000 && !rest.empty() && zeros == 0;
        is_torn |= zeros > 0 && rest.find('u', rest.find('\0')) != std::string::npos;
    }
    EXPECT_TRUE(is_whole && is_gone && is_prefix && is_torn);
}

TEST(DiskJournal, LosesOrKeepsNamesTheFolderWasNotSyncedFor) {
    disk_journal journal;
    const auto old_file = journal.create("old");
    journal.sync_directory();
    const auto next = journal.create("next");
    journal.write(next, 0, "n");
    journal.sync(next);
    journal.rename(next, "next", "CURRENT");
    journal.remove(old_file, "old");
    const auto all = images(journal);
    EXPECT_TRUE(all.contains({{"old", ""}}));                   // nothing of it
    EXPECT_TRUE(all.contains({{"old", ""}, {"next", "n"}}));    // the creation
    EXPECT_TRUE(all.contains({{"old", ""}, {"CURRENT", "n"}})); // and the renaming
    EXPECT_TRUE(all.contains({{"CURRENT", "n"}}));              // and the removal
    EXPECT_TRUE(all.contains({{"next", "n"}}));                 // out of order
}

TEST(DiskJournal, ASyncAfterAFailedOneBringsNothingBack) {
    disk_journal journal;
    const auto file = journal.create("a");
    journal.sync_directory();
    journal.write(file, 0, "dropped");
    journal.fail_sync(file);
    journal.sync(file);
    EXPECT_TRUE(images(journal).contains({{"a", ""}}));
}

} // namespace

} // namespace gv::storage
