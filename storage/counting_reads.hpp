// SPDX-License-Identifier: Apache-2.0
// Files that RocksDB reads, through which failed reads are counted and passed on untouched.
#pragma once

#include "storage/freeze.hpp"

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

namespace gv::storage {

class counting_sequential_file final : public rocksdb::FSSequentialFileOwnerWrapper {
  public:
    counting_sequential_file(std::unique_ptr<rocksdb::FSSequentialFile> target, std::string path,
                             std::shared_ptr<freeze> state);

    rocksdb::IOStatus Read(size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result,
                           char* scratch, rocksdb::IODebugContext* dbg) override;

  private:
    std::string path_;
    std::shared_ptr<freeze> state_;
};

class counting_random_access_file final : public rocksdb::FSRandomAccessFileOwnerWrapper {
  public:
    counting_random_access_file(std::unique_ptr<rocksdb::FSRandomAccessFile> target,
                                std::string path, std::shared_ptr<freeze> state);

    rocksdb::IOStatus Read(uint64_t offset, size_t n, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* dbg) const override;
    rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* reqs, size_t num_reqs,
                                const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* dbg) override;

  private:
    std::string path_;
    std::shared_ptr<freeze> state_;
};

} // namespace gv::storage
