// SPDX-License-Identifier: Apache-2.0
// The store of the broker: where it is, and how what it holds gets to the shards at start.
#pragma once

#include "base/result.hpp"
#include "broker/server/config_source.hpp"
#include "broker/server/kept_partitions.hpp"
#include "broker/server/kept_routes.hpp"
#include "broker/server/options.hpp"
#include "broker/server/profile.hpp"
#include "broker/shard/event_loop.hpp"
#include "storage/store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gv::server {

/// The folder that the options name or leave open. Makes nothing.
[[nodiscard]] std::string store_folder(const options& all);

/// Whether a store could be there: a folder that can be written to, or made. Makes nothing, and
/// does not ask whether another process uses it: a check may run beside a broker. `origins` gives
/// the place of a problem.
[[nodiscard]] std::vector<problem> check_store_folder(const options& all,
                                                      const origin_map& origins);

/// The profile for this machine, with the store where the options put it.
[[nodiscard]] profile_choice profile_here(const options& all);
/// Tells the log which profile holds and what is in force.
void log_profile(const options& all, const profile_choice& chosen);

/// Opens the store; null if it is switched off. One that is made is that of `node`; 0: of a random
/// one. Errors: a problem for a person.
[[nodiscard]] result<std::unique_ptr<storage::store>, problem> open_store(const options& all,
                                                                          node_id node);

/// Takes what was stored and is for the thread of the cluster. Null: this node is in none.
struct kept_for_cluster {
    kept_routes* routes = nullptr;
    kept_partitions* partitions = nullptr;
};

/// Gives what was stored to the shards, and lets them tell each other of it. Before they start.
[[nodiscard]] result<void, problem>
restore_all(storage::store& from, const std::vector<std::unique_ptr<shard::event_loop>>& to,
            const kept_for_cluster& kept);

} // namespace gv::server
