// SPDX-License-Identifier: Apache-2.0
// Frames and replies of lanes as Protocol Buffers, and back. The bytes that carry messages are
// moved, never copied.
#pragma once

#include "cluster/lane.hpp"
#include "cluster/peer_transport.hpp"
#include "cluster/wire_fault.hpp"

#include <variant>

namespace grapevine::cluster::v1 {
class LaneFrame;
class LaneReply;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// How a lane begins: who calls, and with which lane.
struct lane_opening {
    link_hello link;
    lane_hello lane;
};

using lane_request_message = std::variant<lane_opening, lane_frame>;
using lane_reply_message = std::variant<lane_welcome, lane_reply>;

/// Requires: `out` is empty, or was used for a message of the same kind.
void encode(const lane_opening& opening, grapevine::cluster::v1::LaneFrame& out);
void encode(lane_frame&& frame, grapevine::cluster::v1::LaneFrame& out);
void encode(const lane_welcome& welcome, grapevine::cluster::v1::LaneReply& out);
void encode(lane_reply&& reply, grapevine::cluster::v1::LaneReply& out);

/// Both take texts and bytes out of `in`. Errors: what no honest node says, as far as it can be
/// told without knowing the lane.
[[nodiscard]] result<lane_request_message, decode_fault>
decode(grapevine::cluster::v1::LaneFrame&& in);
[[nodiscard]] result<lane_reply_message, decode_fault>
decode(grapevine::cluster::v1::LaneReply&& in);

} // namespace gv::cluster
