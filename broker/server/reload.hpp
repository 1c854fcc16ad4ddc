// SPDX-License-Identifier: Apache-2.0
// What a reload (SIGHUP) changes: for the log, and for what runs.
#pragma once

#include "broker/server/option_ref.hpp"
#include "broker/server/options.hpp"

#include <cstddef>
#include <optional>
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

/// What becomes of options that were read anew while others are in force.
struct reload_plan {
    /// What is in force afterwards: the fresh values of all that may change while the broker runs,
    /// the running ones of all that needs a restart. Its listeners are the running ones.
    options effective;
    /// For each running listener the number it has among the fresh ones. Empty: it is not among
    /// them, and nothing about it changes.
    std::vector<std::optional<std::size_t>> listeners;
    /// From the running to the fresh options; those that wait for a restart are among them as long
    /// as they do. Listeners have the numbers of the fresh options.
    std::vector<option_change> changes;
};

/// A listener is known by what it has open, address and port, never by its place in the file: rules
/// of one must not reach another. Several on "any free port" of one address are told apart by name,
/// and by order if as many are left.
[[nodiscard]] reload_plan plan_reload(const options& running, const options& fresh);

} // namespace gv::server
