// SPDX-License-Identifier: Apache-2.0
// The options without which RocksDB 7.8.3 does not keep its promise on a freezing file system.
#pragma once

namespace rocksdb {
struct DBOptions;
} // namespace rocksdb

namespace gv::storage {

/// Sets them, and an info_log that says nothing if there is none.
void set_required_options(rocksdb::DBOptions& options);

} // namespace gv::storage
