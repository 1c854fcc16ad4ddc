// SPDX-License-Identifier: Apache-2.0
// What a reload (SIGHUP) changed, for the log.
#pragma once

#include "broker/server/option_ref.hpp"
#include "broker/server/options.hpp"

#include <string>
#include <vector>

namespace gv::server {

struct option_change {
    std::string name;   ///< "mqtt.qos_max", "listeners.0.port"
    std::string before; ///< as text; a secret is "(hidden)"; empty if there was no such listener
    std::string after;  ///< the same; empty if the listener is gone
    reload applies = reload::live;

    friend bool operator==(const option_change&, const option_change&) = default;
};

/// Every option whose value differs, in order of declaration. Listeners are compared by number; one
/// that was added or removed is a change of "listeners.N", from or to its address, at restart.
[[nodiscard]] std::vector<option_change> diff(const options& before, const options& after);

/// The same for any two tables made from one kind of struct.
[[nodiscard]] std::vector<option_change> diff(const std::vector<section_ref>& before,
                                              const std::vector<section_ref>& after);

} // namespace gv::server
