// SPDX-License-Identifier: Apache-2.0
#include "storage/freeze.hpp"

#include <utility>

namespace gv::storage {

namespace {

/// RocksDB removes and renames files that may not be there, and asks for what a file system may
/// lack; it expects these answers. Everything else on a writing path is the disk's failure.
bool is_expected(io_operation operation, const rocksdb::IOStatus& status) {
    if (status.ok() || status.IsNotSupported()) {
        return true;
    }
    const bool names_a_file = operation == io_operation::remove || operation == io_operation::rename
                              || operation == io_operation::open_directory
                              || operation == io_operation::read;
    return names_a_file && (status.IsNotFound() || status.IsPathNotFound());
}

io_fault fault_of(io_operation operation, const rocksdb::IOStatus& status) {
    if (status.IsNoSpace()) {
        return io_fault::no_space;
    }
    return operation == io_operation::sync || operation == io_operation::sync_directory
               ? io_fault::sync_failed
               : io_fault::other;
}

io_failure failure_of(io_operation operation, const std::string& file,
                      const rocksdb::IOStatus& status) {
    return {.operation = operation,
            .fault = fault_of(operation, status),
            .file = file,
            .text = status.ToString()};
}

} // namespace

std::optional<io_failure> freeze::failure() const {
    const std::lock_guard guard(mutex_);
    return failure_;
}

rocksdb::IOStatus freeze::settle(io_operation operation, const std::string& file,
                                 rocksdb::IOStatus status) {
    if (is_expected(operation, status)) {
        return status;
    }
    freeze_by(failure_of(operation, file, status));
    return rocksdb::IOStatus::OK();
}

void freeze::freeze_by(io_failure failure) {
    {
        const std::lock_guard guard(mutex_);
        if (failure_) {
            return;
        }
        failure_ = failure;
        // After failure_, so that whoever sees the flag finds the reason.
        frozen_.store(true, std::memory_order_release);
    }
    if (observer_.on_frozen) {
        observer_.on_frozen(failure);
    }
}

rocksdb::IOStatus freeze::note_read(const std::string& file, rocksdb::IOStatus status) {
    if (!is_expected(io_operation::read, status)) {
        read_errors_.fetch_add(1, std::memory_order_relaxed);
        if (observer_.on_read_error) {
            observer_.on_read_error(failure_of(io_operation::read, file, status));
        }
    }
    return status;
}

void freeze::tell_ballast_released(const std::string& file, const rocksdb::IOStatus& cause) {
    if (observer_.on_ballast_released) {
        observer_.on_ballast_released(failure_of(io_operation::append, file, cause));
    }
}

} // namespace gv::storage
