// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace gv::cluster {

/// What membership says of a peer.
enum class peer_state : std::uint8_t {
    alive, ///< suspected ones too
    dead,  ///< its volatile routes are hidden, and nobody waits for it
    gone   ///< forgotten: its routes go, and it is no member any more
};

} // namespace gv::cluster
