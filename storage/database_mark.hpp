// SPDX-License-Identifier: Apache-2.0
// Keeps the mark of a database that is open: what is synced of its log, and its manifest.
#pragma once

#include "storage/wal_mark.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace gv::storage {

/// Thread-safe: the sync thread and threads of RocksDB use it.
class database_mark {
  public:
    /// `folder`: of the store.
    explicit database_mark(std::string folder) : folder_(std::move(folder)) {}

    /// Before it nothing is noted.
    void begin(node_id node, boot_id boot, std::uint64_t sequence);
    void note_synced(std::uint64_t sequence);
    /// Reads the manifest, which is small. After a flush, a compaction, and the end.
    void note_manifest();

  private:
    void complain();

    std::string folder_;
    std::mutex mutex_;
    std::unique_ptr<mark_file> file_;
    wal_mark mark_;
    bool is_bad_ = false;
};

} // namespace gv::storage
