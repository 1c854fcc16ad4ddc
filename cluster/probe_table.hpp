// SPDX-License-Identifier: Apache-2.0
// Probes that have no answer yet, of this node and of others that asked it to probe for them; and
// whose turn it is.
//
//   sent --ack--> answered
//     `--no ack in time, or refused--> others are asked --ack--> answered
//                                        `--no ack till the end--> failed
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace gv::cluster {

/// A question of this node to `target`.
struct open_probe {
    node_id target;
    boot_id boot; ///< of the target, as far as known
    time_point sent{};
    time_point others_at = never; ///< when others are asked; never: they were, or will not be
    time_point ends{};
    std::size_t asked = 0; ///< others
    std::size_t nacks = 0;
    bool is_redial = false;   ///< the target was not alive: its silence is no news
    bool is_check = false;    ///< of what somebody else says; others were asked already
    bool was_refused = false; ///< nobody listens at the target
};

/// A probe for somebody else.
struct relayed_probe {
    node_id target;
    node_id asker;
    std::uint64_t sequence = 0; ///< of the asker
    time_point nack_at{};
};

struct probe_table {
    std::map<std::uint64_t, open_probe> own;        ///< by sequence number
    std::map<std::uint64_t, relayed_probe> relayed; ///< by sequence number, never one of `own`

    [[nodiscard]] bool is_probing(node_id target) const noexcept;
    [[nodiscard]] time_point next_due() const noexcept;
    void clear() noexcept {
        own.clear();
        relayed.clear();
    }
};

/// Who is probed next where not everybody is: all in random order, then all in another, so that
/// nobody waits longer than two rounds.
class probe_order {
  public:
    /// None if `live` is empty.
    [[nodiscard]] std::optional<node_id> next(const std::vector<node_id>& live,
                                              std::mt19937_64& random);

  private:
    std::vector<node_id> rest_;
};

} // namespace gv::cluster
