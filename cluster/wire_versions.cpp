// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_versions.hpp"

namespace gv::cluster {

namespace {

[[nodiscard]] constexpr bool are_in_order() noexcept {
    for (std::size_t at = 1; at < version_history.size(); ++at) {
        if (version_history[at].number != version_history[at - 1].number + 1) {
            return false;
        }
    }
    return version_history.front().number > 0;
}
static_assert(are_in_order());

} // namespace

wire_range spoken_wire() noexcept {
    return {.min = version_history.front().number, .max = version_history.back().number};
}

std::string text_of(wire_range wire) {
    return "wire " + std::to_string(wire.min) + " to " + std::to_string(wire.max);
}

std::string remedy_for(wire_range ours, wire_range theirs) {
    const bool is_ours_older = ours.max < theirs.min;
    const std::uint16_t wanted = is_ours_older ? theirs.min : ours.min;
    return std::string(is_ours_older ? "update this node first" : "update the other node first")
           + ", to a release that speaks wire version " + std::to_string(wanted)
           + "; nodes are updated one release at a time";
}

} // namespace gv::cluster
