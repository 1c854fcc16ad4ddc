// SPDX-License-Identifier: Apache-2.0
// Parts of transactions until none is missing, in whatever order they come.
#pragma once

#include "storage/store.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <optional>

namespace gv::storage {

class transactions {
  public:
    struct complete {
        std::vector<batch> operations;
        std::vector<shard_id> shards; ///< who gave parts; some more than once
        durability wants = durability::memory;
    };

    /// The whole transaction if this was its last part.
    [[nodiscard]] std::optional<complete> add(shard_id from, part added) {
        joining& open = open_[added.id.value];
        open.names ^= added.names;
        open.so_far.shards.push_back(from);
        open.so_far.wants = std::min(open.so_far.wants, added.wants);
        open.so_far.operations.push_back(std::move(added.operations));
        if (open.names != 0) {
            return std::nullopt;
        }
        std::optional<complete> done(std::move(open.so_far));
        open_.erase(added.id.value);
        return done;
    }
    [[nodiscard]] std::size_t incomplete() const noexcept { return open_.size(); }

  private:
    struct joining {
        std::uint64_t names = 0; ///< of branches that were named once so far
        complete so_far;
    };
    boost::unordered_flat_map<std::uint64_t, joining> open_;
};

} // namespace gv::storage
