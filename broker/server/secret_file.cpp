// SPDX-License-Identifier: Apache-2.0
#include "broker/server/secret_file.hpp"

#include "broker/server/process.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace gv::server {

namespace {

[[nodiscard]] problem cannot(const std::string& path, const char* what, int error) {
    return {.place = path,
            .what = std::string(what) + ": " + std::strerror(error),
            .remedy = "run this as the user of the broker, with a folder that it may write to"};
}

} // namespace

bool give_to_user(const std::string& path, const std::string& user) {
    const passwd* const found =
        user.empty() || ::geteuid() != 0 ? nullptr : ::getpwnam(user.c_str());
    return found == nullptr || ::lchown(path.c_str(), found->pw_uid, found->pw_gid) == 0;
}

result<std::string, std::string> read_whole(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) {
        return failure(std::string(std::strerror(errno == 0 ? EIO : errno)));
    }
    return std::move(text).str();
}

std::optional<problem> write_secret(const std::string& path, std::string_view text,
                                    const std::string& user) {
    const std::string draft = path + ".new";
    ::unlink(draft.c_str()); // of a process that was killed
    const int made = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const bool is_written = made >= 0 && write_all(made, text) && ::fsync(made) == 0;
    const int error = errno;
    if (made >= 0) {
        ::close(made);
    }
    if (!is_written) {
        return cannot(path, "cannot be written", error);
    }
    if (!give_to_user(draft, user) || std::rename(draft.c_str(), path.c_str()) != 0) {
        return cannot(path, "cannot be written", errno);
    }
    sync_folder_of(path);
    return std::nullopt;
}

std::optional<problem> make_secret_folder(const std::string& path, const std::string& user) {
    if (std::error_code is_there; std::filesystem::is_directory(path, is_there)) {
        return std::nullopt;
    }
    const std::string above = std::filesystem::absolute(path).parent_path().string();
    if (std::error_code is_there; !std::filesystem::is_directory(above, is_there)) {
        if (auto wrong = make_secret_folder(above, user)) {
            return wrong;
        }
    }
    if (::mkdir(path.c_str(), 0700) != 0 || !give_to_user(path, user)) {
        return cannot(path, "the folder cannot be made", errno);
    }
    return std::nullopt;
}

} // namespace gv::server
