// SPDX-License-Identifier: Apache-2.0
// Frames out, replies in, and what a new link begins with.
#include "base/assert.hpp"
#include "cluster/lane_sender.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gv::cluster {

// --- link

result<void, lane_fault> lane_sender::on_connected(const lane_welcome& welcome, time_point now,
                                                   lane_effects& out) {
    BROKER_ASSERT(!is_linked_, "one link at a time");
    const bool numbers_fit =
        welcome.expected >= oldest_ && welcome.expected <= std::max(send_next_, oldest_);
    if (!numbers_fit || welcome.credit_bytes > lane_credit_bytes_max) {
        ++counts_.faults;
        return failure(numbers_fit ? lane_fault::credit_invalid : lane_fault::numbers_invalid);
    }
    const bool is_other_life = welcome.boot != peer_boot_;
    if (is_other_life) {
        dup_below_ = std::max(dup_below_, sent_end_);
        if (peer_boot_.value != 0) {
            keep_for_kept_only();
        }
        peer_boot_ = welcome.boot;
    }
    is_linked_ = true;
    credit_ = welcome.credit_bytes;
    send_next_ = welcome.expected;
    if (options_.spools) {
        give_back_from(send_next_, is_other_life ? lane_return::unanswered : lane_return::unsent,
                       out);
        forget_from(send_next_);
        drain_next_ = send_next_;
        drain_at_ = now;
        settle(now, out);
    } else {
        leave_out_given_back();
    }
    return {};
}

void lane_sender::on_disconnected(time_point now, lane_effects& out) {
    if (!is_linked_) {
        return;
    }
    drop_link();
    drop_all_uncounted();
    if (!options_.spools) {
        keep_again();
    } else if (state_ == lane_state::live) {
        enter_spool(now, out);
    } else {
        stop_draining(out);
    }
    look_if_room(out);
}

void lane_sender::drop_link() noexcept {
    is_linked_ = false;
    credit_ = 0;
    chunk_at_ = 0;
    probe_ = 0;
    last_delay_ = {};
    starved_since_ = never;
}

void lane_sender::drop_all_uncounted() {
    counts_.dropped_disconnected += uncounted_;
    uncounted_ = 0;
    for (lane_block& each : queue_) {
        const std::size_t before = each.bytes.size();
        if (!each.has_counted()) {
            each.bytes = {};
        } else if (!each.is_large) {
            drop_uncounted(each);
        }
        each.uncounted = 0;
        queue_bytes_ -= before - each.bytes.size();
        unsent_bytes_ -= before - each.bytes.size();
    }
    std::erase_if(queue_, [](const lane_block& each) { return each.bytes.empty(); });
}

/// What was sent is to be sent again, as far as the next welcome says so.
void lane_sender::keep_again() {
    for (lane_block& each : kept_) {
        unsent_bytes_ += each.bytes.size();
    }
    queue_.insert(queue_.begin(), std::move_iterator(kept_.begin()),
                  std::move_iterator(kept_.end()));
    kept_.clear();
    for (lane_block& each : queue_) {
        each.is_again = true;
        each.uncounted = 0;
    }
}

// --- frames

std::optional<lane_frame> lane_sender::take_frame(time_point now, lane_effects& out) {
    lane_frame made;
    while (has_frame() && made.bytes.empty() && may_send(queue_.front(), now)) {
        lane_block& block = queue_.front();
        send_next_ = std::max(send_next_, oldest_);
        made.first = send_next_;
        made.age_ms = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now - block.opened_at).count());
        made.bytes = bytes_of(block);
        if (!is_in_chunks()) {
            retire_front(now);
        }
    }
    look_if_room(out);
    settle(now, out);
    if (made.bytes.empty()) {
        return std::nullopt;
    }
    made.oldest = std::min(oldest_, made.first);
    credit_ -= made.bytes.size();
    ++counts_.frames;
    counts_.bytes += made.bytes.size();
    return made;
}

