// SPDX-License-Identifier: Apache-2.0
// Numbers of the membership protocol. The defaults find a crashed process of a small cluster within
// 3 s and a lost machine within 7 s.
#pragma once

#include "cluster/agreed_clock.hpp"
#include "cluster/clock_check.hpp"
#include "cluster/membership_message.hpp"
#include "cluster/redial.hpp"

#include <optional>

namespace gv::cluster {

struct membership_options {
    std::string cluster; ///< name; nodes of another are refused
    wire_range wire;

    /// Larger: fewer messages. Smaller: faster detection.
    duration probe_period = 1s;
    /// After this others are asked to probe. Less than the period.
    duration probe_timeout = 500ms;
    std::size_t indirect_probes = 3;
    /// Up to so many nodes, this one included, everybody probes everybody each period.
    std::size_t probe_all_max = 5;

    /// Least time to refute: `suspicion_factor * max(1, log10(nodes))` periods. Larger: fewer
    /// healthy nodes declared dead. Smaller: faster detection.
    int suspicion_factor = 4;
    /// The longest is so many times the least.
    int suspicion_max_factor = 6;
    /// Others who must agree before the least time holds; with fewer nodes it holds at once.
    std::size_t confirmations = 2;
    int awareness_max = 8;
    /// What somebody else says against a node that answered this one itself so recently is passed
    /// on to that node instead of being believed. Must stay below half of the least time to refute.
    duration own_evidence = 2s;

    duration push_pull_period = 30s;
    /// While there is news, so often it is sent to `gossip_fanout` nodes, besides what probes
    /// carry.
    duration gossip_period = 200ms;
    std::size_t gossip_fanout = 3;
    std::size_t gossip_factor = 4; ///< a row is told `factor * ceil(log10(nodes + 1))` times

    redial_bounds redial;
    /// A deadline seen later than this: this node did not run, and accuses nobody of it.
    duration stall = 1s;
    clock_bounds clock;
    agreed_clock_bounds agreed_clock;
    /// Dead for so long is gone. Not set: only an operator forgets a node.
    std::optional<duration> forget_after;

    message_limits limits; ///< `rows_max` is also the most members there may be
    std::size_t seeds_max = 256;
    std::size_t relayed_max = 256; ///< probes for others at a time; beyond, a nack
    std::size_t alarms_max = 64;   ///< different alarms that are remembered, to not repeat them
    duration alarm_again = 60s;
};

} // namespace gv::cluster
