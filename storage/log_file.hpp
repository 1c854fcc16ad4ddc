// SPDX-License-Identifier: Apache-2.0
// Reads a write-ahead log of RocksDB past what is damaged, which RocksDB does only while it opens
// the database for good. The format has been the same since LevelDB: blocks of 32 KiB; records of
// crc(4) length(2) type(1) payload, integers little-endian; a batch in one record or in several.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gv::storage {

/// One atomic write.
struct log_record {
    std::uint64_t first = 0; ///< sequence of its first operation
    std::uint32_t operations = 0;
    std::string_view batch; ///< as RocksDB's WriteBatch takes it
    [[nodiscard]] std::uint64_t last() const noexcept { return first + operations - 1; }
};

struct log_state {
    bool is_readable = true; ///< false: an error of the disk, not of what is on it
    std::uint64_t records = 0;
    std::uint64_t bytes_skipped = 0; ///< not part of a whole record, zeros allocated ahead aside
};

/// Gives every whole record in its order. Lifetime: a record is valid during the call.
log_state read_log(const std::string& path, const std::function<void(const log_record&)>& take);

} // namespace gv::storage
