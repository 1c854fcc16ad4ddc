// SPDX-License-Identifier: Apache-2.0
// The way into the spool and out of it.
#include "cluster/lane_sender.hpp"

#include <algorithm>

namespace gv::cluster {

namespace {
/// A block must not span more numbers than may be unanswered, or it would never be sent.
constexpr lane_seq block_span_max = 65'536;

std::chrono::milliseconds in_milliseconds(duration span) noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(span);
}
} // namespace

// --- in

void lane_sender::append_to_spool(const publication& what, const forward_flags& flags,
                                  lane_waiter waiter, time_point now, lane_effects& out) {
    const message_shape shape(what, {.lane_origin = self_.origin, .counted_from = now}, flags);
    scratch_.resize_and_overwrite(shape.size(), [&](char* at, std::size_t) {
        shape.store(at, what, flags);
        return shape.size();
    });
    ++unanswered_;
    ++spool_rows_;
    spool_bytes_ += scratch_.size();
    out.spool_put(next_++, scratch_, waiter);
    if (scratch_.capacity() > lane_frame_bytes_max) {
        scratch_ = {};
    }
    look_if_full();
    drain(now, out);
}

void lane_sender::enter_spool(time_point now, lane_effects& out) {
    state_ = lane_state::spooling;
    ++counts_.spools_begun;
    for (lane_block& each : kept_) {
        put_in_spool(each, now, out);
    }
    for (lane_block& each : queue_) {
        put_in_spool(each, now, out);
    }
    stop_draining(out);
    starved_since_ = never;
    drain_at_ = now + options_.drain_after;
    look_if_full();
}

void lane_sender::put_in_spool(lane_block& block, time_point now, lane_effects& out) {
    if (block.is_spooled) {
        return;
    }
    for_each_counted(block, [&](lane_seq seq, std::string_view message) {
        if (is_taken(seq) || at(seq).is_for_group) {
            return;
        }
        tracked& which = at(seq);
        // Its life is counted from now on, that in the block from when the block was opened.
        char* bytes = block.bytes.data() + (message.data() - block.bytes.data());
        shift_life(bytes, in_milliseconds(block.opened_at - now));
        ++spool_rows_;
        spool_bytes_ += message.size();
        out.spool_put(seq, message, std::exchange(which.waiter, 0));
        which.is_spooled = 1;
    });
}

/// What is in the spool need not stay in memory. What was sent may still be answered.
void lane_sender::stop_draining(lane_effects& out) {
    state_ = options_.spools ? lane_state::spooling : state_;
    read_is_stale_ = is_reading_;
    leave_memory();
    const bool is_half_sent = is_in_chunks() && queue_.front().has_counted();
    send_next_ = std::max(send_next_, oldest_);
    drain_next_ = is_half_sent ? queue_.front().end : send_next_;
    give_back_from(drain_next_, lane_return::unsent, out);
    forget_from(drain_next_);
}

/// A message that is half sent has to be sent to its end, or the receiver could not go on.
void lane_sender::leave_memory() {
    for (const lane_block& each : kept_) {
        queue_bytes_ -= each.bytes.size();
    }
    kept_.clear();
    const lane_block* half_sent = is_in_chunks() ? &queue_.front() : nullptr;
    for (lane_block& each : queue_) {
        if (&each == half_sent) {
            each.is_spooled = each.has_counted();
            continue;
        }
        const std::size_t before = each.bytes.size();
        if (each.uncounted == 0) {
            each.bytes = {};
        } else if (each.has_counted()) {
            drop_counted(each);
        }
        queue_bytes_ -= before - each.bytes.size();
        unsent_bytes_ -= before - each.bytes.size();
    }
    std::erase_if(queue_, [](const lane_block& each) { return each.bytes.empty(); });
}

// --- out

void lane_sender::settle(time_point now, lane_effects& out) {
    const bool is_answered = tracked_.empty() || now >= drain_at_;
    if (state_ == lane_state::spooling && is_linked_ && !is_suspected_ && is_answered
        && credit_ > 0) {
        state_ = lane_state::draining;
    }
    drain(now, out);
}

void lane_sender::drain(time_point now, lane_effects& out) {
    if (state_ != lane_state::draining || is_reading_) {
        return;
    }
    if (drain_next_ == next_) {
        if (may_track(next_) && is_in_time(now)) {
            track_as_taken(next_);
            state_ = lane_state::live;
        }
        return;
    }
    if (unsent_bytes_ < options_.spool_read_bytes && may_track(drain_next_)) {
        is_reading_ = true;
        read_end_ = next_;
        out.spool_read(drain_next_, options_.spool_read_bytes);
    }
}

