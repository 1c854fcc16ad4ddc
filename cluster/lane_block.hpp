// SPDX-License-Identifier: Apache-2.0
// Messages in memory: the content of one frame, or one message that is larger than a frame.
#pragma once

#include "cluster/lane_format.hpp"

namespace gv::cluster {

/// Counted messages in it have the numbers `first` to `end` - 1, without gap, unless it is from
/// the spool, where it has pieces `skip` for those that are missing.
struct lane_block {
    std::string bytes; ///< pieces; if it is large, one message without its header
    lane_seq first = 0;
    lane_seq end = 0;
    std::uint32_t uncounted = 0; ///< messages of QoS 0
    bool is_large = false;
    bool is_spooled = false; ///< what is in it is also in the spool
    bool is_again = false;   ///< may have been sent on an earlier link: look at each message
    time_point opened_at{};  ///< lives of its messages are counted from here
    time_point sent_at{};

    [[nodiscard]] bool has_counted() const noexcept { return end != first; }
};

/// Calls visit(lane_seq, std::string_view) for each counted message.
template <typename Visit>
void for_each_counted(const lane_block& block, Visit&& visit) {
    lane_seq seq = block.first;
    if (block.is_large) {
        block.has_counted() ? visit(seq, std::string_view(block.bytes)) : static_cast<void>(0);
        return;
    }
    piece_reader pieces(block.bytes);
    while (const std::optional<piece> each = pieces.next()) {
        if (each->kind == piece_kind::skip) {
            seq += each->length;
        } else if (quality_of(each->content) != qos::at_most_once) {
            visit(seq++, each->content);
        }
    }
}

/// Leaves out the messages of QoS 0. Requires: not large.
void drop_uncounted(lane_block& block);
/// Leaves out all others. Requires: not large.
void drop_counted(lane_block& block);

} // namespace gv::cluster
