// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/connection.hpp"

#include "base/log.hpp"
#include "broker/mqtt/frame.hpp"
#include "broker/shard/event_loop.hpp"

#include <array>

namespace gv::shard {

namespace {

// A gathered write of so many parts; a payload takes two.
constexpr std::size_t parts_max = 64;

} // namespace

connection::connection(event_loop& owner, core& core, transport::stream_ptr stream,
                       std::shared_ptr<const listener_profile> profile)
    : client(core, std::move(profile)), shard_(&owner), stream_(std::move(stream)) {
    stream_->set_handler(*this);
}

connection::~connection() {
    profile().open->fetch_sub(1, std::memory_order_relaxed);
    profile().open_total->fetch_sub(1, std::memory_order_relaxed);
}

void connection::start() { stream_->wait_readable(); }

void connection::on_readable() {
    shard_->begin_turn();
    if (is_ending_ || is_gone_) {
        discard_input();
    } else {
        read_some();
    }
}

void connection::read_some() {
    const std::span<char> scratch = shard_->scratch();
    const std::size_t kept = pending_ ? pending_->size() : 0;
    if (kept > 0) {
        if (kept >= scratch.size() / 2) {
            read_large();
            return;
        }
        pending_->copy(scratch.data(), kept);
    }
    const transport::io_result got = stream_->read(scratch.subspan(kept));
    if (got.state != transport::io_state::ok) {
        if (got.state == transport::io_state::would_block) {
            stream_->wait_readable();
        } else {
            lose(got);
        }
        shard_->end_turn_soon(0);
        return;
    }
    shard_->count_received(got.bytes);
    pending_.reset();
    if (take(scratch.first(kept + got.bytes))) {
        stream_->wait_readable();
    }
    shard_->end_turn_soon(got.bytes);
}

// A packet larger than half the scratch buffer grows in memory of its own.
void connection::read_large() {
    std::string& pending = *pending_;
    const mqtt::frame known = mqtt::next_frame(pending);
    const std::size_t had = pending.size();
    const std::size_t wanted = std::max(known.size, had + 1);
    pending.resize_and_overwrite(std::min(wanted, had + shard_->scratch().size()),
                                 [](char*, std::size_t size) { return size; });
    const transport::io_result got = stream_->read({pending.data() + had, pending.size() - had});
    pending.resize(had + (got.state == transport::io_state::ok ? got.bytes : 0));
    if (got.state != transport::io_state::ok && got.state != transport::io_state::would_block) {
        lose(got);
    } else {
        shard_->count_received(got.bytes);
        if (pending.size() < wanted) {
            stream_->wait_readable();
        } else if (const auto whole = std::exchange(pending_, nullptr);
                   take({whole->data(), whole->size()})) {
            stream_->wait_readable();
        }
    }
    shard_->end_turn_soon(shard_->scratch().size());
}

// Returns whether more is to be read.
bool connection::take(std::span<char> bytes) {
    const std::string_view input(bytes.data(), bytes.size());
    const std::size_t used = shard_->logic().on_input(*this, input);
    if (is_ending_ || is_gone_) {
        return !is_gone_;
    }
    keep(input.substr(used));
    return core::takes_input(*this);
}

void connection::keep(std::string_view rest) {
    pending_ = rest.empty() ? nullptr : std::make_unique<std::string>(rest);
}

void connection::resume_input() {
    if (is_ending_ || is_gone_) {
        return;
    }
    if (const auto input = std::exchange(pending_, nullptr)) {
        if (!take({input->data(), input->size()})) {
            return;
        }
    }
    if (core::takes_input(*this)) {
        stream_->wait_readable();
    }
}

// What comes after the end is read and thrown away, so that the kernel does not reset the
// connection under our last words.
void connection::discard_input() {
    const transport::io_result got = stream_->read(shard_->scratch());
    if (got.state == transport::io_state::ok || got.state == transport::io_state::would_block) {
        stream_->wait_readable();
    } else {
        is_gone_ = true;
        shard_->bury(*this);
    }
    shard_->end_turn_soon(0);
}

void connection::lose(const transport::io_result& result) {
    if (result.state == transport::io_state::failed) {
        log::debug({.conn = number(), .client = front().client_id()}, "connection_failed",
                   {{"from", peer_text()}, {"error", stream_->failure_text()}});
        const bool is_plain = stream_->kind() == transport::stream_kind::tcp;
        const bool has_spoken = front().state() != session::front::phase::awaiting_connect;
        shard_->failed_handshakes += is_plain || has_spoken ? 0U : 1U;
    }
    is_gone_ = true;
    shard_->logic().on_lost(*this, session::close_cause::connection_lost);
    shard_->bury(*this);
}

void connection::end() {
    is_ending_ = true;
    pending_.reset();
    shard_->linger(*this);
}

void connection::flush() {
    output_buffer& output = front().output();
    std::array<iovec, parts_max> parts;
    while (!output.empty() && !is_writing_ && !is_gone_ && !is_shut_) {
        const std::size_t used = output.gather(parts);
        const transport::io_result sent = stream_->write({parts.data(), used});
        if (sent.state == transport::io_state::would_block) {
            is_writing_ = true;
            stream_->wait_writable();
            return;
        }
        if (sent.state != transport::io_state::ok) {
            lose(sent);
            return;
        }
        shard_->count_sent(sent.bytes);
        output.consume(sent.bytes);
        shard_->logic().on_sent(*this, sent.bytes);
    }
    if (output.empty() && is_ending_) {
        say_goodbye();
    }
}

void connection::say_goodbye() {
    if (!is_shut_ && !is_gone_) {
        is_shut_ = true;
        stream_->shutdown();
        stream_->wait_readable();
    }
}

void connection::on_writable() {
    shard_->begin_turn();
    is_writing_ = false;
    flush();
    shard_->end_turn_soon(shard_->scratch().size());
}

void connection::cut() {
    is_gone_ = true;
    stream_->close();
    shard_->logic().on_lost(*this, session::close_cause::connection_lost);
    shard_->bury(*this);
}

std::optional<std::string> connection::certificate_identity() const {
    if (!profile().uses_identity_as_username) {
        return std::nullopt;
    }
    if (const auto agreed = stream_->tls(); agreed && !agreed->client_common_name.empty()) {
        return agreed->client_common_name;
    }
    return std::nullopt;
}

} // namespace gv::shard
