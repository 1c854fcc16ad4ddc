// SPDX-License-Identifier: Apache-2.0
// What is taken into memory, and what of it is dropped. Links are in lane_sender_link.cpp, the
// spool in lane_sender_spool.cpp.
#include "cluster/lane_sender.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::cluster {

namespace {
/// Kept free in a frame, for a piece that skips numbers.
constexpr std::size_t skip_bytes_max = 2 * piece_header_bytes;
constexpr std::size_t frame_bytes_min = 256;
constexpr std::size_t spare_bytes_min = 4'096;
} // namespace

lane_sender::lane_sender(const lane_identity& self, const lane_sender_options& options)
    : self_(self), options_(options),
      state_(options.spools ? lane_state::spooling : lane_state::live) {
    options_.frame_bytes_max =
        std::clamp(options.frame_bytes_max, frame_bytes_min, lane_frame_bytes_max);
    block_bytes_max_ = options_.frame_bytes_max - skip_bytes_max;
}

lane_sender::lane_sender(const lane_identity& self, const lane_sender_options& options,
                         const lane_spool_left& left)
    : lane_sender(self, options) {
    BROKER_ASSERT(options.spools, "rows are left in a spool that there is");
    if (left.rows == 0) {
        return;
    }
    oldest_ = send_next_ = sent_end_ = drain_next_ = left.first;
    next_ = dup_below_ = left.last + 1;
    unanswered_ = spool_rows_ = left.rows;
    spool_bytes_ = left.bytes;
    look_if_full();
}

void lane_sender::append(const publication& what, const forward_flags& flags, lane_waiter waiter,
                         time_point now, lane_effects& out) {
    ++counts_.messages;
    const bool is_counted = what.header.quality != qos::at_most_once;
    BROKER_DEBUG_ASSERT(is_counted || waiter == 0, "nobody waits for QoS 0");
    if (is_counted && state_ != lane_state::live) {
        append_to_spool(what, flags, waiter, now, out);
    } else if (is_counted || is_linked_) {
        append_to_queue(what, flags, waiter, now);
    } else {
        ++counts_.dropped_disconnected;
    }
}

void lane_sender::append_to_queue(const publication& what, const forward_flags& flags,
                                  lane_waiter waiter, time_point now) {
    lane_block* into = open_block(false);
    const time_point from = into != nullptr ? into->opened_at : now;
    message_shape shape(what, {.lane_origin = self_.origin, .counted_from = from}, flags);
    if (into == nullptr
        || into->bytes.size() + piece_header_bytes + shape.size() > block_bytes_max_) {
        into = &new_block(false, now);
        shape = message_shape(what, {.lane_origin = self_.origin, .counted_from = now}, flags);
    }
    into->is_large = piece_header_bytes + shape.size() > block_bytes_max_;
    const std::size_t header = into->is_large ? 0 : piece_header_bytes;
    const std::size_t before = into->bytes.size();
    const std::size_t added = header + shape.size();
    into->bytes.resize_and_overwrite(before + added, [&](char* bytes, std::size_t) {
        char* at = bytes + before;
        at = header != 0 ? store_piece_header(at, piece_kind::whole, shape.size()) : at;
        shape.store(at, what, flags);
        return before + added; // GCC 12 tells the capacity as size
    });
    if (what.header.quality == qos::at_most_once) {
        ++into->uncounted;
        ++uncounted_;
    } else {
        into->first = into->has_counted() ? into->first : next_;
        into->end = ++next_;
        ++unanswered_;
        tracked_.push_back({.waiter = waiter,
                            .size = static_cast<std::uint32_t>(shape.size()) & size_mask,
                            .is_for_group = flags.is_for_group() ? 1U : 0U});
    }
    note_queued(added);
}

void lane_sender::note_queued(std::size_t bytes) {
    queue_bytes_ += bytes;
    unsent_bytes_ += bytes;
    if (queue_bytes_ > options_.queue_bytes_max) [[unlikely]] {
        make_room();
        look_if_full();
    }
}

