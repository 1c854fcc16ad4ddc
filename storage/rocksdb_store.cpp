// SPDX-License-Identifier: Apache-2.0
#include "storage/rocksdb_store.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "storage/database_lock.hpp"
#include "storage/database_mark.hpp"
#include "storage/group_commit.hpp"
#include "storage/inspection.hpp"
#include "storage/loading.hpp"
#include "storage/row_reader.hpp"
#include "storage/scrub.hpp"
#include "storage/store_database.hpp"
#include "storage/sync_log.hpp"

#include <rocksdb/listener.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <set>
#include <vector>

namespace gv::storage {

namespace {

[[nodiscard]] std::uint64_t random_node() {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

/// A compaction that meets a damaged block fails each time. It does not have to stop the store,
/// which writes on without it. One whose output went nowhere has met none.
/// And tells when the manifest has changed.
class database_listener final : public rocksdb::EventListener {
  public:
    database_listener(std::function<void()> on_manifest, std::function<bool()> is_frozen)
        : on_manifest_(std::move(on_manifest)), is_frozen_(std::move(is_frozen)) {}
    void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { on_manifest_(); }
    void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
        on_manifest_();
    }
    void OnBackgroundError(rocksdb::BackgroundErrorReason why, rocksdb::Status* status) override {
        if (why == rocksdb::BackgroundErrorReason::kCompaction && status->IsCorruption()
            && !is_frozen_()) {
            *status = rocksdb::Status::OK();
            has_met_damage = true;
        }
    }
    std::atomic<bool> has_met_damage = false;

  private:
    std::function<void()> on_manifest_;
    std::function<bool()> is_frozen_;
};

class rocksdb_store final : public store, private commit_target, private table_source {
  public:
    explicit rocksdb_store(const rocksdb_options& options)
        : folder_(options.folder), sync_interval_(options.sync_interval),
          resume_interval_(options.resume_interval), new_node_(options.node), mark_(folder_),
          listener_(std::make_shared<database_listener>(
              [this] { mark_.note_manifest(); }, [this] { return db_.files().is_frozen(); })),
          salvages_(options.salvage), db_(options, observer(), listener_) {}
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
    commit_outcome write(std::span<const batch* const> group) override;
    commit_outcome sync() override;
    commit_outcome resume() override;
    void on_resumed(std::chrono::nanoseconds stalled, std::size_t operations_again) override;
    void on_lost() override;

    [[nodiscard]] file_system_observer observer();
    void on_frozen(const io_failure& why);
    [[nodiscard]] commit_outcome lost(const std::string& why) const;
    [[nodiscard]] std::optional<read_answer> try_read(const read_request& what) const;
    [[nodiscard]] result<void, problem> begin_life();
    void begin_scrub(const rocksdb_options& options);
    [[nodiscard]] std::set<std::string> live_tables() const;
    [[nodiscard]] problem damaged(const std::string& what) const;
    [[nodiscard]] problem unusable(const rocksdb::Status& status) const {
        return unusable_store(folder_, status);
    }
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(table which) const {
        return db_.handle(which);
    }
    void note_damage(std::uint64_t rows, const char* where) const;
    void live_with_damage();
    [[nodiscard]] bool is_whole(const row_scan& done, table which) const;
    // table_source
    [[nodiscard]] bool scan(table which, const visitor& visit) const override;
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override;
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override;
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override;

