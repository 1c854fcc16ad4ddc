// SPDX-License-Identifier: Apache-2.0
#include "storage/database_mark.hpp"

#include "base/log.hpp"
#include "storage/database.hpp"
#include "storage/database_files.hpp"

#include <utility>

namespace gv::storage {

void database_mark::begin(node_id node, boot_id boot, std::uint64_t sequence) {
    {
        const std::lock_guard lock(mutex_);
        file_ = std::make_unique<mark_file>(database_folder(folder_) + "/" + mark_name);
        mark_ = {.node = node, .boot = boot, .sequence = sequence};
    }
    note_manifest();
}

void database_mark::note_synced(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    mark_.sequence = sequence;
    if (!file_->note(mark_, std::chrono::steady_clock::now())) {
        complain();
    }
}

// What a flush or compaction erases next, logs above all, is needed again if its entry is lost.
void database_mark::note_manifest() {
    const std::lock_guard lock(mutex_);
    if (!file_) {
        return; // of a recovery
    }
    mark_.manifest = mark_manifest(database_folder(folder_));
    if (!file_->note_at_once(mark_)) {
        complain();
    }
}

void database_mark::complain() {
    if (!std::exchange(is_bad_, true)) {
        log::warn("store_mark_not_written",
                  {{"folder", folder_},
                   {"means", "should the log be damaged, what is lost cannot be counted"}});
    }
}

} // namespace gv::storage