bool lane_sender::may_send(const lane_block& block, time_point now) noexcept {
    const std::size_t most = std::min(block.bytes.size() - chunk_at_, block_bytes_max_);
    const std::size_t bytes = std::min(most + 4 * piece_header_bytes, options_.frame_bytes_max);
    const bool may =
        credit_ >= bytes && (!block.has_counted() || block.end <= oldest_ + lane_unanswered_max);
    starved_since_ = may ? never : std::min(starved_since_, now);
    return may;
}

/// What is to be written of the first block now; nothing if all of it was taken. Leaves chunk_at_
/// at 0 when the block is through.
std::string lane_sender::bytes_of(lane_block& block) {
    const bool is_known =
        block.is_large && block.is_again && (block.first < send_next_ || is_taken(block.first));
    if (is_known) {
        return {};
    }
    std::string made;
    if (block.is_large) {
        made = next_chunk(block);
    } else if (block.is_again || (block.has_counted() && block.first != send_next_)) {
        made = selected_of(block);
    } else {
        made = all_of(block);
    }
    sent_end_ = std::max(sent_end_, send_next_);
    return made;
}

/// Copied only if it may have to be sent again from memory.
std::string lane_sender::all_of(lane_block& block) {
    send_next_ = block.has_counted() ? block.end : send_next_;
    if (block.has_counted() && !block.is_spooled) {
        std::string copy = spare();
        copy.assign(block.bytes);
        return copy;
    }
    queue_bytes_ -= block.bytes.size();
    unsent_bytes_ -= block.bytes.size();
    return std::exchange(block.bytes, std::string());
}

void lane_sender::skip_to(lane_seq seq, std::string& made) {
    while (send_next_ < seq) {
        const auto count = std::min<lane_seq>(seq - send_next_, piece_length_max);
        char header[piece_header_bytes];
        store_piece_header(header, piece_kind::skip, count);
        made.append(header, sizeof header);
        send_next_ += count;
    }
}

std::string lane_sender::next_chunk(lane_block& block) {
    std::string made = spare();
    const std::size_t total = block.bytes.size();
    const bool begins = chunk_at_ == 0;
    if (begins && block.has_counted()) {
        skip_to(block.first, made);
        counts_.resent += block.first < sent_end_ ? 1 : 0;
        if (block.first < dup_below_) {
            mark_maybe_dup(block.bytes.data());
        }
    }
    const std::size_t head = begins ? total_bytes : 0;
    const std::size_t room = block_bytes_max_ - piece_header_bytes - head;
    const std::size_t part = std::min(room, total - chunk_at_);
    char header[piece_header_bytes + total_bytes];
    store_piece_header(header, begins ? piece_kind::begin : piece_kind::more, head + part);
    store_u32(header + piece_header_bytes, static_cast<std::uint32_t>(total));
    made.append(header, piece_header_bytes + head);
    made.append(block.bytes, chunk_at_, part);
    chunk_at_ = chunk_at_ + part < total ? chunk_at_ + part : 0;
    if (!is_in_chunks() && block.has_counted()) {
        send_next_ = block.end;
    }
    return made;
}

std::string lane_sender::selected_of(lane_block& block) {
    std::string made = spare();
    lane_seq seq = block.first;
    piece_reader pieces(block.bytes);
    while (const std::optional<piece> each = pieces.next()) {
        if (each->kind == piece_kind::skip) {
            seq += each->length;
            continue;
        }
        const bool is_counted = quality_of(each->content) != qos::at_most_once;
        const lane_seq number = is_counted ? seq++ : 0;
        if (block.is_again && (!is_counted || number < send_next_ || is_taken(number))) {
            continue;
        }
        const char* begin = each->content.data() - piece_header_bytes;
        if (is_counted) {
            skip_to(number, made);
            send_next_ = number + 1;
            counts_.resent += block.is_again && number < sent_end_ ? 1 : 0;
        }
        made.append(begin, piece_header_bytes + each->content.size());
        if (is_counted && number < dup_below_) {
            mark_maybe_dup(made.data() + made.size() - each->content.size());
        }
    }
    return made;
}

