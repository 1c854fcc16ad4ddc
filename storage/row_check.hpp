// SPDX-License-Identifier: Apache-2.0
// Looks at every row of a store and changes nothing: what is broken, and what is where.
#pragma once

#include "storage/loading.hpp"

#include <array>
#include <optional>

namespace gv::storage {

/// "queue_meta". Lifetime: static.
[[nodiscard]] std::string_view name_of(table which) noexcept;

struct table_report {
    static constexpr std::size_t examples_max = 5;

    bool is_readable = true; ///< else the file system or a checksum stopped the reading
    std::size_t rows = 0;
    std::uint64_t bytes = 0;           ///< of keys and values
    std::size_t broken = 0;            ///< not what an encoder writes, or not where it belongs
    std::size_t stray = 0;             ///< of sessions that are not there
    std::size_t without_body = 0;      ///< their message is in a row that is not there
    std::vector<std::string> examples; ///< of these, for a person
};

struct row_check {
    std::array<table_report, table_count> tables;
    std::optional<node_record> node; ///< nothing: not there, or broken
    std::size_t buckets = 0;
    std::size_t buckets_unused = 0; ///< no row refers to a body in them

    [[nodiscard]] const table_report& of(table which) const {
        return tables[static_cast<std::size_t>(which)];
    }
    /// Stray rows and unused buckets are what a crash leaves, and nothing is lost with them.
    [[nodiscard]] bool is_sound() const noexcept;
};

/// Decodes each row of each table.
[[nodiscard]] row_check check_rows(const table_source& from);

struct session_stats {
    std::string client_id;
    std::size_t subscriptions = 0;
    std::size_t queued = 0;
    std::uint64_t queued_bytes = 0; ///< of topics, properties and payloads
    std::size_t releases = 0;
    std::size_t inbound = 0;
    bool was_attached = false;
};

struct store_stats {
    std::optional<node_record> node;
    session_stats sum; ///< of all sessions
    std::size_t sessions = 0;
    std::size_t attached = 0; ///< their clients were connected at last
    std::size_t retained = 0;
    std::uint64_t retained_bytes = 0; ///< of their rows
    std::size_t buckets = 0;
    std::uint64_t spooled = 0;          ///< messages for other nodes
    std::uint64_t spooled_bytes = 0;    ///< of these
    std::uint64_t routes = 0;           ///< of kept sessions of other nodes
    std::vector<session_stats> longest; ///< queues in bytes, the longest first
};

/// Reads what a start reads, and the sizes of retained messages.
[[nodiscard]] store_stats stats_of(const table_source& from, std::size_t longest_max);

} // namespace gv::storage
