// SPDX-License-Identifier: Apache-2.0
// What all clients of one simulation share: the node, the books in which the promises are kept, and
// the one source of chance, so that a seed says everything.
#pragma once

#include "tests/simulation/promises.hpp"
#include "tests/support/delivery_ledger.hpp"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace gv::simulation {

/// What a seed decides before the first step.
struct setting {
    support::node_options node;
    std::size_t actors = 0;
    std::size_t steps = 0;
    bool has_tight_limits = false; ///< queues may drop
    bool may_disconnect = false;   ///< a full queue closes its client
};

class stage {
  public:
    stage(const setting& how, std::uint64_t seed, bool is_traced)
        : node(how.node), how_(how), chance_(seed), is_traced_(is_traced) {}

    support::pure_node node;
    support::delivery_ledger ledger;
    promises told;
    std::vector<std::string> complaints;
    std::vector<std::string> trace;
    /// Connections that their clients have left as they were.
    std::vector<std::shared_ptr<support::pure_peer>> strays;
    time_point groups_settle_at{}; ///< a member of a shared group came or went

    [[nodiscard]] const setting& how() const noexcept { return how_; }
    /// Requires: `end` > 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return chance_() % end; }
    [[nodiscard]] bool one_in(std::uint64_t many) { return below(many) == 0; }
    [[nodiscard]] qos any_qos() { return static_cast<qos>(below(3)); }

    void note(const std::string& client, const std::string& what) {
        if (is_traced_) {
            const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
                node.now().time_since_epoch() - 1'000'000s);
            trace.push_back(std::to_string(since.count()) + " ms  " + client + "  " + what);
        }
    }
    void complain(std::string what) {
        note("!", what);
        complaints.push_back(std::move(what));
    }
    /// How far behind what follows from something may be on another shard.
    [[nodiscard]] duration lag_max() const { return 4 * how_.node.mail_delay_max + 400ms; }
    void group_changes() { groups_settle_at = node.now() + lag_max(); }

  private:
    setting how_;
    std::mt19937_64 chance_;
    bool is_traced_;
};

} // namespace gv::simulation
