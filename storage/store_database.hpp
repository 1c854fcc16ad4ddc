// SPDX-License-Identifier: Apache-2.0
// The database of a running store and the file system under it. When that has frozen because the
// disk was full, both are made anew once there is room: what was on disk is in the new one, what
// went nowhere is not.
#pragma once

#include "base/result.hpp"
#include "storage/database.hpp"
#include "storage/freezing_file_system.hpp"
#include "storage/group_commit.hpp"
#include "storage/store_opening.hpp"

#include <rocksdb/env.h>
#include <rocksdb/listener.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <shared_mutex>

namespace gv::storage {

class store_database {
  public:
    store_database(rocksdb_options options, file_system_observer observer,
                   std::shared_ptr<rocksdb::EventListener> listener);

    /// As at a start: what is damaged is set aside. Errors: a problem for a person.
    [[nodiscard]] result<damage_met, problem> open();
    /// Opens the same database again if there is room for that. `whose`: it must be this node's, of
    /// this life. `no_room`: there is not, or was not after all; it may be closed then. `failed`:
    /// it will not be open again, and the log says why.
    /// Requires: nobody uses it but under use(), and is_full().
    [[nodiscard]] commit_outcome reopen(const node_record& whose);
    void close() { database_.close(); }

    /// Keeps it from being closed and opened meanwhile.
    [[nodiscard]] std::shared_lock<std::shared_mutex> use() const {
        return std::shared_lock(in_use_);
    }
    /// Whether writes go nowhere since the disk was full.
    [[nodiscard]] bool is_full() const;
    [[nodiscard]] freezing_file_system& files() const noexcept { return *files_; }
    [[nodiscard]] rocksdb::DB* operator->() const noexcept { return database_.operator->(); }
    [[nodiscard]] rocksdb::DB& operator*() const noexcept { return *database_; }
    [[nodiscard]] explicit operator bool() const noexcept { return bool(database_); }
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(table which) const noexcept {
        return database_.handle(which);
    }

  private:
    void make_file_system();
    [[nodiscard]] rocksdb::DBOptions database_options_of() const;
    void restore_ballast();
    void clear_away();
    [[nodiscard]] bool has_room() const;
    [[nodiscard]] commit_outcome try_to_reopen(const node_record& whose);
    [[nodiscard]] commit_outcome refuse(const std::string& why) const;

    rocksdb_options options_;
    file_system_observer observer_;
    std::shared_ptr<rocksdb::EventListener> listener_;
    mutable std::shared_mutex in_use_;
    std::shared_ptr<freezing_file_system> files_;
    std::unique_ptr<rocksdb::Env> env_;
    open_database database_;
    std::chrono::steady_clock::time_point tried_at_;
    std::chrono::steady_clock::duration patience_{};
    bool is_cleared_ = false; ///< what nobody uses is gone
};

/// What says that `folder` cannot be written to.
[[nodiscard]] problem not_writable(const std::string& folder, const io_failure& why);

} // namespace gv::storage
