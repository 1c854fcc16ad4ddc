// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace gv::auth {

namespace {

constexpr std::size_t file_bytes_max = 256 << 20;

class file_descriptor {
  public:
    explicit file_descriptor(int number) noexcept : number_(number) {}
    ~file_descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    file_descriptor(const file_descriptor&) = delete;
    file_descriptor& operator=(const file_descriptor&) = delete;
    [[nodiscard]] int number() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }

  private:
    int number_;
};

/// Takes the file away again unless it was renamed.
class temporary_file {
  public:
    explicit temporary_file(const std::string& beside)
        : path_(beside + ".XXXXXX"), file_(::mkostemp(path_.data(), O_CLOEXEC)) {}
    ~temporary_file() {
        if (file_.is_open() && !is_renamed_) {
            ::unlink(path_.c_str());
        }
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;

    [[nodiscard]] int number() const noexcept { return file_.number(); }
    [[nodiscard]] bool is_open() const noexcept { return file_.is_open(); }
    [[nodiscard]] bool rename_to(const std::string& target) noexcept {
        is_renamed_ = ::rename(path_.c_str(), target.c_str()) == 0;
        return is_renamed_;
    }

  private:
    std::string path_;
    file_descriptor file_;
    bool is_renamed_ = false;
};

/// Reads errno, so it comes first after the call that failed.
std::unexpected<problem> failed(const std::string& path, std::string_view what,
                                std::string_view remedy) {
    const std::string reason = std::generic_category().message(errno);
    return failure(problem{
        .place = path, .what = std::string(what) + ": " + reason, .remedy = std::string(remedy)});
}

bool write_all(int file, std::string_view content) noexcept {
    while (!content.empty()) {
        const ssize_t written = ::write(file, content.data(), content.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        content.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
    return true;
}

/// Where a rename has to go to: the target of a symbolic link, not the link.
std::string resolved(const std::string& path) {
    std::error_code error;
    const auto target = std::filesystem::canonical(path, error);
    return error ? path : target.string();
}

result<void, problem> keep_mode_and_owner(const std::string& path, const temporary_file& target) {
    struct stat old{};
    if (::stat(path.c_str(), &old) != 0) {
        return {}; // a new file; mkostemp made it 0600
    }
    const bool is_same_owner = old.st_uid == ::geteuid() && old.st_gid == ::getegid();
    if (!is_same_owner && ::fchown(target.number(), old.st_uid, old.st_gid) != 0) {
        return failed(path, "its owner cannot be kept", "run this as the owner of the file");
    }
    // After the change of owner, which takes special bits away.
    if (::fchmod(target.number(), old.st_mode & 07777) != 0) {
        return failed(path, "its mode cannot be kept", "run this as the owner of the file");
    }
    return {};
}

bool sync_folder_of(const std::string& path) noexcept {
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const file_descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return opened.is_open() && ::fsync(opened.number()) == 0;
}

} // namespace

bool line_reader::advance() noexcept {
    if (rest_.empty()) {
        return false;
    }
    const std::size_t end = rest_.find('\n');
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line_.ends_with('\r')) {
        line_.remove_suffix(1);
    }
    ++number_;
    return true;
}

std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string place_of(std::string_view file, std::uint32_t line) {
    return std::string(file) + ":" + std::to_string(line);
}

result<std::string, problem> read_text_file(const std::string& path) {
    const file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) {
        return failed(path, "cannot be opened",
                      "give the path of a file that the broker's user may read");
    }
    struct stat about{};
    if (::fstat(file.number(), &about) != 0 || !S_ISREG(about.st_mode)
        || static_cast<std::size_t>(about.st_size) > file_bytes_max) {
        return failure(problem{.place = path,
                               .what = "is not a text file of at most 256 MiB",
                               .remedy = "give the path of the right file"});
    }
    std::string content(static_cast<std::size_t>(about.st_size), '\0');
    std::size_t filled = 0;
    while (filled < content.size()) {
        const ssize_t count =
            ::read(file.number(), content.data() + filled, content.size() - filled);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return failed(path, "cannot be read", "check the disk");
        }
        if (count == 0) {
            break;
        }
        filled += static_cast<std::size_t>(count);
    }
    content.resize(filled);
    return content;
}

result<void, problem> replace_text_file(const std::string& path, std::string_view content) {
    const std::string target = resolved(path);
    temporary_file beside(target);
    if (!beside.is_open()) {
        return failed(path, "no file can be made beside it",
                      "make sure that its folder exists and that you may write there");
    }
    if (auto kept = keep_mode_and_owner(target, beside); !kept) {
        return kept;
    }
    if (!write_all(beside.number(), content) || ::fsync(beside.number()) != 0) {
        return failed(path, "cannot be written", "make room on the disk");
    }
    if (!beside.rename_to(target) || !sync_folder_of(target)) {
        return failed(path, "cannot be replaced", "check the rights of its folder");
    }
    return {};
}

} // namespace gv::auth
