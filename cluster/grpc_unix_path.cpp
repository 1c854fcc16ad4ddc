// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_unix_path.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace gv::cluster {

result<open_folder, std::string> open_folder::open(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return failure(std::error_code(errno, std::system_category()).message());
    }
    return open_folder(descriptor);
}

open_folder::~open_folder() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

open_folder::open_folder(open_folder&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

std::string open_folder::path_to(const std::string& name) const {
    return "/proc/self/fd/" + std::to_string(descriptor_) + "/" + name;
}

split_path split(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return {.folder = ".", .name = path};
    }
    return {.folder = slash == 0 ? "/" : path.substr(0, slash), .name = path.substr(slash + 1)};
}

bool is_listening(const std::string& path) {
    const split_path parts = split(path);
    const auto folder = open_folder::open(parts.folder);
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (!folder || folder->path_to(parts.name).size() >= sizeof where.sun_path) {
        return false;
    }
    std::strncpy(where.sun_path, folder->path_to(parts.name).c_str(), sizeof where.sun_path - 1);
    // Who has no room for another connection at present is there, and is not waited for.
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool is_there =
        socket >= 0
        && (::connect(socket, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0
            || errno == EAGAIN || errno == EINPROGRESS);
    if (socket >= 0) {
        ::close(socket);
    }
    return is_there;
}

} // namespace gv::cluster
