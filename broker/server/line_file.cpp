// SPDX-License-Identifier: Apache-2.0
#include "broker/server/line_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gv::server {

namespace {

[[nodiscard]] std::string part_of(const std::string& path) { return path + ".part"; }

} // namespace

result<line_file, problem> line_file::open(const std::string& path) {
    if (path == "-") {
        return line_file(stdout, {});
    }
    const int file =
        ::open(part_of(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    std::FILE* const made = file < 0 ? nullptr : ::fdopen(file, "w");
    if (made == nullptr) {
        return failure(
            problem{.place = part_of(path),
                    .what = std::string("the file cannot be made: ") + std::strerror(errno),
                    .remedy = "name a file in a folder that you may write to"});
    }
    return line_file(made, path);
}

problem line_file::unwritable() const {
    return {.place = path_.empty() ? "standard output" : path_,
            .what = std::string("it could not be written to its end: ") + std::strerror(errno),
            .remedy = "make room where it goes"};
}

result<void, problem> line_file::finish() {
    std::FILE* const to = to_.get();
    const bool is_written = std::fflush(to) == 0 && std::ferror(to) == 0;
    if (path_.empty()) {
        return is_written ? result<void, problem>{} : failure(unwritable());
    }
    const std::string part = part_of(path_);
    if (!is_written || ::fsync(::fileno(to)) != 0
        || std::rename(part.c_str(), path_.c_str()) != 0) {
        const problem wrong = unwritable();
        ::unlink(part.c_str());
        return failure(wrong);
    }
    return {};
}

} // namespace gv::server
