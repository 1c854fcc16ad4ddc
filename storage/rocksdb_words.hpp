// SPDX-License-Identifier: Apache-2.0
// What all who open the database have in common. For units that know RocksDB.
#pragma once

#include "base/log.hpp"
#include "storage/batch.hpp"

#include <rocksdb/env.h>
#include <rocksdb/slice.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace gv::storage {

/// Where the database is in the folder of a store.
[[nodiscard]] inline std::string database_folder(const std::string& store_folder) {
    return store_folder + "/db";
}

/// Column families, by table: in the order of their numbers in the log, too.
inline constexpr std::array<const char*, table_count> table_names{
    "default", "sessions", "queue_meta", "subscriptions", "queue",
    "small",   "bodies",   "retained",   "spool",         "routes"};

[[nodiscard]] inline rocksdb::Slice slice(std::string_view bytes) {
    return {bytes.data(), bytes.size()};
}
[[nodiscard]] inline std::string_view view(const rocksdb::Slice& bytes) {
    return {bytes.data(), bytes.size()};
}

/// What RocksDB has to say goes where everything goes, if it is a warning or worse.
class rocksdb_log final : public rocksdb::Logger {
  public:
    rocksdb_log() : rocksdb::Logger(rocksdb::WARN_LEVEL) {}
    using rocksdb::Logger::Logv;
    void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
        if (level < rocksdb::WARN_LEVEL || level >= rocksdb::HEADER_LEVEL) {
            return;
        }
        char text[512];
        std::vsnprintf(text, sizeof text, format, arguments);
        if (std::string_view(text).find("DB::Open() failed") != std::string_view::npos) {
            return; // whoever opened it says so, in words for a person
        }
        log::warn("rocksdb", {{"says", text}});
    }
    void Logv(const char*, va_list) override {}
};

} // namespace gv::storage
