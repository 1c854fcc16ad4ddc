// SPDX-License-Identifier: Apache-2.0
// How sessions are put together again from the tables of a store: each table is read once, in its
// order, and its rows are given to the sessions that they name.
#pragma once

#include "storage/store.hpp"

namespace gv::storage {

/// The tables of a store, for reading.
class table_source {
  public:
    using visitor = std::function<void(std::string_view key, std::string_view value)>;
    /// False: enough.
    using judge = std::function<bool(std::string_view key, std::string_view value)>;
    /// All rows in the order of their keys. False if they cannot be read to the end.
    [[nodiscard]] virtual bool scan(table which, const visitor& visit) const = 0;
    /// The rows from `begin` up to, without, `end`, until `visit` says that it is enough.
    [[nodiscard]] virtual bool scan(table which, std::string_view begin, std::string_view end,
                                    const judge& visit) const = 0;
    /// The first key that is not before `from`. False if there is none.
    [[nodiscard]] virtual bool seek(table which, std::string_view from, std::string& key) const = 0;
    [[nodiscard]] virtual bool get(table which, std::string_view key, std::string& value) const = 0;

  protected:
    ~table_source() = default;
};

/// What did not fit, after everything else was given to `to`.
struct load_report {
    bool is_readable = true;
    std::size_t rows_broken = 0; ///< not what an encoder writes, or without their body
    std::size_t rows_stray = 0;  ///< of sessions that are not there
};
[[nodiscard]] load_report load_from(const table_source& from, store_reader& to);

/// The ranges of keys in which rows of the sessions of a partition are, in order: of each the first
/// key and the one behind the last.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> ranges_of(partition_id partition,
                                                                         table where);

[[nodiscard]] read_answer read_rows(const table_source& from, const read_request& what);

} // namespace gv::storage
