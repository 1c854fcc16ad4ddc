// SPDX-License-Identifier: Apache-2.0
#include "storage/database_files.hpp"

#include "base/hash.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

namespace gv::storage {

namespace {

class logless_file_system final : public rocksdb::FileSystemWrapper {
  public:
    using FileSystemWrapper::FileSystemWrapper;
    const char* Name() const override { return "logless_file_system"; }
    rocksdb::IOStatus GetChildren(const std::string& folder, const rocksdb::IOOptions& options,
                                  std::vector<std::string>* found,
                                  rocksdb::IODebugContext* dbg) override {
        auto status = target_->GetChildren(folder, options, found, dbg);
        std::erase_if(*found, [](const std::string& name) { return name.ends_with(".log"); });
        return status;
    }
};

} // namespace

database_files list_database(const std::string& folder) {
    database_files found;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
        const std::string name = entry.path().filename();
        std::error_code ignored;
        if (name == "CURRENT") {
            found.has_current = true;
        } else if (name.starts_with("MANIFEST-")) {
            found.manifests.push_back(name);
        } else if (name.ends_with(".sst")) {
            found.tables.push_back(name);
        } else if (name.ends_with(".log")) {
            if (entry.file_size(ignored) > 0) {
                found.logs.push_back(name);
            }
        } else if (name != "LOCK" && entry.is_regular_file(ignored)) {
            found.others.push_back(name);
        }
    }
    for (auto* each : {&found.manifests, &found.tables, &found.logs}) {
        // Numbers have six digits, and then more.
        std::ranges::sort(*each, [](const std::string& a, const std::string& b) {
            return a.size() != b.size() ? a.size() < b.size() : a < b;
        });
    }
    return found;
}

std::string current_manifest(const std::string& folder) {
    std::ifstream file(folder + "/CURRENT");
    std::string name;
    const bool is_whole = std::getline(file, name) && !file.eof() && name.starts_with("MANIFEST-");
    return is_whole && std::filesystem::exists(folder + "/" + name) ? name : std::string();
}

namespace {

[[nodiscard]] std::uint64_t number_in(const std::string& manifest) {
    const std::size_t begin = manifest.find('-') + 1;
    std::uint64_t number = 0;
    std::from_chars(manifest.data() + begin, manifest.data() + manifest.size(), number);
    return number;
}

/// At most so many bytes from its beginning; it grows while it is read.
[[nodiscard]] std::optional<std::string> beginning_of(int file, std::uint64_t size_max) {
    std::string bytes;
    char part[65'536];
    while (bytes.size() < size_max) {
        const std::size_t wanted = std::min<std::uint64_t>(sizeof part, size_max - bytes.size());
        const ssize_t count = ::pread(file, part, wanted, static_cast<off_t>(bytes.size()));
        if (count < 0) {
            return std::nullopt;
        }
        if (count == 0) {
            break;
        }
        bytes.append(part, static_cast<std::size_t>(count));
    }
    return bytes;
}

} // namespace

manifest_mark mark_manifest(const std::string& folder) {
    const std::string name = current_manifest(folder);
    const int file = ::open((folder + "/" + name).c_str(), O_RDWR | O_CLOEXEC);
    if (name.empty() || file < 0) {
        return {};
    }
    const auto bytes = beginning_of(file, UINT64_MAX);
    const bool is_synced = ::fdatasync(file) == 0;
    ::close(file);
    return bytes && is_synced ? manifest_mark{number_in(name), bytes->size(), hash64(*bytes)}
                              : manifest_mark{};
}

std::string manifest_fault(const std::string& folder, const manifest_mark& known) {
    const std::string name = current_manifest(folder);
    if (known.number == 0 || name.empty() || number_in(name) > known.number) {
        return {};
    }
    if (number_in(name) < known.number) {
        return "is older than the one that was in use";
    }
    const int file = ::open((folder + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return {};
    }
    const auto bytes = beginning_of(file, known.size);
    ::close(file);
    if (!bytes) {
        return {};
    }
    if (bytes->size() < known.size) {
        return "is cut short";
    }
    return hash64(*bytes) == known.hash ? "" : "is damaged";
}

std::shared_ptr<rocksdb::FileSystem> without_logs(std::shared_ptr<rocksdb::FileSystem> files) {
    return std::make_shared<logless_file_system>(std::move(files));
}

} // namespace gv::storage
