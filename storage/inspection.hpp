// SPDX-License-Identifier: Apache-2.0
// Looks at the files of a store that nobody has open, and changes nothing: whether they are whole,
// and whether what was acknowledged is in them. Done at every start, because RocksDB opens some
// damaged databases without a word and erases what it no longer knows of.
#pragma once

#include "base/result.hpp"
#include "storage/wal_mark.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class FileSystem;
}

namespace gv::storage {

enum class file_kind : std::uint8_t { current, manifest, table, log };

struct damaged_file {
    std::string name; ///< below `db/`
    file_kind kind{};
    std::string problem;
    bool is_usable = false;      ///< parts of it can be read
    std::uint64_t rows_lost = 0; ///< at least
};

struct inspection {
    std::vector<damaged_file> damaged;
    /// Operations that were on disk for certain and are in no file any more.
    std::uint64_t lost_operations = 0;
    std::optional<wal_mark> mark;
    bool lacks_mark = false;       ///< there must have been one
    std::uint64_t tables_last = 0; ///< last sequence that is in tables, if the manifest tells
    bool has_catalogue = false;    ///< it does
    std::uint64_t log_first = 0;   ///< first sequence in logs; 0: they are empty
    std::uint64_t log_operations = 0;
    std::uint64_t bytes = 0;  ///< of tables
    bool is_thorough = false; ///< every block was read

    [[nodiscard]] bool is_whole() const noexcept { return damaged.empty() && lost_operations == 0; }
};

enum class thoroughness : std::uint8_t {
    quick,    ///< as at a start: every block only if tables take at most `quick_bytes_max`
              ///< together, or damage was met before
    complete, ///< every block of every file
};

/// `folder`: that of the store. A folder without a database is whole. Errors: a problem for a
/// person if the disk does not give the bytes, or another process has the store open.
[[nodiscard]] result<inspection, problem>
inspect(const std::string& folder, thoroughness how,
        std::shared_ptr<rocksdb::FileSystem> file_system = nullptr,
        std::uint64_t quick_bytes_max = 0);

/// Whether a process has the store open.
[[nodiscard]] bool is_in_use(const std::string& folder);

/// "table"
[[nodiscard]] std::string_view to_text(file_kind kind) noexcept;

/// Has the next inspection read every block.
void suspect_damage(const std::string& folder);
void forget_suspicion(const std::string& folder);

} // namespace gv::storage
