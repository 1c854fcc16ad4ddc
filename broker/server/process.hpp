// SPDX-License-Identifier: Apache-2.0
// The process and its place on the machine: descriptors, user, files, supervisor, log.
#pragma once

#include "base/result.hpp"
#include "broker/server/options.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// Keeps freed memory of large payloads for the next ones: glibc would give it to the kernel and
/// take it back, zeroed page by page, for each message (a third of the cost of 64 KiB payloads).
void keep_freed_memory() noexcept;

/// Lets SIGTERM and SIGINT end the process until the server hears them, also where it is the first
/// of a container: for that one the kernel drops what nobody handles, and a start may take long.
void end_by_signals() noexcept;

/// Raises the soft limit of descriptors to the hard one.
void raise_descriptor_limit() noexcept;

/// How the descriptors of the process are divided.
struct descriptor_shares {
    std::uint32_t store_files; ///< kept open by the store
    std::uint32_t connections; ///< of clients; what the admin port and all else need is left out
};
/// Connections never take what the store needs: one that cannot open a file can store nothing.
/// `store_files_max`: storage.open_files_max.
[[nodiscard]] descriptor_shares share_descriptors(std::uint64_t limit,
                                                  std::uint32_t store_files_max) noexcept;
/// The soft limit of the process.
[[nodiscard]] std::uint64_t descriptor_limit() noexcept;

/// `configured`, or what the descriptor limit leaves for connections.
[[nodiscard]] std::uint32_t connections_limit(std::uint32_t configured,
                                              std::uint32_t store_files_max) noexcept;

/// Whether connections_limit() is less than what was asked for, since descriptors end before.
[[nodiscard]] bool is_limited_by_descriptors(std::uint32_t configured,
                                             std::uint32_t store_files_max) noexcept;

/// Becomes `user` with its groups. Nothing happens if it is empty or we are not root.
[[nodiscard]] std::vector<problem> become_user(const std::string& user);

/// False: errno says why; a part of it may be written.
[[nodiscard]] bool write_all(int descriptor, std::string_view text) noexcept;
/// So that the name of a new file is there after a power cut, too.
void sync_folder_of(const std::string& path);

/// Replaces the file at once, so that a reader, and whoever reads it after a power cut, sees all of
/// it or the old one. Nothing happens if
/// `path` is empty. `option` names the place of a problem.
[[nodiscard]] std::vector<problem> write_whole(const std::string& path, std::string_view text,
                                               std::string_view option);
void remove_file(const std::string& path) noexcept;
[[nodiscard]] std::string process_id_text();

/// Tells systemd ("READY=1"); nothing happens if it did not start us (sd_notify(3)).
void notify_supervisor(std::string_view state) noexcept;

/// Puts log.* in force. Errors: the destination cannot be opened; then the log stays as it was.
[[nodiscard]] std::vector<problem> configure_log(const options& all);

/// Goes into the background: the caller of the program returns when the broker listens or failed.
/// Before any thread exists. Returns in the child alone.
class background {
  public:
    /// Forks if `wanted`.
    explicit background(bool wanted);
    /// Lets the parent return, and detaches from its terminal.
    void listening();

  private:
    int to_parent_ = -1;
};

} // namespace gv::server
