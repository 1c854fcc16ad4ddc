// SPDX-License-Identifier: Apache-2.0
// A database as the broker uses one: several column families on one log, unsynced writes of small
// atomic batches, a sync now and then after which rows count as acknowledged. Row n goes into
// `rows`, and into `queue`, from which row n - queue_length is removed in the same batch.
#pragma once

#include "storage/ballast.hpp"
#include "storage/freeze.hpp"
#include "storage/freezing_file_system.hpp"

#include <rocksdb/db.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace gv::storage {

/// An empty folder that is gone at the end of the test.
class scratch_folder {
  public:
    scratch_folder();
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder();

    [[nodiscard]] std::string operator/(const std::string& name) const {
        return (path_ / name).string();
    }

  private:
    std::filesystem::path path_;
};

class trial_database {
  public:
    static constexpr int queue_length = 64;

    struct place {
        std::string folder;
        std::shared_ptr<rocksdb::FileSystem> below;
        file_system_observer observer{};
        ballast_settings ballast{};
    };

    explicit trial_database(place where);
    trial_database(const trial_database&) = delete;
    trial_database& operator=(const trial_database&) = delete;
    ~trial_database() { close(); }

    /// Whether it is open; `problem` tells why not.
    [[nodiscard]] bool is_open() const { return db_ != nullptr; }
    [[nodiscard]] const rocksdb::Status& problem() const { return problem_; }
    [[nodiscard]] freezing_file_system& files() { return *files_; }
    [[nodiscard]] rocksdb::DB& db() { return *db_; }

    /// Rows written, and those of them that a sync covered.
    [[nodiscard]] int written() const { return written_; }
    [[nodiscard]] int acknowledged() const { return acknowledged_; }

    /// Writes the next row; false if RocksDB says no.
    bool write();
    /// As the broker does; may run beside write(). False if nothing may be acknowledged.
    bool sync();
    void flush();
    void compact();
    void close();

    /// Rows 1 to n are there, whole, in all column families, and nothing beyond them: n. -1 if what
    /// is there is anything else, with `problem` telling what.
    [[nodiscard]] int intact_rows(std::string& problem);

  private:
    void open();

    place where_;
    std::shared_ptr<freezing_file_system> files_;
    std::unique_ptr<rocksdb::Env> env_;
    rocksdb::Status problem_;
    std::unique_ptr<rocksdb::DB> db_;
    std::vector<rocksdb::ColumnFamilyHandle*> families_;
    std::atomic<int> written_ = 0;
    std::atomic<int> acknowledged_ = 0;
};

/// What a database at `where` holds when it is opened again: intact_rows(), or -1 with the reason
/// if it does not open.
[[nodiscard]] int recovered_rows(trial_database::place where, std::string& problem);

} // namespace gv::storage
