// SPDX-License-Identifier: Apache-2.0
// Makes a store of what can be read of a damaged one. The damaged database is kept beside it, as it
// was found, in `quarantine-<time>`.
//
//   db  --links-->  salvage.tmp  --mended, or copied row by row-->  salvage.ready
//   db  --rename-->  quarantine-<time>      salvage.ready  --rename-->  db
//
// A crash on the way leaves `db` as it was, or salvage.ready, which the next start takes.
#pragma once

#include "storage/inspection.hpp"
#include "storage/rocksdb_store.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gv::storage {

struct salvage_report {
    std::string kept_in;                ///< the folder of what was damaged
    std::uint64_t rows_saved = 0;       ///< that had to be copied out of damaged files
    std::uint64_t rows_lost = 0;        ///< at least
    std::uint64_t operations_saved = 0; ///< out of logs
    std::uint64_t lost_operations = 0;  ///< acknowledged, in no file
};

/// Errors: a problem for a person (no room, written by a newer version, in use); the database is
/// then as it was.
[[nodiscard]] result<salvage_report, problem> salvage(const rocksdb_options& wanted,
                                                      const inspection& found);

/// A damaged database that is kept.
struct quarantine {
    std::string name;        ///< in the folder of the store
    std::string when;        ///< "2026-01-31T23:59:59Z"; empty: the name does not say
    std::uint64_t bytes = 0; ///< on disk
};
/// Those of a store, oldest first.
[[nodiscard]] std::vector<quarantine> list_quarantines(const std::string& folder);

/// Ends what a crash interrupted. Before anything else is done in the folder.
void finish_salvage(const std::string& folder);

} // namespace gv::storage
