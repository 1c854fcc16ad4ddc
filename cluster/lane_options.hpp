// SPDX-License-Identifier: Apache-2.0
// Numbers of a lane. All sizes are of one lane: what is meant for a peer is to be divided by the
// number of shards.
#pragma once

#include "cluster/lane.hpp"

#include <cstddef>

namespace gv::cluster {

struct lane_sender_options {
    /// A frame is closed when the next message would exceed this. 256 bytes to
    /// lane_frame_bytes_max. Larger: fewer writes under load. Smaller: less memory a lane, shorter
    /// pauses.
    std::size_t frame_bytes_max = lane_frame_bytes_max;
    /// What is queued and kept in memory. Beyond, QoS 0 is dropped, the oldest first, and the lane
    /// is full. Larger: longer bursts survive. Smaller: less memory at risk.
    std::size_t queue_bytes_max = std::size_t{64} << 20;

    /// Whether the owner has a disk to spool to. Without, QoS 1 and 2 wait in memory.
    bool spools = true;
    /// A message kept longer than this without being taken goes to the spool. Larger: fewer writes
    /// to disk when the peer is slow. Smaller: publishers wait less.
    duration taken_within = 100ms;
    /// So long there may be something to send and no credit. Larger: fewer writes to disk. Smaller:
    /// publishers wait less for a peer that does not keep up.
    duration credit_within = 1s;
    /// After the peer was late, the spool is drained when it has taken all, at the latest after
    /// this. Larger: less is sent to one that hangs. Smaller: faster recovery of one that was slow.
    duration drain_after = 1s;
    /// Rows are asked for in portions of this, while less than this waits to be sent. Larger:
    /// faster draining. Smaller: less memory.
    std::size_t spool_read_bytes = 1u << 20;
    /// Beyond this the lane is full. Larger: a longer absence is bridged. Smaller: less disk.
    std::uint64_t spool_bytes_max = std::uint64_t{1} << 30;
};

struct lane_receiver_options {
    /// Bytes of frames that may be on their way or not yet worked off by the owner. At least
    /// the sender's frame_bytes_max, which should be left at lane_frame_bytes_max. Larger: more
    /// throughput over long links. Smaller: less memory.
    std::uint64_t credit_bytes = 4u << 20;
    /// Credit is given back in portions of this, sooner only if a large frame may need it, or with
    /// an answer. Larger: fewer replies. Smaller: the sender waits less when credit is short.
    std::uint64_t credit_portion_bytes = 512u << 10;
    /// Largest message, as encoded. Smaller: less memory at risk a lane.
    std::size_t message_bytes_max = lane_message_bytes_max;
    /// Levels of a topic.
    std::size_t levels_max = 128;
    /// Bytes of a reply's ranges. At most lane_reply_bytes_max.
    std::size_t reply_bytes_max = lane_reply_bytes_max;
};

} // namespace gv::cluster
