// SPDX-License-Identifier: Apache-2.0
// Opens the database of a store, in whatever state its files are: looks at them first, and has
// what is damaged set aside. RocksDB makes up its mind for good about what is damaged.
#pragma once

#include "base/result.hpp"
#include "storage/database.hpp"

namespace gv::storage {

/// What was wrong, and is mended by now. All of it is in the log too.
struct damage_met {
    std::uint64_t files = 0;           ///< damaged or missing
    std::uint64_t lost_operations = 0; ///< acknowledged, and in no file
    std::uint64_t rows_lost = 0;       ///< at least
};

/// The folder is made if it is not there. Errors: a problem for a person; nothing has been changed
/// then but by a salvage that was completed.
[[nodiscard]] result<damage_met, problem>
open_whole(const rocksdb_options& wanted, const rocksdb::DBOptions& how, open_database& into);

} // namespace gv::storage
