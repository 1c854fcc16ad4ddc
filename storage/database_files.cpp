// SPDX-License-Identifier: Apache-2.0
#include "storage/database_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

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
        std::ranges::sort(*each); // numbers have six digits, and then more
        std::ranges::stable_sort(*each, {}, &std::string::size);
    }
    return found;
}

std::string current_manifest(const std::string& folder) {
    std::ifstream file(folder + "/CURRENT");
    std::string name;
    const bool is_whole = std::getline(file, name) && !file.eof() && name.starts_with("MANIFEST-");
    return is_whole && std::filesystem::exists(folder + "/" + name) ? name : std::string();
}

std::shared_ptr<rocksdb::FileSystem> without_logs(std::shared_ptr<rocksdb::FileSystem> files) {
    return std::make_shared<logless_file_system>(std::move(files));
}

} // namespace gv::storage
