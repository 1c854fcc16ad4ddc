// SPDX-License-Identifier: Apache-2.0
#include "cluster/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace gv::cluster {

namespace {

[[nodiscard]] int made_of(std::string_view text) {
    const int made = ::memfd_create("grapevine", MFD_CLOEXEC);
    while (made >= 0 && !text.empty()) {
        const ssize_t count = ::write(made, text.data(), text.size());
        if (count < 0 && errno != EINTR) {
            break;
        }
        text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    if (made < 0 || !text.empty()) {
        const int error = errno;
        ::close(made);
        throw std::system_error(error, std::system_category(), "a file in memory");
    }
    return made;
}

} // namespace

memory_file::memory_file(std::string_view text) : descriptor_(made_of(text)) {}

memory_file::~memory_file() { ::close(descriptor_); }

void memory_file::replace(std::string_view text) {
    const int made = made_of(text);
    const int moved = ::dup3(made, descriptor_, O_CLOEXEC);
    const int error = errno;
    ::close(made);
    if (moved < 0) {
        throw std::system_error(error, std::system_category(), "a file in memory");
    }
}

std::string memory_file::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

} // namespace gv::cluster
