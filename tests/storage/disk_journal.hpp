// SPDX-License-Identifier: Apache-2.0
// Everything that was done to a disk, in order, and what a loss of power at any moment would have
// left of it. Pure: no file is touched. One thread at a time.
//
// What is on the disk after a loss of power at event n, drawn by seed:
//   bytes   those covered by a sync that succeeded are there. Of the others of a file: none, or a
//           prefix, or any subset of its 4 KiB pages with zeros (or what was synced) in the rest.
//   names   creations, renames and removals covered by a sync of the directory are there. Of the
//           others: a prefix, with or without the rule of ext4 that syncing a file commits all that
//           was done to names before; or any subset, and syncing a file commits its own name.
//   a sync that failed has dropped the pages: no later sync of that file brings them back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gv::storage {

using inode_number = std::size_t;

/// Which syncs do what they say; the lying ones show that a test bites.
enum class sync_honesty : std::uint8_t { honest, log_lies, all_lie };

struct crash_options {
    /// The event before which power is lost; by default after the last.
    std::size_t at = std::numeric_limits<std::size_t>::max();
    std::uint64_t seed = 0;
    sync_honesty honesty = sync_honesty::honest;
};

/// Name to content.
using disk_image = std::map<std::string, std::string>;

class disk_journal {
  public:
    /// Events so far: an index into time.
    [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }

    inode_number create(const std::string& name);
    void link(inode_number inode, const std::string& name);
    void rename(inode_number inode, const std::string& from, const std::string& to);
    void remove(inode_number inode, const std::string& name);
    void write(inode_number inode, std::uint64_t offset, std::string_view data);
    void truncate(inode_number inode, std::uint64_t size);
    void sync(inode_number inode);
    void fail_sync(inode_number inode);
    void sync_directory();

    [[nodiscard]] disk_image image_after(const crash_options& options) const;

  private:
    friend class crash_view;
    enum class kind : std::uint8_t {
        create,
        link,
        rename,
        remove,
        write,
        truncate,
        sync,
        failed_sync,
        directory_sync
    };
    struct event {
        kind what{};
        inode_number inode{};
        std::string name; // or the bytes written
        std::string to;
        std::uint64_t at = 0; // offset written at, size cut to
    };

    std::vector<event> events_;
    inode_number next_ = 0;
};

} // namespace gv::storage
