// SPDX-License-Identifier: Apache-2.0
#include "storage/counting_reads.hpp"

#include <span>
#include <utility>

namespace gv::storage {

counting_sequential_file::counting_sequential_file(
    std::unique_ptr<rocksdb::FSSequentialFile> target, std::string path,
    std::shared_ptr<freeze> state)
    : FSSequentialFileOwnerWrapper(std::move(target)), path_(std::move(path)),
      state_(std::move(state)) {}

rocksdb::IOStatus counting_sequential_file::Read(size_t n, const rocksdb::IOOptions& options,
                                                 rocksdb::Slice* result, char* scratch,
                                                 rocksdb::IODebugContext* dbg) {
    return state_->note_read(path_, target()->Read(n, options, result, scratch, dbg));
}

counting_random_access_file::counting_random_access_file(
    std::unique_ptr<rocksdb::FSRandomAccessFile> target, std::string path,
    std::shared_ptr<freeze> state)
    : FSRandomAccessFileOwnerWrapper(std::move(target)), path_(std::move(path)),
      state_(std::move(state)) {}

rocksdb::IOStatus counting_random_access_file::Read(uint64_t offset, size_t n,
                                                    const rocksdb::IOOptions& options,
                                                    rocksdb::Slice* result, char* scratch,
                                                    rocksdb::IODebugContext* dbg) const {
    return state_->note_read(path_, target()->Read(offset, n, options, result, scratch, dbg));
}

rocksdb::IOStatus counting_random_access_file::MultiRead(rocksdb::FSReadRequest* reqs,
                                                         size_t num_reqs,
                                                         const rocksdb::IOOptions& options,
                                                         rocksdb::IODebugContext* dbg) {
    auto status = target()->MultiRead(reqs, num_reqs, options, dbg);
    if (!status.ok()) {
        return state_->note_read(path_, std::move(status));
    }
    for (const auto& request : std::span(reqs, num_reqs)) {
        state_->note_read(path_, request.status).PermitUncheckedError();
    }
    return status;
}

} // namespace gv::storage