    std::string folder_;
    std::chrono::milliseconds sync_interval_;
    std::chrono::milliseconds resume_interval_;
    const node_id new_node_; ///< of a store that is made here
    database_mark mark_;
    std::shared_ptr<database_listener> listener_;
    bool salvages_;
    store_database db_;
    std::atomic<bool> is_stalled_{false}; ///< what is read may be wrong
    std::atomic<bool> is_lost_{false};
    bool is_compacting_ = true; ///< of the sync thread
    damage_met met_;            ///< when it was opened
    mutable std::atomic<std::uint64_t> rows_lost_{0};
    mutable std::atomic<bool> is_unreadable_{false}; ///< the disk gave no answer
    node_record node_;
    hybrid_time last_stamp_{};
    wall_floor floor_;
    rocksdb::WriteBatch write_; ///< of the writer thread, reused
    std::unique_ptr<group_commit> commits_;
    std::atomic<group_commit*> tells_full_{nullptr};
    std::unique_ptr<row_reader> reads_;
    std::unique_ptr<scrub> scrub_; ///< null: it does not read again
};

file_system_observer rocksdb_store::observer() {
    file_system_observer made;
    made.on_frozen = [this](const io_failure& why) { on_frozen(why); };
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

// Also by a flush, while nobody writes or syncs.
void rocksdb_store::on_frozen(const io_failure& why) {
    const bool is_full = why.fault == io_fault::no_space;
    if (!is_full || !is_stalled_.exchange(true)) { // else it is known: an attempt to resume
        log::error("store_frozen",
                   {{"folder", folder_},
                    {"operation", to_text(why.operation)},
                    {"file", why.file},
                    {"problem", why.text},
                    {"remedy", is_full ? "make room on the disk; it then goes on by itself"
                                       : "check the disk and restart the broker"}});
    }
    if (group_commit* const told = tells_full_; told != nullptr && is_full) {
        told->on_full();
    }
}

problem rocksdb_store::damaged(const std::string& what) const {
    return {.place = folder_,
            .what = "the store cannot be read: " + what,
            .remedy = "restore the folder from a copy, or move it away to start empty"};
}

result<void, problem> rocksdb_store::open(const rocksdb_options& options) {
    auto opened = db_.open();
    if (!opened) {
        return failure(std::move(opened.error()));
    }
    met_ = *opened;
    auto begun = begin_life();
    if (begun) {
        begin_scrub(options);
    }
    return begun;
}

void rocksdb_store::begin_scrub(const rocksdb_options& options) {
    if (options.scrub_interval.count() == 0) {
        return;
    }
    scrub_observer to;
    to.live_tables = [this] { return live_tables(); };
    to.on_damage = [this](const std::string& name, const std::string& what) {
        const auto lock = db_.use();
        log::error("store_file_damaged", {{"folder", folder_}, {"file", name}, {"problem", what}});
        note_damage(0, "scrub");
    };
    to.on_unreadable = [this](const std::string& name, const std::string& what) {
        log::error("store_read_failed", {{"folder", folder_}, {"file", name}, {"problem", what}});
    };
    scrub_ = std::make_unique<scrub>(scrub_options{.folder = database_folder(folder_),
                                                   .interval = options.scrub_interval,
                                                   .file_system = options.file_system},
                                     std::move(to));
}

std::set<std::string> rocksdb_store::live_tables() const {
    const auto lock = db_.use();
    if (!db_) {
        return {}; // the disk is full
    }
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    if (db_.is_full()) {
        return {}; // some of them may never have been written
    }
    std::set<std::string> names;
    for (const rocksdb::LiveFileMetaData& each : files) {
        names.insert(each.name.substr(each.name.find_first_not_of('/')));
    }
    return names;
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
            return failure(newer_store(folder_, node_.schema));
        }
    } else if (found.IsNotFound()) {
        node_.node = new_node_ == node_id{} ? node_id{random_node()} : new_node_;
    } else {
        return failure(damaged(found.ToString()));
    }
    if (db_->Get(rocksdb::ReadOptions(), handle(table::meta), slice(clock_key), &value).ok()
        && value.size() == 8) {
        last_stamp_.value = load_u64(value.data());
        floor_.set(std::chrono::steady_clock::now(), wall_of(last_stamp_));
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
    if (const auto frozen = db_.files().failure()) {
        return failure(not_writable(folder_, *frozen));
    }
    mark_.begin(node_.node, node_.boot, db_->GetLatestSequenceNumber());
    reads_ =
        std::make_unique<row_reader>([this](const read_request& what) { return try_read(what); });
    commits_ = std::make_unique<group_commit>(
        static_cast<commit_target&>(*this),
        group_commit_options{.sync_interval = sync_interval_, .resume_interval = resume_interval_});
    tells_full_ = commits_.get();
    if (db_.is_full()) {
        commits_->on_full(); // it may have been too early to tell
    }
    return {};
}

store_counts rocksdb_store::counts() const {
    store_counts all = commits_->counts();
    all.rows_read = reads_->rows_read();
    all.damaged_files = met_.files;
    all.files_verified = scrub_ ? scrub_->verified() : 0;
    all.files_rotten = scrub_ ? scrub_->damaged() : 0;
    all.lost_operations = met_.lost_operations;
    all.rows_lost = met_.rows_lost + rows_lost_;
    return all;
}

void rocksdb_store::close() {
    if (scrub_) {
        scrub_->stop();
    }
    if (commits_) { // else it was refused
        commits_->close();
        reads_->close();
    }
    if (!db_) {
        return;
    }
    db_.close();
    mark_.note_manifest(); // it has flushed what it had
}

commit_outcome rocksdb_store::write(std::span<const batch* const> group) {
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
                write_.DeleteRange(handle(what.where), range_begin(what.where, what.key),
                                   slice(what.value));
                break;
            }
        });
    }
    const wall_time now =
        floor_.correct(std::chrono::steady_clock::now(), std::chrono::system_clock::now());
    char clock[8];
    store_u64(
        clock,
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count())
            << 16);
    write_.Put(handle(table::meta), slice(clock_key), rocksdb::Slice(clock, sizeof clock));
    const rocksdb::Status status = db_->Write(rocksdb::WriteOptions(), &write_);
    // An error too is what follows from files that went nowhere.
    if (db_.is_full()) {
        return commit_outcome::no_room;
    }
    const auto frozen = db_.files().failure();
    return status.ok() && !frozen ? commit_outcome::done
                                  : lost(frozen ? frozen->text : status.ToString());
}

