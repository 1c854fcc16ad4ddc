// SPDX-License-Identifier: Apache-2.0
// The table in which a node keeps what kept sessions of others want, as its journal writes it: in
// order, and from the last sync on perhaps not at all.
#pragma once

#include "cluster/route.hpp"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>

namespace gv::cluster::testing {

class route_disk {
  public:
    using row_key = std::tuple<node_id, std::string, std::string>; ///< author, filter, group
    using rows = std::map<row_key, route_value>;

    void put(node_id author, const route_key& key, const route_value& value) {
        unsynced_.push_back({key_of(author, key), value});
    }
    void erase(node_id author, const route_key& key) {
        unsynced_.push_back({key_of(author, key), std::nullopt});
    }

    /// Counts the operations of all time.
    [[nodiscard]] std::size_t position() const noexcept { return synced_ + unsynced_.size(); }
    [[nodiscard]] std::size_t unsynced() const noexcept { return unsynced_.size(); }
    void sync() { cut(unsynced_.size()); }
    /// The power fails: of what was not synced the first `kept` are there.
    void cut(std::size_t kept) {
        for (std::size_t done = 0; done < kept; ++done) {
            const operation& each = unsynced_[done];
            if (each.value) {
                there_[each.key] = *each.value;
            } else {
                there_.erase(each.key);
            }
        }
        synced_ += kept;
        unsynced_.clear();
    }
    [[nodiscard]] const rows& there() const noexcept { return there_; }

  private:
    struct operation {
        row_key key;
        std::optional<route_value> value; ///< none: erased
    };
    static row_key key_of(node_id author, const route_key& key) {
        return {author, std::string(key.filter), std::string(key.group)};
    }

    rows there_;
    std::deque<operation> unsynced_;
    std::size_t synced_ = 0;
};

} // namespace gv::cluster::testing
