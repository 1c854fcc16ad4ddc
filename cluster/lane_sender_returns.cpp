// SPDX-License-Identifier: Apache-2.0
// What is owed to nobody at the peer any longer, and messages for groups, which others can take.
#include "cluster/lane_sender.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

namespace {
/// The bytes of a message of the block, to be changed.
char* bytes_in(lane_block& block, std::string_view message) noexcept {
    return block.bytes.data() + (message.data() - block.bytes.data());
}
} // namespace

/// Whoever was connected there when these were sent is not any more.
void lane_sender::keep_for_kept_only() {
    for (lane_block& each : queue_) {
        for_each_counted(each, [&](lane_seq, std::string_view message) {
            mark_for_kept_only(bytes_in(each, message));
        });
    }
}

/// Without a spool: what the peer has not got, others were given.
void lane_sender::leave_out_given_back() {
    bool is_any = false;
    for (lane_seq seq = std::max(send_next_, oldest_); seq < tracked_end(); ++seq) {
        tracked& each = at(seq);
        if (each.is_for_group && !each.is_taken && each.waiter == 0) {
            each.is_taken = 1;
            --unanswered_;
            is_any = true;
        }
    }
    if (is_any) {
        keep_again();
        forget_taken();
    }
}

void lane_sender::give_back_from(lane_seq first, lane_return why, lane_effects& out) {
    for (lane_seq seq = std::max(first, oldest_); seq < tracked_end(); ++seq) {
        tracked& each = at(seq);
        if (each.is_for_group && !each.is_taken && each.waiter != 0) {
            out.given_back(std::exchange(each.waiter, 0), why);
        }
    }
}

void lane_sender::take_back(const std::function<bool(lane_waiter)>& is_given_to_another) {
    for (tracked& each : tracked_) {
        if (each.is_for_group && !each.is_taken && each.waiter != 0
            && is_given_to_another(each.waiter)) {
            each.waiter = 0;
        }
    }
}

void lane_sender::give_up_volatile(lane_effects& out) {
    give_back_from(oldest_, lane_return::unanswered, out);
    const auto give_up = [&](lane_seq seq, std::string_view message) {
        if (!is_for_kept(message) && !is_taken(seq) && at(seq).waiter != 0) {
            out.taken(std::exchange(at(seq).waiter, 0), 0);
        }
    };
    for (const lane_block& each : kept_) {
        for_each_counted(each, give_up);
    }
    for (const lane_block& each : queue_) {
        if (!each.is_spooled) {
            for_each_counted(each, give_up);
        }
    }
}

} // namespace gv::cluster
