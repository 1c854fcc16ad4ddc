// SPDX-License-Identifier: Apache-2.0
#include "storage/database.hpp"

#include "base/bytes.hpp"
#include "storage/required_options.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>

namespace gv::storage {

namespace {

/// What rows of a queue begin with, for the hints where in a memtable the next one goes: rows of a
/// session follow each other. RocksDB 7.8.3 takes the same hint for a row and for an erased range
/// that begins with a key of its domain, and these are in two skip lists, which the hint of the
/// other one ruins. So only keys of rows are in the domain; see range_begin().
class row_prefix final : public rocksdb::SliceTransform {
  public:
    [[nodiscard]] const char* Name() const override { return "grapevine.row_prefix"; }
    [[nodiscard]] rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
        return {key.data(), sizeof(session_key)};
    }
    [[nodiscard]] bool InDomain(const rocksdb::Slice& key) const override {
        return key.size() == sizeof(queue_key);
    }
};

[[nodiscard]] rocksdb::ColumnFamilyOptions
table_options(table which, const rocksdb_options& wanted,
              const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions blocks;
    blocks.block_cache = cache;
    blocks.cache_index_and_filter_blocks = true;
    blocks.cache_index_and_filter_blocks_with_high_priority = true;
    blocks.pin_l0_filter_and_index_blocks_in_cache = true;
    rocksdb::ColumnFamilyOptions made;
    const bool is_bulk = which == table::queue || which == table::bodies || which == table::retained
                         || which == table::spool;
    made.write_buffer_size = wanted.write_buffer_bytes / (is_bulk ? 4 : 16);
    made.target_file_size_base = wanted.file_bytes;
    made.max_bytes_for_level_base = 4 * wanted.file_bytes;
    made.level_compaction_dynamic_level_bytes = true;
    made.compression = rocksdb::kLZ4Compression;
    if (which == table::queue) {
        made.memtable_insert_with_hint_prefix_extractor = std::make_shared<row_prefix>();
    }
    if (which == table::queue || which == table::small || which == table::spool) {
        // What is taken from the head of a queue leaves tombstones that the next read walks over.
        made.table_properties_collector_factories.push_back(
            rocksdb::NewCompactOnDeletionCollectorFactory(4096, 1024, 0.5));
    }
    if (which == table::sessions || which == table::retained || which == table::bodies) {
        blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    }
    made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
    return made;
}

} // namespace

// There are no keys between that of one row and this one, which is longer, nor between a session's
// own and its first row.
std::string range_begin(table where, std::string_view begin) {
    std::string key(begin);
    if (where != table::queue || begin.size() != sizeof(queue_key)) {
        return key;
    }
    const std::uint64_t sequence = load_u64(begin.data() + sizeof(session_key));
    if (sequence == 0) {
        key.resize(sizeof(session_key));
        return key;
    }
    store_u64(key.data() + sizeof(session_key), sequence - 1);
    key.push_back('\0');
    return key;
}

std::shared_ptr<rocksdb::Logger> make_rocksdb_log() { return std::make_shared<rocksdb_log>(); }

rocksdb::DBOptions database_options(const rocksdb_options& wanted, rocksdb::Env* env) {
    rocksdb::DBOptions made;
    made.env = env;
    made.create_if_missing = true;
    made.create_missing_column_families = true;
    made.info_log = make_rocksdb_log();
    made.max_open_files = wanted.open_files_max;
    made.max_background_jobs = wanted.background_threads;
    made.max_total_wal_size = wanted.log_bytes_max;
    made.db_write_buffer_size = wanted.write_buffer_bytes;
    made.wal_bytes_per_sync = 512 << 10;
    made.bytes_per_sync = 1 << 20;
    // With each flush the whole manifest is read, to mark what of it is on disk.
    made.max_manifest_file_size = 4 << 20;
    made.allow_fallocate = wanted.preallocates;
    if (wanted.background_bytes_per_second > 0) {
        made.rate_limiter.reset(rocksdb::NewGenericRateLimiter(
            static_cast<std::int64_t>(wanted.background_bytes_per_second)));
    }
    set_required_options(made);
    made.avoid_flush_during_shutdown = false;
    made.allow_concurrent_memtable_write = false; // there is one writer
    made.enable_write_thread_adaptive_yield = false;
    made.stats_dump_period_sec = 0;
    made.stats_persist_period_sec = 0;
    made.keep_log_file_num = 1;
    return made;
}

