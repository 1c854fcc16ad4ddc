// SPDX-License-Identifier: Apache-2.0
// Operations on the store that take effect together: what a shard writes down in one hand-over.
// Filled by one shard, then given to the store's thread as a whole. An operation may be withdrawn
// until then, which is how a message that was delivered and acknowledged at once is never written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gv::storage {

/// The tables of the store, a column family each; what is in their rows is said in format.hpp.
enum class table : std::uint8_t {
    meta,
    sessions,
    queue_meta,
    subscriptions,
    queue,
    small, ///< releases, inbound identifiers and the like, told apart by the first byte of the key
    bodies,
    retained,
    spool, ///< messages for other nodes that are away
    routes ///< what kept sessions of other nodes want
};
inline constexpr std::size_t table_count = 10;

class batch {
  public:
    using index = std::uint32_t;
    enum class kind : std::uint8_t { put, erase, erase_range };
    struct operation {
        table where;
        kind what;
        std::string_view key;
        std::string_view value; ///< of a range the key behind its last; empty of an erase
    };

    index put(table where, std::string_view key, std::string_view value) {
        return add(where, kind::put, key, value);
    }
    index erase(table where, std::string_view key) { return add(where, kind::erase, key, {}); }
    /// All keys from `begin` up to, without, `end`. Costs every later read of the table a little:
    /// for many rows at a time only.
    index erase_range(table where, std::string_view begin, std::string_view end) {
        return add(where, kind::erase_range, begin, end);
    }
    /// The operation has no effect any more. Requires: not withdrawn before.
    void withdraw(index which) {
        rows_[which].is_withdrawn = true;
        --live_;
    }

    /// Whether it would change nothing.
    [[nodiscard]] bool empty() const noexcept { return live_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return live_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }
    void clear() noexcept {
        bytes_.clear();
        rows_.clear();
        live_ = 0;
    }

    /// Calls `visit(operation)` for each that was not withdrawn, in order.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        const std::string_view all = bytes_;
        for (const row& each : rows_) {
            if (!each.is_withdrawn) {
                visit(operation{.where = each.where,
                                .what = each.what,
                                .key = all.substr(each.begin, each.key_size),
                                .value = all.substr(each.begin + each.key_size, each.value_size)});
            }
        }
    }

  private:
    struct row {
        std::uint64_t begin;
        std::uint32_t value_size;
        std::uint32_t key_size;
        table where;
        kind what;
        bool is_withdrawn = false;
    };

    index add(table where, kind what, std::string_view key, std::string_view value) {
        rows_.push_back({.begin = bytes_.size(),
                         .value_size = static_cast<std::uint32_t>(value.size()),
                         .key_size = static_cast<std::uint32_t>(key.size()),
                         .where = where,
                         .what = what});
        bytes_.append(key).append(value);
        ++live_;
        return static_cast<index>(rows_.size() - 1);
    }

    std::string bytes_; ///< keys and values, one after the other
    std::vector<row> rows_;
    std::size_t live_ = 0;
};

} // namespace gv::storage