commit_outcome rocksdb_store::sync() {
    const std::uint64_t covered = db_->GetLatestSequenceNumber();
    const auto synced = sync_log(*db_, db_.files());
    if (db_.is_full()) {
        return commit_outcome::no_room;
    }
    if (!synced) {
        return lost(synced.error().text);
    }
    mark_.note_synced(covered);
    if (listener_->has_met_damage && is_compacting_) {
        live_with_damage();
    }
    return commit_outcome::done;
}

commit_outcome rocksdb_store::lost(const std::string& why) const {
    log::error("store_lost", {{"folder", folder_}, {"problem", why}});
    return commit_outcome::failed;
}

commit_outcome rocksdb_store::resume() {
    if (db_ && !db_.is_full()) {
        return commit_outcome::done;
    }
    const commit_outcome outcome = db_.reopen(node_);
    if (outcome == commit_outcome::done) {
        mark_.note_manifest(); // it is another
        is_compacting_ = true;
        listener_->has_met_damage = false;
    }
    return outcome;
}

void rocksdb_store::on_resumed(std::chrono::nanoseconds stalled, std::size_t operations_again) {
    is_stalled_ = false;
    if (db_.is_full()) { // before that
        is_stalled_ = true;
    }
    log::info(
        "store_resumed",
        {{"folder", folder_},
         {"stalled_ms", std::chrono::duration_cast<std::chrono::milliseconds>(stalled).count()},
         {"operations_written_again", operations_again}});
    reads_->go_on();
}

void rocksdb_store::on_lost() {
    is_lost_ = true;
    reads_->go_on();
}

