// SPDX-License-Identifier: Apache-2.0
// Hand-overs to one atomic write: first what is plain, in its order, then the transactions that are
// complete with it.
#pragma once

#include "storage/transactions.hpp"

#include <iterator>
#include <map>
#include <span>
#include <vector>

namespace gv::storage {

struct line_entry {
    shard_id from;
    hand_over what;
};

/// What a written group completes, and how durable it has to be for that.
struct group {
    std::map<shard_id, progress> words;
    durability wants = durability::memory;
};

struct gathered {
    group done;
    std::vector<batch> operations; ///< in the order in which they take effect
};

namespace detail {

inline void join(shard_id from, part added, transactions& joining, group& done,
                 std::vector<batch>& complete) {
    const transaction_id id = added.id;
    std::optional<transactions::complete> whole = joining.add(from, std::move(added));
    if (!whole) {
        return;
    }
    done.wants = std::min(done.wants, whole->wants);
    std::ranges::move(whole->operations, std::back_inserter(complete));
    for (const shard_id shard : whole->shards) {
        std::vector<transaction_id>& told = done.words[shard].transactions;
        if (told.empty() || told.back() != id) {
            told.push_back(id);
        }
    }
}

} // namespace detail

/// Takes the entries' operations; parts without which a transaction is not complete wait in
/// `joining`.
[[nodiscard]] inline gathered gather(std::span<line_entry> entries, transactions& joining) {
    gathered made;
    std::vector<batch> complete;
    for (line_entry& each : entries) {
        made.done.words[each.from].durable = each.what.ticket;
        made.done.wants = std::min(made.done.wants, each.what.wants);
        if (!each.what.operations.empty()) {
            made.operations.push_back(std::move(each.what.operations));
        }
        for (part& added : each.what.parts) {
            detail::join(each.from, std::move(added), joining, made.done, complete);
        }
    }
    std::ranges::move(complete, std::back_inserter(made.operations));
    return made;
}

} // namespace gv::storage
