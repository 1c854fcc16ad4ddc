// SPDX-License-Identifier: Apache-2.0
#include "storage/rocksdb_store.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "storage/freezing_file_system.hpp"
#include "storage/group_commit.hpp"
#include "storage/required_options.hpp"
#include "storage/rocksdb_words.hpp"
#include "storage/row_reader.hpp"
#include "storage/sync_log.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_buffer_manager.h>

#include <chrono>
#include <filesystem>
#include <random>

namespace gv::storage {

namespace {

[[nodiscard]] rocksdb::DBOptions database_options(const rocksdb_options& wanted,
                                                  rocksdb::Env* env) {
    rocksdb::DBOptions made;
    made.env = env;
    made.create_if_missing = true;
    made.create_missing_column_families = true;
    made.info_log = std::make_shared<rocksdb_log>();
    made.max_open_files = wanted.open_files_max;
    made.max_background_jobs = wanted.background_threads;
    made.max_total_wal_size = wanted.log_bytes_max;
    made.db_write_buffer_size = wanted.write_buffer_bytes;
    made.wal_bytes_per_sync = 512 << 10;
    made.bytes_per_sync = 1 << 20;
    set_required_options(made);
    made.avoid_flush_during_shutdown = false;
    made.allow_concurrent_memtable_write = false; // there is one writer
    made.enable_write_thread_adaptive_yield = false;
    made.stats_dump_period_sec = 0;
    made.stats_persist_period_sec = 0;
    made.keep_log_file_num = 1;
    return made;
}

[[nodiscard]] rocksdb::ColumnFamilyOptions
table_options(table which, const rocksdb_options& wanted,
              const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions blocks;
    blocks.block_cache = cache;
    blocks.cache_index_and_filter_blocks = true;
    blocks.cache_index_and_filter_blocks_with_high_priority = true;
    blocks.pin_l0_filter_and_index_blocks_in_cache = true;
    rocksdb::ColumnFamilyOptions made;
    const bool is_bulk =
        which == table::queue || which == table::bodies || which == table::retained;
    made.write_buffer_size = wanted.write_buffer_bytes / (is_bulk ? 4 : 16);
    made.level_compaction_dynamic_level_bytes = true;
    made.compression = rocksdb::kLZ4Compression;
    if (which == table::queue) {
        // Rows of a session follow each other: the next goes where the last went.
        made.memtable_insert_with_hint_prefix_extractor.reset(
            rocksdb::NewFixedPrefixTransform(sizeof(session_key)));
    }
    if (which == table::queue || which == table::small) {
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

[[nodiscard]] std::uint64_t random_node() {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

class rocksdb_store final : public store, private commit_target, private table_source {
  public:
    explicit rocksdb_store(const rocksdb_options& options)
        : folder_(options.folder), sync_interval_(options.sync_interval),
          files_(std::make_shared<freezing_file_system>(
              options.file_system ? options.file_system : rocksdb::FileSystem::Default(),
              observer(),
              ballast_settings{.path = folder_ + "/ballast", .size_bytes = options.ballast_bytes})),
          env_(rocksdb::NewCompositeEnv(files_)) {}
    ~rocksdb_store() override { close(); }

    [[nodiscard]] result<void, problem> open(const rocksdb_options& options);

    // store
    [[nodiscard]] const node_record& node() const noexcept override { return node_; }
    [[nodiscard]] hybrid_time last_stamp() const noexcept override { return last_stamp_; }
    [[nodiscard]] result<void, problem> load(store_reader& to) override;
    void listen(shard_id shard, std::function<void(progress)> to,
                std::function<void(read_answer)> rows_to) override {
        commits_->listen(shard, std::move(to));
        reads_->listen(shard, std::move(rows_to));
    }
    void commit(shard_id from, hand_over what) override { commits_->add(from, std::move(what)); }
    void read(shard_id from, read_request what) override { reads_->add(from, what); }
    [[nodiscard]] store_counts counts() const override;
    void close() override;

  private:
    // commit_target
    bool write(std::span<const batch* const> group) override;
    bool sync() override;

    [[nodiscard]] file_system_observer observer() const;
    [[nodiscard]] result<void, problem> begin_life();
    [[nodiscard]] problem damaged(const std::string& what) const;
    [[nodiscard]] problem unusable(const rocksdb::Status& status) const;
    [[nodiscard]] problem newer(std::uint32_t found) const;
    [[nodiscard]] problem other_tables(const rocksdb::Status& status) const;
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(table which) const {
        return handles_[static_cast<std::size_t>(which)];
    }
    // table_source
    [[nodiscard]] bool scan(table which, const visitor& visit) const override;
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override;
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override;
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override;

    std::string folder_;
    std::chrono::milliseconds sync_interval_;
    std::shared_ptr<freezing_file_system> files_;
    std::unique_ptr<rocksdb::Env> env_;
    std::unique_ptr<rocksdb::DB> db_;
    std::vector<rocksdb::ColumnFamilyHandle*> handles_;
    node_record node_;
    hybrid_time last_stamp_{};
    rocksdb::WriteBatch write_; ///< of the writer thread, reused
    std::unique_ptr<group_commit> commits_;
    std::unique_ptr<row_reader> reads_;
};

file_system_observer rocksdb_store::observer() const {
    file_system_observer made;
    made.on_frozen = [folder = folder_](const io_failure& why) {
        log::error("store_frozen", {{"folder", folder},
                                    {"operation", to_text(why.operation)},
                                    {"file", why.file},
                                    {"problem", why.text},
                                    {"remedy", why.fault == io_fault::no_space
                                                   ? "make room on the disk and restart the broker"
                                                   : "check the disk and restart the broker"}});
    };
    made.on_ballast_released = [folder = folder_](const io_failure& why) {
        log::error(
            "store_disk_full",
            {{"folder", folder}, {"file", why.file}, {"remedy", "make room on the disk now"}});
    };
    made.on_read_error = [folder = folder_](const io_failure& why) {
        log::error("store_read_failed",
                   {{"folder", folder}, {"file", why.file}, {"problem", why.text}});
    };
    return made;
}

problem rocksdb_store::damaged(const std::string& what) const {
    return {.place = folder_,
            .what = "the store cannot be read: " + what,
            .remedy = "restore the folder from a copy, or move it away to start empty"};
}

problem rocksdb_store::unusable(const rocksdb::Status& status) const {
    const std::string text = status.ToString();
    if (status.IsIOError()
        && (text.find("lock hold by") != std::string::npos
            || text.find("While lock file") != std::string::npos)) {
        return {.place = folder_,
                .what = "another process uses this store",
                .remedy = "stop the other broker, or give this one a folder of its own "
                          "(storage.folder)"};
    }
    return damaged(text);
}

problem rocksdb_store::newer(std::uint32_t found) const {
    return {.place = folder_,
            .what = "the store was written by a newer version (schema " + std::to_string(found)
                    + ", this one knows " + std::to_string(schema) + ")",
            .remedy = "run that version, or export the store with it"};
}

// A newer version may have tables that this one does not know. It says so in one that both have.
problem rocksdb_store::other_tables(const rocksdb::Status& status) const {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    rocksdb::DBOptions reading;
    reading.env = env_.get();
    reading.info_log = std::make_shared<rocksdb_log>();
    if (!rocksdb::DB::OpenForReadOnly(
             reading, database_folder(folder_),
             {{table_names[static_cast<std::size_t>(table::meta)], rocksdb::ColumnFamilyOptions()}},
             &handles, &opened)
             .ok()) {
        return unusable(status);
    }
    const std::unique_ptr<rocksdb::DB> database(opened);
    std::string value;
    node_record node;
    const bool is_newer =
        database->Get(rocksdb::ReadOptions(), handles.front(), slice(node_key), &value).ok()
        && decode(value, node) && node.schema > schema;
    database->DestroyColumnFamilyHandle(handles.front());
    return is_newer ? newer(node.schema) : unusable(status);
}

result<void, problem> rocksdb_store::open(const rocksdb_options& options) {
    std::error_code failed;
    std::filesystem::create_directories(database_folder(folder_), failed);
    if (failed) {
        return failure(problem{.place = folder_,
                               .what = "the folder cannot be made: " + failed.message(),
                               .remedy = "name one that the broker may write to (storage.folder)"});
    }
    const auto cache = rocksdb::NewLRUCache(options.cache_bytes);
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (std::size_t i = 0; i < table_count; ++i) {
        tables.emplace_back(table_names[i], table_options(static_cast<table>(i), options, cache));
    }
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(database_options(options, env_.get()), database_folder(folder_), tables,
                          &handles_, &opened);
    if (!status.ok()) {
        return failure(status.IsInvalidArgument() ? other_tables(status) : unusable(status));
    }
    db_.reset(opened);
    if (const auto frozen = files_->failure()) {
        return failure(problem{.place = folder_,
                               .what = "the store could not be opened for writing: " + frozen->text,
                               .remedy = frozen->fault == io_fault::no_space
                                             ? "make room on the disk"
                                             : "check the disk"});
    }
    if (const auto made = files_->restore_ballast(); !made) {
        log::warn("no_ballast", {{"folder", folder_}, {"problem", made.error().text}});
    }
    return begin_life();
}

// The number of this life is on disk before anything is written under it.
result<void, problem> rocksdb_store::begin_life() {
    std::string value;
    const rocksdb::Status found =
        db_->Get(rocksdb::ReadOptions(), handle(table::meta), slice(node_key), &value);
    if (found.ok()) {
        if (!decode(value, node_)) {
            return failure(damaged("the node's own record is cut short"));
        }
        if (node_.schema > schema) {
            return failure(newer(node_.schema));
        }
    } else if (found.IsNotFound()) {
        node_.node.value = random_node();
    } else {
        return failure(damaged(found.ToString()));
    }
    if (db_->Get(rocksdb::ReadOptions(), handle(table::meta), slice(clock_key), &value).ok()
        && value.size() == 8) {
        last_stamp_.value = load_u64(value.data());
    }
    node_.schema = schema;
    ++node_.boot.value;
    value.clear();
    encode(node_, value);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const rocksdb::Status written =
        db_->Put(synced, handle(table::meta), slice(node_key), slice(value));
    if (!written.ok()) {
        return failure(unusable(written));
    }
    reads_ = std::make_unique<row_reader>(static_cast<const table_source&>(*this));
    commits_ = std::make_unique<group_commit>(static_cast<commit_target&>(*this), 2u << 20,
                                              sync_interval_);
    return {};
}

store_counts rocksdb_store::counts() const {
    store_counts all = commits_->counts();
    all.rows_read = reads_->rows_read();
    return all;
}

void rocksdb_store::close() {
    if (!db_) {
        return;
    }
    if (commits_) { // else it was refused
        commits_->close();
        reads_->close();
    }
    for (rocksdb::ColumnFamilyHandle* each : handles_) {
        db_->DestroyColumnFamilyHandle(each);
    }
    handles_.clear();
    db_->Close();
    db_.reset();
}

bool rocksdb_store::write(std::span<const batch* const> group) {
    write_.Clear();
    for (const batch* each : group) {
        each->for_each([this](const batch::operation& what) {
            switch (what.what) {
            case batch::kind::put:
                write_.Put(handle(what.where), slice(what.key), slice(what.value));
                break;
            case batch::kind::erase:
                write_.Delete(handle(what.where), slice(what.key));
                break;
            case batch::kind::erase_range:
                write_.DeleteRange(handle(what.where), slice(what.key), slice(what.value));
                break;
            }
        });
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    char clock[8];
    store_u64(clock, static_cast<std::uint64_t>(
                         std::chrono::duration_cast<std::chrono::milliseconds>(now).count())
                         << 16);
    write_.Put(handle(table::meta), slice(clock_key), rocksdb::Slice(clock, sizeof clock));
    const rocksdb::Status status = db_->Write(rocksdb::WriteOptions(), &write_);
    if (!status.ok()) {
        log::error("store_lost", {{"folder", folder_}, {"problem", status.ToString()}});
    }
    return status.ok() && !files_->is_frozen();
}

bool rocksdb_store::sync() {
    const auto synced = sync_log(*db_, *files_);
    if (!synced) {
        log::error("store_lost", {{"folder", folder_}, {"problem", synced.error().text}});
    }
    return synced.has_value();
}

bool rocksdb_store::scan(table which, const visitor& visit) const {
    rocksdb::ReadOptions reading;
    reading.fill_cache = false;
    reading.readahead_size = 2 << 20;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(reading, handle(which)));
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        visit(view(at->key()), view(at->value()));
    }
    return at->status().ok();
}

bool rocksdb_store::scan(table which, std::string_view begin, std::string_view end,
                         const judge& visit) const {
    const rocksdb::Slice bound = slice(end);
    rocksdb::ReadOptions reading;
    reading.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(reading, handle(which)));
    for (at->Seek(slice(begin)); at->Valid(); at->Next()) {
        if (!visit(view(at->key()), view(at->value()))) {
            break;
        }
    }
    return at->status().ok();
}

bool rocksdb_store::seek(table which, std::string_view from, std::string& key) const {
    const std::unique_ptr<rocksdb::Iterator> at(
        db_->NewIterator(rocksdb::ReadOptions(), handle(which)));
    at->Seek(slice(from));
    if (at->Valid()) {
        key = view(at->key());
    }
    return at->Valid();
}

bool rocksdb_store::get(table which, std::string_view key, std::string& value) const {
    return db_->Get(rocksdb::ReadOptions(), handle(which), slice(key), &value).ok();
}

result<void, problem> rocksdb_store::load(store_reader& to) {
    const load_report report = load_from(*this, to);
    if (report.rows_stray > 0) {
        log::warn("store_has_strays", {{"folder", folder_}, {"rows", report.rows_stray}});
    }
    if (!report.is_readable || report.rows_broken > 0) {
        return failure(damaged(report.is_readable
                                   ? std::to_string(report.rows_broken) + " rows are broken"
                                   : std::string("a file is damaged")));
    }
    return {};
}

} // namespace

result<std::unique_ptr<store>, problem> open_rocksdb_store(const rocksdb_options& options) {
    auto made = std::make_unique<rocksdb_store>(options);
    if (const auto opened = made->open(options); !opened) {
        return failure(opened.error());
    }
    return made;
}

} // namespace gv::storage
