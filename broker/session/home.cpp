// SPDX-License-Identifier: Apache-2.0
#include "broker/session/home.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::session {

namespace {

constexpr std::uint32_t never_expires = 0xffff'ffff;

} // namespace

home::home(const home_context& context, home_owner& owner, std::string_view client_id,
           outbound_log* log)
    : context_(&context), owner_(&owner), log_(log), client_id_(client_id),
      client_hash_(hash64(client_id)) {}

void home::set_user(std::string_view name) {
    if (context_->users == nullptr) {
        return;
    }
    user_ = context_->users->of(name);
    if (session_) {
        session_->out.set_user(user_);
    }
}

void home::make_session() {
    session_ = std::make_unique<session_state>(context_->limits->outbound, *context_->queued,
                                               outbound::keeps::messages, log_);
    session_->out.set_user(user_);
}

void home::restore(stored_registration before) {
    epoch_ = before.epoch;
    session_expiry_ = before.session_expiry;
    make_session();
    if (before.will) {
        will_ = std::make_unique<kept_will>(*std::move(before.will));
        will_->lost_at = before.left_at == never ? now() : never;
    }
    await_return(before.left_at == never ? now() : before.left_at);
}

void home::on_attach(front_address from, attach_request request) {
    BROKER_ASSERT(!front_, "the connection before has not left");
    epoch_ = attach_epoch{epoch_.value + 1};
    settle_previous(request);
    const bool is_resumed = session_ != nullptr;
    front_ = from;
    expires_ = never;
    session_expiry_ = request.session_expiry;
    if (request.will) {
        will_ = std::make_unique<kept_will>(*std::move(request.will));
    }
    if (!session_ && session_expiry_ != 0) {
        make_session();
    }
    attached answer{
        .epoch = epoch_, .session_present = is_resumed, .is_held_by_home = session_ != nullptr};
    if (session_) {
        for (const std::uint16_t id : session_->inbound) {
            answer.inbound.push_back(packet_id{id});
        }
        session_->out.attach(request.receive_maximum);
        session_->replays.give_up_page();
    }
    context_->effects->answer_attach(*this, from, std::move(answer));
    if (session_) {
        session_->out.pump(now(), *this);
    }
}

// What a new connection means for what the one before left behind: a will that is still due is
// cancelled if the session goes on, and published if it ends (MQTT 5, 3.1.2.5, 3.1.3.2.2, 3.1.4).
// A client without a session that comes back while its will waits for a sign of life gives one.
void home::settle_previous(const attach_request& next) {
    if (!session_ && is_will_held()) {
        drop_will();
    }
    if (!session_ || next.clean_start) {
        publish_will();
        end_session();
    }
    drop_will();
}

void home::drop_will() noexcept {
    will_.reset();
    will_due_ = never;
}

void home::on_detach(attach_epoch epoch, const detach_notice& notice) {
    const bool is_polite = notice.cause == close_cause::client_disconnect
                           || notice.cause == close_cause::server_shutdown;
    if (epoch == epoch_ && !front_ && is_will_held() && is_polite) {
        drop_will(); // its node is there after all, and has published the will or knows of none
    }
    if (epoch != epoch_ || !front_) {
        return;
    }
    const front_address was = *std::exchange(front_, std::nullopt);
    if (session_) {
        session_->out.detach(*this);
    }
    session_expiry_ = notice.session_expiry.value_or(session_expiry_);
    if (is_polite) {
        will_.reset();
    }
    const bool is_in_doubt = will_ && notice.will_wait > duration{};
    if (session_expiry_ == 0 && !is_in_doubt) {
        publish_will();
    }
    if (session_expiry_ == 0) {
        end_session();
    } else {
        await_return(now());
    }
    if (is_in_doubt) {
        await_sign_of_life(was, notice.will_wait);
    }
    if (will_due_ <= now()) {
        publish_will();
    }
}

void home::await_return(time_point left_at) {
    if (session_expiry_ != never_expires) {
        expires_ = left_at + std::chrono::seconds(session_expiry_);
    }
    if (will_) {
        will_due_ = std::min(left_at + will_->delay, expires_);
    }
}

// A session does not end before its will may be published: then the client is not there any more.
void home::await_sign_of_life(front_address lost, duration at_least) {
    will_->lost_at = now();
    will_->lost_with = lost.shard;
    will_due_ = std::max(session_ ? will_due_ : now(), now() + at_least);
    expires_ = session_ ? std::max(expires_, will_due_) : never;
}

