// SPDX-License-Identifier: Apache-2.0
#include "storage/sync_log.hpp"

#include "storage/freezing_file_system.hpp"

#include <rocksdb/db.h>

namespace gv::storage {

result<void, io_failure> sync_log(rocksdb::DB& db, const freezing_file_system& files) {
    const auto status = db.SyncWAL();
    // After the sync and not before: a sync on a file system that froze meanwhile says OK.
    if (auto frozen = files.failure()) {
        return failure(*std::move(frozen));
    }
    if (!status.ok()) {
        return failure(io_failure{.operation = io_operation::sync,
                                  .fault = io_fault::sync_failed,
                                  .file = db.GetName(),
                                  .text = status.ToString()});
    }
    return {};
}

} // namespace gv::storage