/// The first block has been sent, or nothing of it had to be.
void lane_sender::retire_front(time_point now) {
    lane_block sent = std::move(queue_.front());
    queue_.pop_front();
    unsent_bytes_ -= sent.bytes.size();
    uncounted_ -= sent.uncounted;
    if (sent.has_counted() && probe_ == 0) {
        probe_ = sent.end - 1;
        probe_at_ = now;
    }
    if (sent.has_counted() && !sent.is_spooled && sent.end > oldest_) {
        sent.sent_at = now;
        kept_.push_back(std::move(sent));
        return;
    }
    queue_bytes_ -= sent.bytes.size();
    give_back(std::move(sent.bytes));
}

// --- replies

result<void, lane_fault> lane_sender::on_reply(const lane_reply& reply, time_point now,
                                               lane_effects& out) {
    if (const auto fault = check(reply)) {
        ++counts_.faults;
        return failure(*fault);
    }
    taken_reader runs(reply.taken);
    while (const std::optional<taken_run> each = runs.next()) {
        apply(*each, out);
    }
    forget_taken();
    look_at_probe(now);
    credit_ += reply.credit_bytes;
    look_if_room(out);
    settle(now, out);
    return {};
}

std::optional<lane_fault> lane_sender::check(const lane_reply& reply) const {
    if (!is_linked_) {
        return lane_fault::unexpected;
    }
    if (reply.credit_bytes > lane_credit_bytes_max - credit_) {
        return lane_fault::credit_invalid;
    }
    if (reply.taken.size() > lane_reply_bytes_max) {
        return lane_fault::reply_malformed;
    }
    taken_reader runs(reply.taken);
    while (const std::optional<taken_run> each = runs.next()) {
        if (each->first + each->count > send_next_) {
            return lane_fault::never_sent;
        }
    }
    return runs.failed() ? std::optional(lane_fault::reply_malformed) : std::nullopt;
}

void lane_sender::apply(const taken_run& run, lane_effects& out) {
    const lane_seq end = run.first + run.count;
    lane_seq erase_from = end;
    for (lane_seq seq = std::max(run.first, oldest_); seq < end; ++seq) {
        tracked& each = at(seq);
        const bool is_news = !each.is_taken;
        each.is_taken = 1;
        unanswered_ -= is_news ? 1 : 0;
        counts_.taken += is_news ? 1 : 0;
        if (is_news && each.waiter != 0) {
            out.taken(each.waiter, run.reason);
        }
        if (is_news && each.is_spooled) {
            --spool_rows_;
            spool_bytes_ -= each.size;
            erase_from = std::min(erase_from, seq);
        }
    }
    // Numbers between that were never put, or are erased already, do no harm.
    if (erase_from < end) {
        out.spool_erase(erase_from, end - 1);
    }
}

void lane_sender::forget_taken() {
    while (!tracked_.empty() && tracked_.front().is_taken) {
        tracked_.pop_front();
        ++oldest_;
    }
    while (!kept_.empty() && kept_.front().end <= oldest_) {
        queue_bytes_ -= kept_.front().bytes.size();
        give_back(std::move(kept_.front().bytes));
        kept_.pop_front();
    }
    if (tracked_.empty() && queue_.empty()) {
        spares_.resize(std::min<std::size_t>(spares_.size(), 1)); // the burst is over
    }
}

void lane_sender::look_at_probe(time_point now) noexcept {
    if (probe_ != 0 && is_taken(probe_)) {
        last_delay_ = now - probe_at_;
        probe_ = 0;
    }
}

void lane_sender::track_as_taken(lane_seq end) {
    if (tracked_.empty()) {
        oldest_ = std::max(oldest_, end);
        sent_end_ = std::max(sent_end_, oldest_);
        return;
    }
    while (tracked_end() < end) {
        tracked_.push_back({.is_taken = 1});
    }
}

void lane_sender::forget_from(lane_seq end) {
    while (!tracked_.empty() && tracked_end() > end) {
        const tracked& last = tracked_.back();
        unanswered_ -= last.is_for_group && !last.is_taken ? 1 : 0;
        tracked_.pop_back();
    }
}

} // namespace gv::cluster
