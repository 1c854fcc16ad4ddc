// SPDX-License-Identifier: Apache-2.0
#include "broker/server/machine.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

namespace gv::server {

namespace {

namespace fs = std::filesystem;

/// The number that a file begins with. Nothing if it has none ("max").
[[nodiscard]] std::optional<std::uint64_t> number_in(const fs::path& file) {
    std::ifstream in(file);
    std::uint64_t number = 0;
    return in >> number ? std::optional(number) : std::nullopt;
}

class memory_reader {
  public:
    explicit memory_reader(fs::path root) : root_(std::move(root)) {}

    [[nodiscard]] std::uint64_t run() {
        read_machine();
        std::ifstream groups(root_ / "proc/self/cgroup");
        for (std::string line; std::getline(groups, line);) {
            on_group(line);
        }
        return limit_;
    }

  private:
    void read_machine() {
        std::ifstream file(root_ / "proc/meminfo");
        for (std::string word; file >> word;) {
            std::uint64_t kibibytes = 0;
            if (word == "MemTotal:" && file >> kibibytes) {
                limit_ = kibibytes << 10;
                return;
            }
        }
    }

    // "0::/path" of version 2, "4:memory:/path" of version 1.
    void on_group(std::string_view line) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) {
            return;
        }
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        const fs::path path(line.substr(std::min(second + 2, line.size())));
        if (controllers.empty()) {
            apply_all(root_ / "sys/fs/cgroup", path, "memory.max");
        } else if (("," + std::string(controllers) + ",").find(",memory,") != std::string::npos) {
            apply_all(root_ / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        }
    }

    // Those above limit it too. In a container the path may be that of the host, of which only the
    // top is to be seen.
    void apply_all(const fs::path& top, const fs::path& path, const char* name) {
        fs::path folder = top;
        apply(folder / name);
        for (const fs::path& part : path) {
            folder /= part;
            apply(folder / name);
        }
    }

    void apply(const fs::path& file) {
        if (const auto limit = number_in(file); limit && *limit > 0) {
            limit_ = limit_ == 0 ? *limit : std::min(limit_, *limit);
        }
    }

    fs::path root_;
    std::uint64_t limit_ = 0;
};

// Cards come before USB disks come before all else: what is slow decides.
[[nodiscard]] device_kind slower(device_kind one, device_kind other) {
    for (const device_kind each : {device_kind::card, device_kind::usb_disk, device_kind::other}) {
        if (one == each || other == each) {
            return each;
        }
    }
    return device_kind::unknown;
}

/// `device`: its folder in /sys, or that of a partition of it.
[[nodiscard]] device_kind kind_of_block(const fs::path& device, int depth) {
    constexpr int depth_max = 8;
    std::error_code failed;
    const fs::path real = fs::canonical(device, failed);
    if (failed || depth > depth_max) {
        return device_kind::unknown;
    }
    // Of encryption, volumes and arrays.
    device_kind found = device_kind::unknown;
    for (const auto& part : fs::directory_iterator(real / "slaves", failed)) {
        found = slower(found, kind_of_block(part.path(), depth + 1));
    }
    if (found != device_kind::unknown) {
        return found;
    }
    const fs::path whole = fs::exists(real / "partition", failed) ? real.parent_path() : real;
    if (whole.filename().string().starts_with("mmcblk")) {
        return device_kind::card;
    }
    const bool is_usb = std::ranges::any_of(
        whole, [](const fs::path& part) { return part.string().starts_with("usb"); });
    // A stick says that it rotates, and so does the disk of many a virtual machine.
    return is_usb && number_in(whole / "queue/rotational") != 0U ? device_kind::usb_disk
                                                                 : device_kind::other;
}

} // namespace

std::uint64_t memory_limit(const fs::path& root) { return memory_reader(root).run(); }

device_kind kind_of_device(const std::string& number, const fs::path& root) {
    return kind_of_block(root / "sys/dev/block" / number, 0);
}

device_kind kind_of_folder(const fs::path& folder) {
    fs::path part = fs::absolute(folder).lexically_normal();
    struct stat found{};
    while (::stat(part.c_str(), &found) != 0) {
        if (!part.has_relative_path()) {
            return device_kind::unknown;
        }
        part = part.parent_path();
    }
    return kind_of_device(std::to_string(major(found.st_dev)) + ":"
                          + std::to_string(minor(found.st_dev)));
}

} // namespace gv::server