// On a frozen file system a file that RocksDB relies on may not be there. While it is opened again
// rows of which word was given may be missing until they are written again.
std::optional<read_answer> rocksdb_store::try_read(const read_request& what) const {
    const auto in_use = db_.use();
    if (!db_) {
        return std::nullopt;
    }
    read_answer found = read_rows(*this, what);
    if (!is_lost_ && (is_stalled_ || db_.is_full())) {
        return std::nullopt;
    }
    return found;
}

// Tables that are not compacted any more hold up no writes either.
void rocksdb_store::live_with_damage() {
    is_compacting_ = false;
    for (std::size_t i = 0; i < table_count; ++i) {
        db_->SetOptions(handle(static_cast<table>(i)), {{"disable_auto_compactions", "true"}})
            .PermitUncheckedError();
    }
    note_damage(0, "compaction");
}

// The next start reads every block and sets the damaged files aside.
void rocksdb_store::note_damage(std::uint64_t rows, const char* where) const {
    if (db_.files().is_frozen()) {
        return; // it may have gone nowhere
    }
    rows_lost_ += rows;
    suspect_damage(folder_);
    log::error("store_damage_met", {{"folder", folder_},
                                    {"while", where},
                                    {"rows_lost_at_least", rows},
                                    {"remedy", "check the disk and restart the broker: it then "
                                               "sets the damaged files aside"}});
}

bool rocksdb_store::scan(table which, const visitor& visit) const {
    rocksdb::ReadOptions reading;
    reading.fill_cache = false;
    reading.readahead_size = 2 << 20;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(reading, handle(which)));
    return is_whole(scan_rows(*at, {},
                              [&](std::string_view key, std::string_view value) {
                                  visit(key, value);
                                  return true;
                              }),
                    which);
}

bool rocksdb_store::scan(table which, std::string_view begin, std::string_view end,
                         const judge& visit) const {
    const rocksdb::Slice bound = slice(end);
    rocksdb::ReadOptions reading;
    reading.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(reading, handle(which)));
    return is_whole(scan_rows(*at, begin, visit), which);
}

bool rocksdb_store::is_whole(const row_scan& done, table which) const {
    if (!done.is_readable) {
        is_unreadable_ = true;
    }
    if (done.gaps > 0) {
        note_damage(done.gaps, table_names[static_cast<std::size_t>(which)]);
    }
    return done.is_readable && done.gaps == 0;
}

bool rocksdb_store::seek(table which, std::string_view from, std::string& key) const {
    const std::unique_ptr<rocksdb::Iterator> at(
        db_->NewIterator(rocksdb::ReadOptions(), handle(which)));
    bool is_found = false;
    const auto take = [&](std::string_view found, std::string_view) {
        key = found;
        is_found = true;
        return false;
    };
    static_cast<void>(is_whole(scan_rows(*at, from, take), which));
    return is_found;
}

bool rocksdb_store::get(table which, std::string_view key, std::string& value) const {
    const rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), handle(which), slice(key), &value);
    if (status.IsCorruption()) {
        note_damage(1, table_names[static_cast<std::size_t>(which)]);
    } else if (status.IsNotFound() && !db_.files().is_frozen()) {
        ++rows_lost_; // a row names it
    }
    return status.ok();
}

result<void, problem> rocksdb_store::load(store_reader& to) {
    const auto in_use = db_.use();
    const load_report report = load_from(*this, to);
    if (report.rows_stray > 0) {
        log::warn("store_has_strays", {{"folder", folder_}, {"rows", report.rows_stray}});
    }
    if (is_unreadable_) {
        return failure(damaged("the disk does not give what is in a file"));
    }
    rows_lost_ += report.rows_broken;
    if (report.rows_broken > 0) {
        log::error("store_rows_broken",
                   {{"folder", folder_},
                    {"rows", report.rows_broken},
                    {"remedy", "they are left out and stay where they are; check the memory of "
                               "the machine"}});
    }
    if (!salvages_ && (!report.is_readable || report.rows_broken > 0)) {
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
