// SPDX-License-Identifier: Apache-2.0
// What went wrong between RocksDB and the disk, in words that need no RocksDB header.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gv::storage {

enum class io_operation : std::uint8_t {
    create,
    append,
    flush,
    sync,
    truncate,
    allocate,
    close,
    rename,
    remove,
    open_directory,
    sync_directory,
    read,
};

/// What to do about it differs by these three.
enum class io_fault : std::uint8_t {
    no_space,    ///< The disk is full, whatever the operation: may pass when there is room again.
    sync_failed, ///< A sync failed: the kernel may have dropped the pages and call the next sync
                 ///< fine. Never retried.
    other,       ///< Any other error.
};

struct io_failure {
    io_operation operation{};
    io_fault fault{};
    std::string file; ///< As RocksDB named it.
    std::string text; ///< The error as the file system below tells it, errno text included.
};

[[nodiscard]] std::string_view to_text(io_operation operation) noexcept;
[[nodiscard]] std::string_view to_text(io_fault fault) noexcept;

} // namespace gv::storage
