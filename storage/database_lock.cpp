// SPDX-License-Identifier: Apache-2.0
#include "storage/database_lock.hpp"

#include "storage/database.hpp"

namespace gv::storage {

namespace {
constexpr const char* in_use = "another process uses this store";
} // namespace

bool is_lock_held(const problem& why) { return why.what == in_use; }

problem unusable_store(const std::string& folder, const rocksdb::Status& status) {
    const std::string text = status.ToString();
    if (status.IsIOError()
        && (text.find("lock hold by") != std::string::npos
            || text.find("While lock file") != std::string::npos)) {
        return {.place = folder,
                .what = in_use,
                .remedy = "stop the other broker, or give this one a folder of its own "
                          "(storage.folder)"};
    }
    return {.place = folder,
            .what = "the store cannot be read: " + text,
            .remedy = "restore the folder from a copy, or move it away to start empty"};
}

problem newer_store(const std::string& folder, std::uint32_t found) {
    return {.place = folder,
            .what = "the store was written by a newer version (schema " + std::to_string(found)
                    + ", this one knows " + std::to_string(schema) + ")",
            .remedy = "run that version, or export the store with it"};
}

result<void, problem> database_lock::take(const std::string& folder) {
    const auto status = files_->LockFile(database_folder(folder) + "/LOCK", {}, &lock_, nullptr);
    if (!status.ok()) {
        lock_ = nullptr;
        return failure(unusable_store(folder, status));
    }
    return {};
}

void database_lock::release() {
    if (lock_ != nullptr) {
        files_->UnlockFile(lock_, {}, nullptr).PermitUncheckedError();
        lock_ = nullptr;
    }
}

} // namespace gv::storage
