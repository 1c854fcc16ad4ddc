// SPDX-License-Identifier: Apache-2.0
#include "broker/server/process.hpp"

#include "base/log.hpp"
#include "broker/server/log_settings.hpp"

#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace gv::server {

namespace {

// Descriptors.
constexpr std::uint64_t written_by_store = 32; ///< logs, files being made, the folder
constexpr std::uint64_t by_admin = 64;         ///< connections of its port
constexpr std::uint64_t by_all_else = 64;      ///< listeners, event loops, log, files read at times

[[nodiscard]] std::string error_text() { return std::strerror(errno); }

} // namespace

void keep_freed_memory() noexcept {
    ::mallopt(M_TRIM_THRESHOLD, 32 << 20);
    ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
    ::mallopt(M_TOP_PAD, 1 << 20);
}

void end_by_signals() noexcept {
    // To any other process the kernel does it, and its parent sees by which signal it ended.
    if (::getpid() != 1) {
        return;
    }
    for (const int each : {SIGTERM, SIGINT}) {
        std::signal(each, [](int number) { ::_exit(128 + number); });
    }
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

descriptor_shares share_descriptors(std::uint64_t limit, std::uint32_t store_files_max) noexcept {
    constexpr std::uint32_t store_files_min = 48;
    const std::uint64_t files = std::clamp<std::uint64_t>(
        limit / 16, store_files_min, std::max(store_files_min, store_files_max));
    const std::uint64_t reserved = files + written_by_store + by_admin + by_all_else;
    const std::uint64_t left = std::max(limit / 4, limit - std::min(limit, reserved));
    return {.store_files = static_cast<std::uint32_t>(files),
            .connections = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, 0xffff'ffff))};
}

std::uint64_t descriptor_limit() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

std::uint32_t connections_limit(std::uint32_t configured, std::uint32_t store_files_max) noexcept {
    const std::uint32_t possible =
        share_descriptors(descriptor_limit(), store_files_max).connections;
    return configured == 0 ? possible : std::min(configured, possible);
}

bool is_limited_by_descriptors(std::uint32_t configured, std::uint32_t store_files_max) noexcept {
    return connections_limit(configured, store_files_max) != configured;
}

std::vector<problem> become_user(const std::string& user) {
    if (user.empty() || ::geteuid() != 0) {
        return {};
    }
    const passwd* found = ::getpwnam(user.c_str());
    if (found == nullptr) {
        return {{.place = "node.user",
                 .what = "there is no user " + user,
                 .remedy = "create it (adduser --system " + user + ") or leave the option empty"}};
    }
    if (::initgroups(user.c_str(), found->pw_gid) != 0 || ::setgid(found->pw_gid) != 0
        || ::setuid(found->pw_uid) != 0) {
        return {{.place = "node.user",
                 .what = "cannot become " + user + ": " + error_text(),
                 .remedy = "start the broker as root or as that user"}};
    }
    return {};
}

bool write_all(int descriptor, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return true;
}

void sync_folder_of(const std::string& path) {
    const std::string folder = std::filesystem::absolute(path).parent_path().string();
    if (const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        opened >= 0) {
        ::fsync(opened);
        ::close(opened);
    }
}

std::vector<problem> write_whole(const std::string& path, std::string_view text,
                                 std::string_view option) {
    if (path.empty()) {
        return {};
    }
    const std::string draft = path + ".new";
    const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    // Synced before it takes the place of the old one: after a power cut there is one or the other.
    const bool is_written = fd >= 0 && write_all(fd, text) && ::fsync(fd) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    if (is_written && std::rename(draft.c_str(), path.c_str()) == 0) {
        sync_folder_of(path);
        return {};
    }
    return {{.place = std::string(option),
             .what = "cannot write " + path + ": " + error_text(),
             .remedy = "name a file in a folder that the broker may write to"}};
}

void remove_file(const std::string& path) noexcept {
    if (!path.empty()) {
        ::unlink(path.c_str());
    }
}

std::string process_id_text() { return std::to_string(::getpid()) + "\n"; }

void notify_supervisor(std::string_view state) noexcept {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) {
        return;
    }
    std::strcpy(address.sun_path, path);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    if (address.sun_path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
        ::close(fd);
    }
}

std::vector<problem> configure_log(const options& all) {
    const std::string refused = log::configure(log_settings(all));
    if (refused.empty()) {
        return {};
    }
    return {{.place = "log.destination",
             .what = refused,
             .remedy = "give stderr, syslog, or the path of a file that the broker may write to"}};
}

background::background(bool wanted) {
    if (!wanted) {
        return;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    const pid_t child = ::fork();
    if (child != 0) {
        ::close(ends[1]);
        char is_listening = 0;
        const bool is_good = child > 0 && ::read(ends[0], &is_listening, 1) == 1;
        ::_exit(is_good ? 0 : 1);
    }
    ::close(ends[0]);
    to_parent_ = ends[1];
    ::setsid();
}

void background::listening() {
    if (to_parent_ < 0) {
        return;
    }
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nowhere, STDIN_FILENO);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    static_cast<void>(write_all(to_parent_, "1"));
    ::close(to_parent_);
    to_parent_ = -1;
}

} // namespace gv::server
