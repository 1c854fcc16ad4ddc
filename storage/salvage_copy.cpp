// SPDX-License-Identifier: Apache-2.0
#include "storage/salvage_copy.hpp"

#include "storage/log_file.hpp"

#include <rocksdb/sst_file_reader.h>

#include <algorithm>

namespace gv::storage {

namespace {

void write_unlogged(open_database& to, rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions unlogged;
    unlogged.disableWAL = true;
    to->Write(unlogged, &batch).PermitUncheckedError();
    batch.Clear();
}

/// Does again what a batch of the log does, by the names of tables instead of their numbers.
class replay final : public rocksdb::WriteBatch::Handler {
  public:
    explicit replay(open_database& to) : to_(&to) {}

    rocksdb::Status PutCF(std::uint32_t where, const rocksdb::Slice& key,
                          const rocksdb::Slice& value) override {
        return where < table_count ? batch_.Put(handle(where), key, value) : rocksdb::Status::OK();
    }
    rocksdb::Status DeleteCF(std::uint32_t where, const rocksdb::Slice& key) override {
        return where < table_count ? batch_.Delete(handle(where), key) : rocksdb::Status::OK();
    }
    rocksdb::Status DeleteRangeCF(std::uint32_t where, const rocksdb::Slice& begin,
                                  const rocksdb::Slice& end) override {
        return where < table_count
                   ? batch_.DeleteRange(
                         handle(where),
                         range_begin(static_cast<table>(where), begin.ToStringView()), end)
                   : rocksdb::Status::OK();
    }
    void write() { write_unlogged(*to_, batch_); }

  private:
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(std::uint32_t where) const {
        return to_->handle(static_cast<table>(where));
    }
    open_database* to_;
    rocksdb::WriteBatch batch_;
};

} // namespace

void row_writer::put(table where, std::string_view key, std::string_view value) {
    ++rows;
    batch_.Put(to_->handle(where), slice(key), slice(value));
    if (batch_.GetDataSize() > (1u << 20)) {
        flush();
    }
}

void row_writer::flush() { write_unlogged(*to_, batch_); }

row_scan copy_rows(table where, rocksdb::Iterator& from, row_writer& to) {
    return scan_rows(from, {}, [&](std::string_view key, std::string_view value) {
        to.put(where, key, value);
        return true;
    });
}

row_scan copy_table_file(const std::string& path, rocksdb::Env* env, row_writer& to) {
    rocksdb::Options reading;
    reading.env = env;
    rocksdb::SstFileReader file(reading);
    if (!file.Open(path).ok()) {
        return {};
    }
    const auto* const known =
        std::ranges::find(table_names, file.GetTableProperties()->column_family_name);
    if (known == table_names.end()) {
        return {};
    }
    const std::unique_ptr<rocksdb::Iterator> at(file.NewIterator(rocksdb::ReadOptions()));
    return copy_rows(static_cast<table>(known - table_names.begin()), *at, to);
}

log_replay replay_log(const std::string& path, open_database& to) {
    replay again(to);
    log_replay done;
    const log_state state = read_log(path, [&](const log_record& record) {
        const rocksdb::WriteBatch batch{std::string(record.batch)};
        if (batch.Iterate(&again).ok()) {
            done.operations += record.operations;
        }
        again.write();
    });
    done.is_readable = state.is_readable;
    return done;
}

} // namespace gv::storage