lane_block* lane_sender::open_block(bool is_spooled) noexcept {
    if (queue_.empty()) {
        return nullptr;
    }
    lane_block& last = queue_.back();
    return last.is_large || last.is_again || last.is_spooled != is_spooled ? nullptr : &last;
}

lane_block& lane_sender::new_block(bool is_spooled, time_point now) {
    lane_block& made = queue_.emplace_back();
    made.bytes = spare();
    made.is_spooled = is_spooled;
    made.opened_at = now;
    return made;
}

// --- room

auto lane_sender::droppable() -> std::deque<lane_block>::iterator {
    if (uncounted_ == 0 || queue_.size() < 2) {
        return queue_.end();
    }
    // The last one stays: a message larger than the whole queue must pass, too.
    const auto first = queue_.begin() + (is_in_chunks() ? 1 : 0);
    const auto found = std::find_if(first, queue_.end() - 1,
                                    [](const lane_block& each) { return each.uncounted > 0; });
    return found == queue_.end() - 1 ? queue_.end() : found;
}

void lane_sender::make_room() {
    while (queue_bytes_ > options_.queue_bytes_max) {
        const auto oldest = droppable();
        if (oldest == queue_.end()) {
            return;
        }
        const std::size_t before = oldest->bytes.size();
        uncounted_ -= oldest->uncounted;
        counts_.dropped_full += oldest->uncounted;
        if (oldest->has_counted()) {
            drop_uncounted(*oldest);
        } else {
            oldest->bytes = {};
        }
        queue_bytes_ -= before - oldest->bytes.size();
        unsent_bytes_ -= before - oldest->bytes.size();
        if (oldest->bytes.empty()) {
            queue_.erase(oldest);
        }
    }
}

void lane_sender::look_if_full() noexcept {
    is_full_ = is_full_ || queue_bytes_ > options_.queue_bytes_max
               || spool_bytes_ > options_.spool_bytes_max;
}

void lane_sender::look_if_room(lane_effects& out) {
    if (is_full_ && queue_bytes_ <= options_.queue_bytes_max / 2
        && spool_bytes_ <= options_.spool_bytes_max / 2) {
        is_full_ = false;
        out.has_room();
    }
}

std::string lane_sender::spare() {
    if (spares_.empty()) {
        return {};
    }
    std::string found = std::move(spares_.back());
    spares_.pop_back();
    return found;
}

void lane_sender::give_back(std::string bytes) {
    const std::size_t capacity = bytes.capacity();
    if (spares_.size() < spares_max && capacity >= spare_bytes_min
        && capacity <= 2 * lane_frame_bytes_max) {
        bytes.clear();
        spares_.push_back(std::move(bytes));
    }
}

void lane_sender::abandon(lane_reason reason, lane_effects& out) {
    give_back_from(oldest_, lane_return::unanswered, out);
    for (const tracked& each : tracked_) {
        if (!each.is_taken && each.waiter != 0) {
            out.taken(each.waiter, reason);
        }
    }
    if (spool_rows_ > 0) {
        out.spool_erase(oldest_, next_ - 1);
    }
    drop_link();
    stop_draining(out);
    tracked_.clear();
    kept_.clear();
    queue_.clear();
    queue_bytes_ = unsent_bytes_ = uncounted_ = 0;
    unanswered_ = spool_rows_ = spool_bytes_ = 0;
    oldest_ = send_next_ = sent_end_ = drain_next_ = next_;
    look_if_room(out);
}

lane_sender_counts lane_sender::counted() const noexcept {
    lane_sender_counts all = counts_;
    all.unanswered = unanswered_;
    all.queue_bytes = queue_bytes_;
    all.spool_rows = spool_rows_;
    all.spool_bytes = spool_bytes_;
    all.credit_bytes = credit_;
    return all;
}

} // namespace gv::cluster
