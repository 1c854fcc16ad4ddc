// SPDX-License-Identifier: Apache-2.0
#include "cluster/lane_receiver.hpp"

#include <algorithm>

namespace gv::cluster {

namespace {
/// No lane lives so long; above it sums might wrap.
constexpr lane_seq lane_seq_max = lane_seq{1} << 62;
constexpr lane_seq most_known = lane_unanswered_max;

/// Requires: in ascending order.
void merge(std::vector<taken_run>& runs) {
    std::size_t last = 0;
    for (std::size_t each = 1; each < runs.size(); ++each) {
        taken_run& before = runs[last];
        if (before.first + before.count == runs[each].first && before.reason == runs[each].reason) {
            before.count += runs[each].count;
        } else {
            runs[++last] = runs[each];
        }
    }
    runs.resize(runs.empty() ? 0 : last + 1);
}
} // namespace

lane_receiver::lane_receiver(const lane_identity& lane, boot_id boot,
                             const lane_receiver_options& options, lane_seq watermark)
    : lane_(lane), boot_(boot), options_(options), expected_(std::max<lane_seq>(watermark, 1)),
      answered_to_(expected_) {
    options_.credit_bytes = std::min(options_.credit_bytes, lane_credit_bytes_max);
    options_.credit_portion_bytes =
        std::min(options_.credit_portion_bytes, options_.credit_bytes / 8);
    options_.reply_bytes_max = std::min(options_.reply_bytes_max, lane_reply_bytes_max);
}

// --- link

result<lane_welcome, lane_fault> lane_receiver::on_hello(const lane_hello& hello) {
    on_disconnected();
    if (hello.lane != lane_) {
        return fail(lane_fault::wrong_lane);
    }
    if (hello.oldest == 0 || hello.oldest > lane_seq_max) {
        return fail(lane_fault::numbers_invalid);
    }
    const lane_seq least = is_started_ ? base_ : expected_ - std::min(expected_, most_known);
    if (hello.oldest < least) {
        return fail(lane_fault::numbers_invalid);
    }
    if (!is_started_) {
        start_at(hello.oldest);
    }
    if (const auto fault = confirm(hello.oldest)) {
        return fail(*fault);
    }
    collect_again();
    is_linked_ = true;
    allowed_bytes_ = options_.credit_bytes - std::min(held_bytes_, options_.credit_bytes);
    return lane_welcome{.boot = boot_, .expected = expected_, .credit_bytes = allowed_bytes_};
}

/// What an earlier life of this node had is answered with success.
void lane_receiver::start_at(lane_seq oldest) {
    is_started_ = true;
    base_ = oldest;
    expected_ = std::max(expected_, oldest);
    answered_to_ = expected_;
    for (lane_seq each = base_; each < expected_; ++each) {
        states_.push_back(0);
    }
}

void lane_receiver::on_disconnected() {
    is_linked_ = false;
    assembly_ = {};
    assembly_total_ = 0;
    answers_.clear();
    allowed_bytes_ = 0;
    freed_bytes_ = 0;
}

std::unexpected<lane_fault> lane_receiver::fail(lane_fault fault) {
    ++counts_.faults;
    on_disconnected();
    return failure(fault);
}

// --- frames

std::optional<lane_fault> lane_receiver::begin(const lane_frame& frame) {
    if (!is_linked_) {
        return lane_fault::unexpected;
    }
    if (frame.bytes.empty() || frame.bytes.size() > lane_frame_bytes_max) {
        return lane_fault::frame_too_large;
    }
    if (frame.bytes.size() > allowed_bytes_) {
        return lane_fault::credit_exceeded;
    }
    if (frame.first == 0 || frame.first > lane_seq_max || frame.oldest > frame.first) {
        return lane_fault::numbers_invalid;
    }
    if (frame.first > std::max(expected_, frame.oldest)) {
        return lane_fault::gap;
    }
    return confirm(frame.oldest);
}

std::size_t lane_receiver::end(const lane_frame& frame, std::size_t given) {
    const std::uint64_t size = frame.bytes.size();
    ++counts_.frames;
    counts_.bytes += size;
    counts_.messages += given;
    allowed_bytes_ -= size;
    held_bytes_ += size;
    if (assembly_total_ == 0) {
        assembly_ = {};
    }
    if (given > 0) {
        return size;
    }
    // Nobody would release it: a part of a message to come, or what was had before.
    release(size);
    return 0;
}

lane_receiver::step lane_receiver::next(piece_reader& pieces, lane_seq& seq,
                                        const message_reading& reading, publication& seen,
                                        forward_flags& flags) {
    const auto wrong = [](lane_fault fault) {
        return step{.what = step::kind::fault, .fault = fault};
    };
    const std::optional<piece> found = pieces.next();
    if (!found) {
        return wrong(lane_fault::frame_malformed);
    }
    if ((assembly_total_ != 0) != (found->kind == piece_kind::more)) {
        return wrong(lane_fault::chunk_misplaced);
    }
    if (found->kind == piece_kind::whole) {
        return give(found->content, seq, reading, seen, flags);
    }
    if (found->kind == piece_kind::skip) {
        const auto fault = skip(found->length, seq);
        return fault ? wrong(*fault) : step{};
    }
    if (const auto fault = assemble(*found)) {
        return wrong(*fault);
    }
    const bool is_whole = assembly_.size() == assembly_total_;
    return is_whole ? give(assembly_, seq, reading, seen, flags) : step{};
}

lane_receiver::step lane_receiver::give(std::string_view message, lane_seq& seq,
                                        const message_reading& reading, publication& seen,
                                        forward_flags& flags) {
    assembly_total_ = 0;
    if (const auto fault = decode_message(message, reading, seen, flags)) {
        return {.what = step::kind::fault, .fault = *fault};
    }
    if (seen.header.quality == qos::at_most_once) {
        return {.what = step::kind::message};
    }
    const lane_seq number = seq++;
    if (number < expected_) {
        ++counts_.duplicates;
        return {};
    }
    if (states_.size() >= lane_unanswered_max) {
        return {.what = step::kind::fault, .fault = lane_fault::too_many_unanswered};
    }
    states_.push_back(is_waiting);
    ++expected_;
    ++unanswered_;
    return {.what = step::kind::message, .seq = number};
}

std::optional<lane_fault> lane_receiver::assemble(const piece& part) {
    std::string_view bytes = part.content;
    if (part.kind == piece_kind::begin) {
        read_cursor head(bytes);
        assembly_total_ = head.u32();
        bytes = head.rest();
        assembly_.clear();
        if (assembly_total_ > options_.message_bytes_max) {
            return lane_fault::message_too_large;
        }
    }
    if (bytes.empty() || bytes.size() > assembly_total_ - assembly_.size()) {
        return lane_fault::frame_malformed;
    }
    assembly_.append(bytes);
    return std::nullopt;
}

std::optional<lane_fault> lane_receiver::skip(std::uint32_t count, lane_seq& seq) {
    seq += count;
    if (seq > expected_ && states_.size() + (seq - expected_) > lane_unanswered_max) {
        return lane_fault::too_many_unanswered;
    }
    for (; expected_ < seq; ++expected_) {
        states_.push_back(is_skipped);
    }
    advance();
    return std::nullopt;
}

// --- answers

void lane_receiver::answer(lane_seq seq, lane_reason reason) {
    BROKER_ASSERT(seq >= base_ && seq < expected_ && states_[seq - base_] == is_waiting,
                  "an answer is to a message that was given out and not answered");
    states_[seq - base_] = reason;
    --unanswered_;
    if (is_linked_) {
        collect(seq, reason);
    }
    advance();
}

void lane_receiver::advance() noexcept {
    while (answered_to_ < expected_
           && (answered_to_ < base_ || states_[answered_to_ - base_] != is_waiting)) {
        ++answered_to_;
    }
}

void lane_receiver::collect(lane_seq seq, lane_reason reason) {
    if (!answers_.empty()) {
        taken_run& last = answers_.back();
        if (last.first + last.count == seq && last.reason == reason) {
            ++last.count;
            return;
        }
        answers_are_sorted_ = answers_are_sorted_ && last.first < seq;
    } else {
        answers_are_sorted_ = true;
    }
    answers_.push_back({.first = seq, .count = 1, .reason = reason});
}

void lane_receiver::collect_again() {
    answers_.clear();
    for (std::size_t each = 0; each < states_.size(); ++each) {
        if (states_[each] < is_waiting) {
            collect(base_ + each, static_cast<lane_reason>(states_[each]));
        }
    }
}

std::optional<lane_fault> lane_receiver::confirm(lane_seq oldest) {
    if (oldest > answered_to_ && answered_to_ < expected_) {
        return lane_fault::numbers_invalid; // not so: this one was not answered
    }
    while (base_ < oldest && !states_.empty()) {
        states_.pop_front();
        ++base_;
    }
    if (base_ < oldest) { // taken by an earlier life of this node
        base_ = expected_ = answered_to_ = oldest;
    }
    return std::nullopt;
}

void lane_receiver::release(std::size_t bytes) {
    BROKER_ASSERT(bytes <= held_bytes_, "only what was given out is released");
    held_bytes_ -= bytes;
    freed_bytes_ += is_linked_ ? bytes : 0;
}

// --- replies

bool lane_receiver::has_reply() const noexcept {
    // Less than a portion waits for the next, unless the sender may need it for one large frame.
    const bool is_short = held_bytes_ == 0 && allowed_bytes_ < lane_frame_bytes_max;
    const bool gives_credit =
        freed_bytes_ > 0 && (is_short || freed_bytes_ >= options_.credit_portion_bytes);
    return is_linked_ && (!answers_.empty() || gives_credit);
}

std::optional<lane_reply> lane_receiver::take_reply() {
    if (!has_reply()) {
        return std::nullopt;
    }
    if (!answers_are_sorted_) {
        std::ranges::sort(answers_, {}, &taken_run::first);
        merge(answers_);
        answers_are_sorted_ = true;
    }
    lane_reply made;
    const std::size_t told = encode_taken(answers_, options_.reply_bytes_max, made.taken);
    answers_.erase(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(told));
    made.credit_bytes = std::exchange(freed_bytes_, 0);
    allowed_bytes_ += made.credit_bytes;
    ++counts_.replies;
    return made;
}

lane_receiver_counts lane_receiver::counted() const noexcept {
    lane_receiver_counts all = counts_;
    all.unanswered = unanswered_;
    all.held_bytes = held_bytes_;
    return all;
}

} // namespace gv::cluster
