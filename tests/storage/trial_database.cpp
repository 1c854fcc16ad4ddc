// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/trial_database.hpp"

#include "storage/required_options.hpp"
#include "storage/sync_log.hpp"

#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/system_clock.h>
#include <rocksdb/write_batch.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

namespace gv::storage {

namespace {

const std::vector<std::string> family_names{"default", "rows", "queue"};

/// After a failed flush RocksDB rests for a second, and every frozen database has one.
class restless_clock final : public rocksdb::SystemClockWrapper {
  public:
    restless_clock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
    const char* Name() const override { return "restless_clock"; }
    void SleepForMicroseconds(int) override { std::this_thread::yield(); }
};

class restless_env final : public rocksdb::EnvWrapper {
  public:
    explicit restless_env(std::unique_ptr<rocksdb::Env> target)
        : EnvWrapper(target.get()), target_(std::move(target)) {
        system_clock_ = std::make_shared<restless_clock>();
    }
    const char* Name() const override { return "restless_env"; }

  private:
    std::unique_ptr<rocksdb::Env> target_;
};

std::string key_of(int row) {
    char key[16];
    std::snprintf(key, sizeof key, "%08d", row);
    return key;
}

/// Of a length and content that tell the row; a page and more now and then.
std::string value_of(int row) {
    std::string value = "row " + std::to_string(row) + ":";
    const auto length = static_cast<std::size_t>(row % 37 == 0 ? 9000 : 40 + row * 31 % 400);
    for (unsigned at = static_cast<unsigned>(row); value.size() < length; at = at * 1664525 + 7) {
        value.push_back(static_cast<char>(at >> 24));
    }
    return value;
}

/// Small enough that flushes and compactions of their own accord come while few rows are written.
rocksdb::Options small_options(rocksdb::Env* env) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.env = env;
    options.write_buffer_size = 64 * 1024;
    options.target_file_size_base = 64 * 1024;
    options.max_bytes_for_level_base = 128 * 1024;
    options.level0_file_num_compaction_trigger = 2;
    options.max_manifest_file_size = 1024;
    options.wal_bytes_per_sync = 16 * 1024;
    options.max_background_jobs = 2;
    options.compression = rocksdb::kNoCompression;
    set_required_options(options);
    return options;
}

} // namespace

scratch_folder::scratch_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "grapevine_storage_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), pattern);
    }
    path_ = pattern;
}

scratch_folder::~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

trial_database::trial_database(place where)
    : where_(std::move(where)),
      files_(std::make_shared<freezing_file_system>(where_.below, where_.observer, where_.ballast)),
      env_(std::make_unique<restless_env>(rocksdb::NewCompositeEnv(files_))) {
    open();
}

void trial_database::open() {
    const auto options = small_options(env_.get());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : family_names) {
        families.emplace_back(name, options);
    }
    rocksdb::DB* opened = nullptr;
    problem_ = rocksdb::DB::Open(options, where_.folder, families, &families_, &opened);
    db_.reset(opened);
}

void trial_database::close() {
    if (!db_) {
        return;
    }
    for (auto* family : families_) {
        db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
    families_.clear();
    db_->Close().PermitUncheckedError();
    db_.reset();
}

bool trial_database::write() {
    const auto row = written_ + 1;
    rocksdb::WriteBatch batch;
    batch.Put(families_[1], key_of(row), value_of(row));
    batch.Put(families_[2], key_of(row), value_of(row));
    batch.Delete(families_[2], key_of(row - queue_length));
    if (!db_->Write({}, &batch).ok()) {
        return false;
    }
    written_ = row;
    return true;
}

bool trial_database::sync() {
    const int covered = written_;
    if (!sync_log(*db_, *files_)) {
        return false;
    }
    acknowledged_ = covered;
    return true;
}

void trial_database::flush() { db_->Flush({}, families_).PermitUncheckedError(); }

void trial_database::compact() {
    for (auto* family : families_) {
        db_->CompactRange({}, family, nullptr, nullptr).PermitUncheckedError();
    }
}

int trial_database::intact_rows(std::string& problem) {
    const auto read = [&](std::size_t family) {
        std::map<std::string, std::string> found;
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, families_[family]));
        for (at->SeekToFirst(); at->Valid(); at->Next()) {
            found.emplace(at->key().ToString(), at->value().ToString());
        }
        if (!at->status().ok()) {
            problem = at->status().ToString();
        }
        return found;
    };
    std::map<std::string, std::string> queue;
    std::map<std::string, std::string> rows = read(1);
    const auto last = static_cast<int>(rows.size());
    for (int row = 1; row <= last; ++row) {
        if (const auto found = rows.find(key_of(row));
            found == rows.end() || found->second != value_of(row)) {
            problem = "row " + std::to_string(row) + " of " + std::to_string(last) + " is wrong";
            return -1;
        }
        if (row > last - queue_length) {
            queue.emplace(key_of(row), value_of(row));
        }
    }
    if (read(2) != queue) {
        problem = "the queue does not belong to row " + std::to_string(last);
    }
    return problem.empty() ? last : -1;
}

int recovered_rows(trial_database::place where, std::string& problem) {
    trial_database again(std::move(where));
    if (!again.is_open()) {
        problem = again.problem().ToString();
        return -1;
    }
    return again.intact_rows(problem);
}

} // namespace gv::storage