void home::on_certain_loss(shard_id party, duration grace) {
    if (!is_will_held() || will_->lost_with != party) {
        return;
    }
    const time_point was_due = will_due_;
    const time_point lost_at = will_->lost_at;
    expires_ = never;
    if (session_) {
        await_return(lost_at);
    } else {
        will_due_ = lost_at;
    }
    will_due_ = std::min(was_due, std::max(will_due_, now() + grace));
    expires_ = session_ ? std::max(expires_, will_due_) : never;
}

void home::await_clients(duration grace) {
    if (is_will_held() && !front_) {
        will_due_ = std::max(will_due_, now() + grace);
        expires_ = std::max(expires_, will_due_);
    }
}

std::optional<std::chrono::seconds> home::will_wait() const noexcept {
    if (!is_will_held()) {
        return std::nullopt;
    }
    return std::chrono::ceil<std::chrono::seconds>(std::max(will_due_ - now(), duration{}));
}

void home::publish_will() {
    if (!will_) {
        return;
    }
    const std::unique_ptr<kept_will> due = std::move(will_);
    will_due_ = never;
    context_->effects->publish_will(*this, due->published_at(now()));
}

void home::end_session() {
    expires_ = never;
    if (session_) {
        const std::unique_ptr<session_state> ended = std::move(session_);
        context_->effects->session_ended(*this, *ended);
    }
}

void home::delay_will(std::chrono::seconds least) {
    if (will_) {
        will_->delay = std::max(will_->delay, least);
    }
}

void home::take_over() {
    if (front_) {
        context_->effects->kick(*this, *front_, close_cause::taken_over,
                                mqtt::reason_code::session_taken_over,
                                "another connection has this client identifier");
    }
}

void home::remove() {
    drop_will();
    if (front_) {
        const front_address old = *std::exchange(front_, std::nullopt);
        context_->effects->kick(*this, old, close_cause::administrative,
                                mqtt::reason_code::administrative_action,
                                "the session was removed by an operator");
    }
    epoch_ = attach_epoch{epoch_.value + 1};
    end_session();
}

void home::adopt(std::uint32_t session_expiry, time_point left_at) {
    BROKER_ASSERT(session_ && !front_, "who is connected has the later one");
    session_expiry_ = session_expiry;
    expires_ =
        session_expiry == never_expires ? never : left_at + std::chrono::seconds(session_expiry);
}

void home::let_go() {
    BROKER_ASSERT(!front_, "who is connected is sent away before");
    will_.reset();
    will_due_ = never;
    end_session();
}

outbound::ack home::on_ack(const delivery_ack& ack) {
    if (!session_ || !front_) {
        return outbound::ack::unknown;
    }
    outbound& out = session_->out;
    if (ack.type == mqtt::packet_type::puback) {
        return out.on_puback(ack.id, *this, now());
    }
    if (ack.type == mqtt::packet_type::pubrec) {
        return out.on_pubrec(ack.id, ack.is_error, *this, now());
    }
    return out.on_pubcomp(ack.id, *this, now());
}

void home::on_delivery(const publication& what, const delivery& how) {
    session_->replays.note_live(what);
    if (how.quality == qos::at_most_once) {
        if (front_) {
            context_->effects->push(*this, *front_, what, how);
        } else {
            dropped(drop_reason::client_offline);
        }
        return;
    }
    if (!session_->out.deliver(what, how, outbound::queueing::limited, now(), *this) && front_) {
        context_->effects->kick(*this, *front_, close_cause::slow_reader,
                                mqtt::reason_code::quota_exceeded, "the queue is full");
    }
}

void home::on_replay_row(const publication& what, const delivery& how) {
    if (how.quality != qos::at_most_once) {
        session_->out.deliver(what, how, outbound::queueing::unlimited, now(), *this);
    } else if (front_) {
        context_->effects->push(*this, *front_, what, how);
    }
}

void home::on_room() {
    if (session_ && front_) {
        session_->out.pump(now(), *this);
    }
}

void home::on_durable() {
    if (session_) {
        session_->out.on_durable(now(), *this);
    }
}

void home::on_page(std::vector<queued_row> rows, std::uint64_t read_until) {
    if (session_) {
        session_->out.on_page(std::move(rows), read_until, now(), *this);
    }
}

time_point home::next_deadline() const noexcept { return std::min(will_due_, expires_); }

void home::on_deadline() {
    if (will_due_ <= now()) {
        publish_will();
    }
    if (expires_ <= now()) {
        publish_will();
        end_session();
    }
}

void home::transmit(const publication& what, const delivery& how) {
    context_->effects->push(*this, *front_, what, how);
}

void home::transmit_pubrel(packet_id id) { context_->effects->push_pubrel(*this, *front_, id); }

bool home::has_room() const { return front_ && context_->effects->has_room(*this, *front_); }

} // namespace gv::session
