// SPDX-License-Identifier: Apache-2.0
#include "storage/offline_store.hpp"

#include "storage/required_options.hpp"
#include "storage/rocksdb_words.hpp"

#include <rocksdb/db.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace gv::storage {

namespace {

/// A broker may remove files meanwhile; the next attempt finds their successors.
constexpr int attempts_max = 5;

class read_only_store final : public offline_store {
  public:
    [[nodiscard]] rocksdb::Status open(const std::string& folder) {
        rocksdb::DBOptions options;
        set_required_options(options);
        // All are opened at once and stay open, whatever a broker removes.
        options.max_open_files = -1;
        // One that an older version wrote has fewer tables.
        std::vector<std::string> names;
        rocksdb::Status status =
            rocksdb::DB::ListColumnFamilies(options, database_folder(folder), &names);
        if (!status.ok()) {
            return status;
        }
        std::vector<rocksdb::ColumnFamilyDescriptor> tables;
        std::vector<std::size_t> places;
        for (std::size_t which = 0; which < table_count; ++which) {
            if (std::ranges::find(names, table_names[which]) != names.end()) {
                tables.emplace_back(table_names[which], rocksdb::ColumnFamilyOptions());
                places.push_back(which);
            }
        }
        rocksdb::DB* opened = nullptr;
        std::vector<rocksdb::ColumnFamilyHandle*> handles;
        status = rocksdb::DB::OpenForReadOnly(options, database_folder(folder), tables, &handles,
                                              &opened);
        db_.reset(opened);
        for (std::size_t i = 0; i < handles.size(); ++i) {
            handles_[places[i]] = handles[i];
        }
        return status;
    }
    ~read_only_store() override {
        for (rocksdb::ColumnFamilyHandle* each : handles_) {
            if (each != nullptr) {
                db_->DestroyColumnFamilyHandle(each);
            }
        }
    }

    [[nodiscard]] std::string check_files() const override {
        const rocksdb::Status status = db_->VerifyChecksum();
        return status.ok() ? std::string() : status.ToString();
    }
    [[nodiscard]] std::uint64_t disk_bytes(table which) const override {
        std::uint64_t bytes = 0;
        return handle(which) != nullptr
                       && db_->GetIntProperty(handle(which),
                                              rocksdb::DB::Properties::kTotalSstFilesSize, &bytes)
                   ? bytes
                   : 0;
    }

    // table_source
    [[nodiscard]] bool scan(table which, const visitor& visit) const override {
        return walk(which, {}, {}, [&visit](std::string_view key, std::string_view value) {
            visit(key, value);
            return true;
        });
    }
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override {
        return walk(which, begin, end, visit);
    }
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override {
        bool is_found = false;
        const bool is_read = walk(which, from, {}, [&](std::string_view found, std::string_view) {
            key = found;
            is_found = true;
            return false;
        });
        return is_read && is_found;
    }
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override {
        return handle(which) != nullptr
               && db_->Get(rocksdb::ReadOptions(), handle(which), slice(key), &value).ok();
    }

  private:
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(table which) const {
        return handles_[static_cast<std::size_t>(which)];
    }

    /// To the end if `end` is empty.
    [[nodiscard]] bool walk(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const {
        if (handle(which) == nullptr) {
            return true;
        }
        const rocksdb::Slice bound = slice(end);
        rocksdb::ReadOptions reading;
        reading.fill_cache = false;
        reading.iterate_upper_bound = end.empty() ? nullptr : &bound;
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(reading, handle(which)));
        for (at->Seek(slice(begin)); at->Valid(); at->Next()) {
            if (!visit(view(at->key()), view(at->value()))) {
                break;
            }
        }
        return at->status().ok();
    }

    std::array<rocksdb::ColumnFamilyHandle*, table_count> handles_{}; ///< null: not there
    std::unique_ptr<rocksdb::DB> db_;
};

} // namespace

bool has_store(const std::string& folder) {
    std::error_code failed;
    const std::filesystem::path database(database_folder(folder));
    return std::filesystem::is_directory(database, failed)
           && !std::filesystem::is_empty(database, failed);
}

result<std::unique_ptr<offline_store>, problem> open_offline_store(const std::string& folder) {
    if (!has_store(folder)) {
        return failure(problem{.place = folder,
                               .what = "there is no store in this folder",
                               .remedy = "name the folder of the broker (storage.folder)"});
    }
    rocksdb::Status status;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        auto made = std::make_unique<read_only_store>();
        status = made->open(folder);
        if (status.ok()) {
            return made;
        }
    }
    return failure(problem{.place = folder,
                           .what = "the store cannot be read: " + status.ToString(),
                           .remedy = "restore the folder from a copy"});
}

} // namespace gv::storage
