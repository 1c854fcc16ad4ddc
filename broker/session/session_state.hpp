// SPDX-License-Identifier: Apache-2.0
// The state of a session as the specification lists it (MQTT 5, 4.1): subscriptions, what is in
// flight or waits for the client, and the QoS 2 identifiers received from it. A volatile client's
// front holds one; a persistent session's home holds one.
#pragma once

#include "broker/session/effects.hpp"
#include "broker/session/outbound.hpp"
#include "broker/session/replay.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <map>
#include <string>

namespace gv::session {

struct session_state {
    session_state(const outbound_limits& limits, queue_account& total, outbound::keeps keeps,
                  outbound_log* log = nullptr)
        : out(limits, total, keeps, log) {}

    /// By filter as the client wrote it.
    /// A tree: most have one or two, and the smallest flat table takes room for fifteen.
    std::map<std::string, subscription, std::less<>> subscriptions;
    std::uint32_t shared_subscriptions = 0; ///< how many of them are shared
    outbound out;
    boost::unordered_flat_set<std::uint16_t> inbound;
    replay_list replays;
};

} // namespace gv::session