bool lane_sender::is_in_time(time_point now) const noexcept {
    if (tracked_.empty()) {
        return true;
    }
    return last_delay_ <= options_.taken_within && starved_since_ == never
           && (probe_ == 0 || now - probe_at_ <= options_.taken_within);
}

void lane_sender::on_spool_rows(std::span<const lane_spool_row> rows, time_point now,
                                lane_effects& out) {
    is_reading_ = false;
    if (std::exchange(read_is_stale_, false)) {
        settle(now, out);
        return;
    }
    if (rows.empty()) {
        drain_next_ = read_end_;
    }
    for (const lane_spool_row& each : rows) {
        if (each.seq < drain_next_ || each.seq >= next_) {
            continue;
        }
        drain_next_ = each.seq;
        if (!may_track(each.seq)) {
            break;
        }
        load(each, now, out);
        drain_next_ = each.seq + 1;
    }
    drain(now, out);
}

void lane_sender::load(const lane_spool_row& row, time_point now, lane_effects& out) {
    publication seen;
    forward_flags flags;
    if (decode_message(row.bytes, {.lane_origin = self_.origin, .now = now}, seen, flags)
        || seen.header.quality == qos::at_most_once) {
        ++counts_.rows_unreadable;
        drop_row(row, out);
        return;
    }
    if (row.is_of_former_life && is_for_volatile_only(row.bytes)) {
        drop_row(row, out);
        return;
    }
    track_as_taken(row.seq);
    tracked_.push_back(
        {.size = static_cast<std::uint32_t>(row.bytes.size()) & size_mask, .is_spooled = 1});
    lane_block& into = block_for_row(row, now);
    const std::size_t before = into.bytes.size();
    if (!into.is_large && into.has_counted() && into.end != row.seq) {
        char header[piece_header_bytes];
        store_piece_header(header, piece_kind::skip, row.seq - into.end);
        into.bytes.append(header, sizeof header);
    }
    if (!into.is_large) {
        char header[piece_header_bytes];
        store_piece_header(header, piece_kind::whole, row.bytes.size());
        into.bytes.append(header, sizeof header);
    }
    into.bytes.append(row.bytes);
    char* message = into.bytes.data() + into.bytes.size() - row.bytes.size();
    shift_life(message, in_milliseconds(now - into.opened_at - row.age));
    if (row.seq < dup_below_) {
        mark_maybe_dup(message);
    }
    if (row.is_of_former_life) {
        mark_for_kept_only(message);
    }
    counts_.resent += row.seq < sent_end_ ? 1 : 0;
    into.first = into.has_counted() ? into.first : row.seq;
    into.end = row.seq + 1;
    note_queued(into.bytes.size() - before);
}

void lane_sender::drop_row(const lane_spool_row& row, lane_effects& out) {
    --unanswered_;
    --spool_rows_;
    spool_bytes_ -= row.bytes.size();
    out.spool_erase(row.seq, row.seq);
}

lane_block& lane_sender::block_for_row(const lane_spool_row& row, time_point now) {
    const std::size_t added = 2 * piece_header_bytes + row.bytes.size();
    lane_block* last = open_block(true);
    if (last != nullptr && last->bytes.size() + added <= block_bytes_max_
        && row.seq - last->first < block_span_max) {
        return *last;
    }
    lane_block& made = new_block(true, now);
    made.is_large = added > block_bytes_max_;
    return made;
}

// --- peer and time

void lane_sender::set_suspected(bool is_suspected, time_point now, lane_effects& out) {
    is_suspected_ = is_suspected;
    if (options_.spools && is_suspected) {
        state_ == lane_state::live ? enter_spool(now, out) : stop_draining(out);
        look_if_room(out);
    }
    settle(now, out);
}

time_point lane_sender::late_at() const noexcept {
    if (tracked_.empty()) {
        return never;
    }
    time_point late = kept_.empty() ? never : kept_.front().sent_at + options_.taken_within;
    if (!queue_.empty()) {
        const bool is_starved = starved_since_ != never;
        late = std::min(late, is_starved ? starved_since_ + options_.credit_within
                                         : queue_.front().opened_at + options_.taken_within);
    }
    return late;
}

time_point lane_sender::next_deadline() const noexcept {
    if (!options_.spools || !is_linked_) {
        return never;
    }
    if (state_ == lane_state::live) {
        return late_at();
    }
    const bool waits =
        state_ == lane_state::spooling && !is_suspected_ && !tracked_.empty() && credit_ > 0;
    return waits ? drain_at_ : never;
}

void lane_sender::on_deadline(time_point now, lane_effects& out) {
    if (options_.spools && state_ == lane_state::live && late_at() <= now) {
        enter_spool(now, out);
        look_if_room(out);
    }
    settle(now, out);
}

} // namespace gv::cluster