std::vector<rocksdb::ColumnFamilyDescriptor> table_descriptors(const rocksdb_options& wanted) {
    const auto cache = rocksdb::NewLRUCache(wanted.cache_bytes);
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (std::size_t i = 0; i < table_count; ++i) {
        tables.emplace_back(table_names[i], table_options(static_cast<table>(i), wanted, cache));
    }
    return tables;
}

rocksdb::Status open_database::open(const rocksdb::DBOptions& options, const std::string& folder,
                                    const std::vector<rocksdb::ColumnFamilyDescriptor>& tables) {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, folder, tables, &handles, &opened);
    adopt(opened, handles);
    return status;
}

rocksdb::Status open_database::open_to_read(const rocksdb::DBOptions& options,
                                            const std::string& folder) {
    std::vector<std::string> names;
    rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, folder, &names);
    if (!status.ok()) {
        return status;
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (const std::string& each : names) {
        tables.emplace_back(each, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    status = rocksdb::DB::OpenForReadOnly(options, folder, tables, &handles, &opened);
    adopt(opened, handles);
    return status;
}

void open_database::adopt(rocksdb::DB* opened,
                          const std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
    database_.reset(opened);
    for (rocksdb::ColumnFamilyHandle* each : handles) {
        const auto* const known = std::ranges::find(table_names, each->GetName());
        if (known == table_names.end()) {
            others_.push_back(each);
        } else {
            handles_[static_cast<std::size_t>(known - table_names.begin())] = each;
        }
    }
}

bool open_database::close() {
    if (!database_) {
        return true;
    }
    others_.insert(others_.end(), handles_.begin(), handles_.end());
    for (rocksdb::ColumnFamilyHandle* each : others_) {
        if (each != nullptr) {
            database_->DestroyColumnFamilyHandle(each).PermitUncheckedError();
        }
    }
    handles_.fill(nullptr);
    others_.clear();
    const bool is_closed = database_->Close().ok();
    database_.reset();
    return is_closed;
}

namespace {

/// The key in the middle between two of the same size, as numbers.
[[nodiscard]] std::string middle_of(const std::string& low, const std::string& high) {
    std::string middle(low.size(), '\0');
    unsigned rest = 0;
    for (std::size_t i = 0; i < low.size(); ++i) {
        rest =
            rest * 256 + static_cast<unsigned char>(low[i]) + static_cast<unsigned char>(high[i]);
        const unsigned digit = rest / 2;
        rest %= 2;
        if (digit > 255) { // carries into the digits before
            for (std::size_t j = i; j-- > 0;) {
                middle[j] = static_cast<char>(static_cast<unsigned char>(middle[j]) + 1);
                if (middle[j] != '\0') {
                    break;
                }
            }
        }
        middle[i] = static_cast<char>(digit);
    }
    return middle;
}

// Where damage ends is not written anywhere, but every key tells by a seek on which side it is.
void step_over(rocksdb::Iterator& at, std::string_view last) {
    constexpr std::size_t digits_behind = 24;
    std::string low(last);
    low.resize(last.size() + digits_behind, '\0');
    const std::string end(low.size(), '\xff');
    std::string high = end;
    for (;;) {
        const std::string middle = middle_of(low, high);
        if (middle == low) {
            break;
        }
        at.Seek(end); // an iterator that met damage may see it on in the neighbouring block
        at.Seek(middle);
        (at.status().ok() ? high : low) = middle;
    }
    at.Seek(end);
    at.Seek(high);
}

} // namespace

row_scan scan_rows(rocksdb::Iterator& at, std::string_view from,
                   const std::function<bool(std::string_view key, std::string_view value)>& visit) {
    row_scan done;
    std::string last(from);
    at.Seek(slice(from));
    for (;;) {
        for (; at.Valid(); at.Next()) {
            last.assign(at.key().data(), at.key().size());
            if (!visit(view(at.key()), view(at.value()))) {
                return done;
            }
        }
        if (at.status().ok()) {
            return done;
        }
        if (!at.status().IsCorruption()) {
            done.is_readable = false;
            return done;
        }
        ++done.gaps;
        step_over(at, last);
        if (!at.Valid() && !at.status().ok()) {
            return done; // nothing behind can be read either
        }
    }
}

} // namespace gv::storage
