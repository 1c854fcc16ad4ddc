// SPDX-License-Identifier: Apache-2.0
#include "storage/required_options.hpp"

#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <cstdarg>
#include <memory>

namespace gv::storage {

namespace {

class quiet_logger final : public rocksdb::Logger {
  public:
    quiet_logger() : Logger(rocksdb::InfoLogLevel::NUM_INFO_LOG_LEVELS) {}
    using Logger::Logv;
    void Logv(const char*, std::va_list) override {}
};

} // namespace

void set_required_options(rocksdb::DBOptions& options) {
    // In 7.8.3 it reports a missing log that SyncWAL had just closed.
    options.track_and_verify_wals_in_manifest = false;
    // An error that got through is not for RocksDB to mend: the database is opened anew.
    options.max_bgerror_resume_count = 0;
    // Mapped writes go past the file system; SyncWAL refuses them.
    options.allow_mmap_writes = false;
    // A log that begins with another log's end cannot tell its own end.
    options.recycle_log_file_num = 0;
    // Each Write() reaches the file before it returns, so that a sync covers it.
    options.manual_wal_flush = false;
    // Unsynced pages reach a disk in any order, so damage behind the last sync is no corruption.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    if (!options.info_log) {
        options.info_log = std::make_shared<quiet_logger>();
    }
}

} // namespace gv::storage
