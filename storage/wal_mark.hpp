// SPDX-License-Identifier: Apache-2.0
// What is known to be on disk, in a file of its own beside the database. The write-ahead log alone
// cannot tell a tail that was never synced from one that was and is damaged; with the last synced
// sequence it can. The same goes for the manifest, which RocksDB reads up to where it makes sense:
// one that is cut short names a database of before, and the logs that made the rest are gone.
#pragma once

#include "base/ids.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gv::storage {

/// The beginning of a manifest that is on disk for certain.
struct manifest_mark {
    std::uint64_t number = 0; ///< in its name; 0: none is known
    std::uint64_t size = 0;
    std::uint64_t hash = 0; ///< xxh64 of so many bytes
    friend constexpr auto operator<=>(const manifest_mark&, const manifest_mark&) = default;
};

struct wal_mark {
    static constexpr std::size_t size = 56;

    node_id node{};             ///< whose store it is, should its own record be lost
    boot_id boot{};             ///< the life in which it was written
    std::uint64_t sequence = 0; ///< of the last operation that a sync covered
    manifest_mark manifest{};
    friend constexpr bool operator==(const wal_mark&, const wal_mark&) = default;
};

/// magic(4) boot(4) node(8) sequence(8), of the manifest number(8) size(8) hash(8), xxh64 of
/// these(8), integers big-endian.
[[nodiscard]] std::array<char, wal_mark::size> encode(const wal_mark& mark) noexcept;
/// False if the slot is torn, empty or of something else.
[[nodiscard]] bool decode(std::string_view slot, wal_mark& mark) noexcept;

/// The newer of the two slots of a file. Nothing if there is no file or neither slot is whole.
[[nodiscard]] std::optional<wal_mark> read_mark(const std::string& path);

/// Writes marks to the two slots of a file by turns, so that a torn write leaves the one before.
/// Thread: one at a time.
class mark_file {
  public:
    explicit mark_file(const std::string& path);
    mark_file(const mark_file&) = delete;
    mark_file& operator=(const mark_file&) = delete;
    ~mark_file();

    /// Writes, and syncs if the last sync was `sync_every` ago. False if it cannot be written: the
    /// mark on disk is older then, which is no harm but less is known after damage.
    bool note(const wal_mark& mark, std::chrono::steady_clock::time_point now);
    /// Syncs whenever the last was.
    bool note_at_once(const wal_mark& mark);

    static constexpr std::chrono::seconds sync_every{1};

  private:
    [[nodiscard]] bool write(const wal_mark& mark);

    int file_;
    unsigned writes_ = 0;
    std::chrono::steady_clock::time_point synced_at_;
};

} // namespace gv::storage
