// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/actor.hpp"

#include <algorithm>
#include <array>

namespace gv::simulation {

using mqtt::protocol_version;
using mqtt::reason_code;
using support::connect_request;
using support::delivered;
using support::publish_request;
using support::subscribe_request;
using will = promises::will;

namespace {

constexpr std::size_t topics = 4;
/// Deadlines fire within 200 ms, and batches between shards take their time.
constexpr duration slack = 2s;
constexpr std::uint32_t v3_expiry = 30 * 86'400;

} // namespace

character any_character(stage& on) {
    character made;
    constexpr std::array versions{protocol_version::v5, protocol_version::v5,
                                  protocol_version::v3_1_1, protocol_version::v3_1};
    constexpr std::array<std::uint32_t, 4> expiries{0, 5, 600, 0xffff'ffff};
    constexpr std::array<std::uint16_t, 5> maximums{0, 0, 1, 3, 20};
    made.version = versions[on.below(versions.size())];
    made.session_expiry = expiries[on.below(expiries.size())];
    if (made.version == protocol_version::v5) {
        made.receive_maximum = maximums[on.below(maximums.size())];
        made.topic_alias_max = on.one_in(3) ? 4 : 0;
    }
    made.retained_quality = on.one_in(2) ? qos::at_most_once : qos::exactly_once;
    made.is_slow = on.one_in(4);
    made.is_torn = on.one_in(4);
    made.is_sharing = on.one_in(3);
    return made;
}

actor::actor(stage& on, std::string name, const character& how)
    : stage_(&on), how_(how), wire_(on.node, std::move(name)) {
    wire_.watcher = this;
}

void actor::act() {
    wire_.let_out(stage_->below(200));
    if (wire_.is_closed()) {
        closed_by_broker();
        if (stage_->one_in(3)) {
            connect();
        }
    } else if (!wire_.is_connected()) {
        stage_->one_in(12) ? cut() : listen();
    } else {
        act_connected();
    }
}

void actor::act_connected() {
    const std::uint64_t what = stage_->below(100);
    if (what < 40) {
        publish();
    } else if (what < 62) {
        take_some();
    } else if (what < 80) {
        acknowledge_some();
    } else if (what < 88) {
        subscribe_any();
    } else if (what < 90) {
        unsubscribe_one();
    } else if (what < 92) {
        wire_.send_ping();
    } else if (what < 95) {
        cut();
    } else if (what < 97) {
        disconnect();
    } else if (what < 98) {
        leave_behind();
        connect();
    } else {
        stage_->node.run();
    }
}

connect_request actor::connection() {
    const bool is_v5 = how_.version == protocol_version::v5;
    // A 3.1 client is not told whether there is a session, so it must know.
    const bool is_in_doubt =
        how_.version == protocol_version::v3_1 && expectation(false) == expected::anything;
    const bool wants_clean = is_in_doubt || must_start_clean_ || stage_->one_in(8)
                             || (!is_v5 && how_.session_expiry == 0);
    connect_request how{.version = how_.version,
                        .clean_start = wants_clean,
                        .session_expiry = is_v5 ? how_.session_expiry : 0,
                        .receive_maximum = how_.receive_maximum,
                        .topic_alias_max = how_.topic_alias_max,
                        .shard = stage_->below(stage_->node.shards())};
    will_.clear();
    if (!how_.is_observer && stage_->one_in(2)) {
        will_ = fresh_payload("will ", 1);
        is_will_delayed_ = is_v5 && stage_->one_in(2);
        how.will = {.topic = "will/" + name(),
                    .payload = will_,
                    .quality = stage_->any_qos(),
                    .delay = is_will_delayed_ ? 1U : 0U};
    }
    return how;
}

// Some time passes before a client can be back, so that what it publishes next is newer by the
// clock of any shard.
void actor::connect() {
    stage_->node.advance(2ms);
    if (stage_->node.now() < unanswered_until_) {
        return; // the attempt before may still be under way, and would come in behind this one
    }
    const connect_request how = connection();
    in_order_from_ = stage_->node.now() + stage_->lag_max();
    expected_ = expectation(how.clean_start);
    if (expected_ == expected::absent) {
        wire_.forget_session();
    }
    must_start_clean_ = how.clean_start;
    is_answered_ = false;
    wire_.holds_back = how_.is_torn && !behaves_;
    stage_->note(name(), std::string("CONNECT") + (how.clean_start ? " clean" : "") + " on shard "
                             + std::to_string(how.shard) + " " + will_);
    wire_.send_connect(how);
    if (how_.is_slow && !behaves_) {
        wire_.peer().socket_room = 100;
    }
    if (how_.is_sharing) {
        stage_->group_changes();
    }
}

actor::expected actor::expectation(bool is_clean) const {
    if (is_clean || session_ == session::none) {
        return expected::absent;
    }
    if (session_ == session::unknown) {
        return expected::anything;
    }
    const time_point now = stage_->node.now();
    return now + slack < kept_until_   ? expected::present
           : now > kept_until_ + slack ? expected::absent
                                       : expected::anything;
}

std::string actor::fresh_payload(const char* prefix, std::size_t padding_max) {
    return prefix + name() + "#" + std::to_string(++published_) + " "
           + std::string(stage_->below(padding_max), 'x');
}

void actor::publish() {
    publish_request what{.topic = "t/" + std::to_string(stage_->below(topics)),
                         .payload = fresh_payload("", stage_->one_in(20) ? 6'000 : 60),
                         .quality = stage_->any_qos()};
    if (wire_.unsettled() >= wire_.receive_maximum()) {
        return;
    }
    if (stage_->one_in(5)) {
        what.topic = "r/" + name();
        what.retain = true;
        // Never sent twice: what is sent again at QoS 1 is rightly newer than what came after it.
        what.quality = how_.retained_quality;
        stage_->told.retained_published(what.payload, stage_->node.now());
        retained_[what.payload] = what.topic;
    } else if (how_.version == protocol_version::v5 && stage_->one_in(10)) {
        what.expiry = 1;
    }
    stage_->note(name(), "PUBLISH " + what.topic + " QoS "
                             + std::to_string(static_cast<int>(what.quality))
                             + (what.retain ? " retained " : " ") + what.payload.substr(0, 12));
    stage_->ledger.owes_groups = stage_->node.now() >= stage_->groups_settle_at;
    stage_->ledger.keeps_order = stage_->node.now() >= in_order_from_;
    stage_->ledger.publishing(name(), what);
    wire_.send_publish(what);
}

void actor::subscribe_any() {
    constexpr std::array filters{"t/#", "t/+", "t/0", "t/1", "t/2", "r/#", "r/+", "#", "r/a0"};
    constexpr std::array shared{"$share/g/t/#", "$share/h/t/1", "$share/g/t/+", "$share/h/#"};
    const bool is_shared = how_.is_sharing && stage_->one_in(2);
    subscribe_request what{.filter = is_shared ? shared[stage_->below(shared.size())]
                                               : filters[stage_->below(filters.size())],
                           .quality = stage_->any_qos()};
    if (how_.version == protocol_version::v5) {
        what.id = static_cast<std::uint32_t>(stage_->below(3));
        what.no_local = !is_shared && stage_->one_in(4);
        what.handling = static_cast<mqtt::retain_handling>(stage_->below(3));
    }
    subscribe(what);
}

void actor::subscribe(const subscribe_request& what) {
    stage_->note(name(), "SUBSCRIBE " + what.filter + " QoS "
                             + std::to_string(static_cast<int>(what.quality)));
    if (!what.filter.starts_with("t/")) {
        replay_asked_ = replays_++ == 0 ? stage_->node.now() : replay_asked_;
    }
    if (std::ranges::find(filters_, what.filter) == filters_.end()) {
        filters_.push_back(what.filter);
    }
    if (how_.is_sharing) {
        stage_->group_changes();
    }
    const packet_id id = wire_.send_subscribe({what});
    stage_->ledger.subscribing(name(), id, {what});
}

void actor::unsubscribe_one() {
    if (filters_.empty()) {
        return;
    }
    const std::string filter = filters_[stage_->below(filters_.size())];
    std::erase(filters_, filter);
    stage_->note(name(), "UNSUBSCRIBE " + filter);
    if (how_.is_sharing) {
        stage_->group_changes();
    }
    stage_->ledger.unsubscribing(name(), {filter});
    wire_.send_unsubscribe({filter});
}

void actor::take_some() {
    if (how_.is_slow && !behaves_) {
        std::size_t& room = wire_.peer().socket_room;
        room = stage_->one_in(3) ? 0 : stage_->below(2'000);
    }
    listen();
}

void actor::acknowledge_some() {
    for (std::uint64_t left = stage_->below(8); left > 0 && !wire_.owed.empty(); --left) {
        const auto next = wire_.owed.front();
        wire_.send_ack(next.type, next.id);
    }
}

void actor::listen() {
    wire_.listen();
    wire_.inbox.clear();
    if (must_resend_) {
        must_resend_ = false;
        stage_->note(name(), "sends again");
        wire_.resend();
    }
    if (wire_.has_peer() && wire_.is_closed()) {
        closed_by_broker();
    }
}

void actor::cut() {
    stage_->note(name(), "cut");
    const bool is_due =
        wire_.is_connected() && !is_will_delayed_ && !stage_->how().has_tight_limits;
    gone(is_due ? will::due : will::open);
    wire_.cut();
}

void actor::disconnect() {
    stage_->note(name(), "DISCONNECT");
    wire_.send_disconnect();
    wire_.let_out();
    const auto left = wire_.let_go();
    stage_->node.run();
    // Held back, it may be read after the next connection of this client has taken over.
    gone(left->is_closed() && !stage_->how().may_disconnect ? will::never : will::open);
    stage_->strays.push_back(left);
}

// The connection is forgotten; the broker finds out by itself, or by a takeover.
void actor::leave_behind() {
    stage_->note(name(), "leaves its connection behind");
    gone(will::open);
    stage_->strays.push_back(wire_.let_go());
}

void actor::gone(will fate) {
    if (!will_.empty()) {
        stage_->told.will_is(will_, fate);
        will_.clear();
    }
    const time_point now = stage_->node.now();
    const bool is_persistent = wire_.is_persistent();
    if (!is_answered_) {
        unanswered_until_ = now + stage_->lag_max();
        if (session_ != session::kept || now + slack >= kept_until_) {
            // Did it resume what there was, or make a session of its own?
            must_start_clean_ = true;
        }
        session_ = session::unknown;
    }
    if (stage_->how().may_disconnect) {
        session_ = session::unknown; // the broker may have ended the connection before
    } else if (session_ == session::kept && is_persistent) {
        const std::uint32_t seconds =
            how_.version == protocol_version::v5 ? how_.session_expiry : v3_expiry;
        kept_until_ = seconds == 0xffff'ffff ? never - slack : now + std::chrono::seconds(seconds);
    }
    if (how_.is_sharing) {
        stage_->group_changes();
    }
    is_persistent ? stage_->ledger.went_away(name()) : stage_->ledger.session_ended(name());
    if (!is_persistent) {
        stage_->told.session_ended(name());
    }
    must_resend_ = false;
}

void actor::closed_by_broker() {
    if (!wire_.has_peer()) {
        return;
    }
    const auto reason = wire_.farewell();
    stage_->note(name(), "closed by the broker");
    const bool is_explained =
        stage_->how().may_disconnect && (!reason || reason == reason_code::quota_exceeded);
    if (!is_explained) {
        stage_->complain(name() + " was closed by the broker: "
                         + std::string(reason ? mqtt::reason_name(*reason) : "no reason"));
    }
    gone(will::open);
    wire_.cut();
}

void actor::behave() {
    behaves_ = true;
    wire_.let_out();
    wire_.holds_back = false;
    wire_.is_automatic = true;
    if (wire_.has_peer()) {
        wire_.peer().socket_room = static_cast<std::size_t>(-1);
    }
}

void actor::come_back() {
    if (!wire_.has_peer() || wire_.is_closed()) {
        closed_by_broker();
        connect();
    }
    listen();
}

bool actor::is_quiet() const {
    return wire_.is_connected() && wire_.unsettled() == 0 && wire_.owed.empty();
}

void actor::expect_pong() {
    wire_.send_ping();
    listen();
    if (wire_.pings_unanswered() != 0) {
        stage_->complain(name() + " is stuck: PINGREQ is not answered");
    }
    if (wire_.unsettled() != 0) {
        stage_->complain(name() + " waits for an acknowledgement of what it published");
    }
}

void actor::leave() {
    const bool is_v5 = how_.version == protocol_version::v5;
    if (!is_v5 && wire_.is_persistent()) {
        wire_.cut();
        expected_ = expected::absent;
        wire_.send_connect({.version = how_.version, .clean_start = true});
        wire_.listen();
    }
    wire_.send_disconnect(reason_code::success, is_v5 ? std::optional(0U) : std::nullopt);
    stage_->node.run();
    wire_.cut();
}

void actor::on_delivery(std::string_view, const delivered& what) {
    stage_->note(name(), "got " + what.topic + (what.retain ? " retained " : " ")
                             + what.payload.substr(0, 12) + " QoS "
                             + std::to_string(static_cast<int>(what.quality))
                             + (what.dup ? " DUP" : ""));
    stage_->ledger.delivery(name(), what);
    // With a subscription before, the present value may have come while it was on its way to the
    // shard that keeps it.
    const bool is_again = replays_ > 1;
    stage_->told.seen(name(), what, is_again ? replay_asked_ - stage_->lag_max() : never);
    if (how_.is_observer) {
        stage_->told.observed(what);
    }
}

void actor::on_publish_settled(std::string_view, std::string_view payload, bool is_taken) {
    const std::string key(payload);
    stage_->note(name(), (is_taken ? "taken: " : "refused: ") + key.substr(0, 12));
    stage_->ledger.settled(key, is_taken);
    if (const auto found = retained_.find(key); is_taken && found != retained_.end()) {
        stage_->told.retained_taken(found->second, payload);
    }
}

void actor::on_suback(std::string_view, packet_id id, bool is_removal) {
    if (!is_removal) {
        stage_->note(name(), "SUBACK");
        stage_->ledger.subscribed(name(), id);
    }
}

void actor::on_connack(std::string_view, bool is_session_present) {
    if (how_.version == protocol_version::v3_1) {
        is_session_present = expected_ == expected::present;
    }
    stage_->note(name(), is_session_present ? "CONNACK, session present" : "CONNACK");
    const bool may_have_expired = stage_->node.now() + slack >= kept_until_;
    if ((expected_ == expected::present && !may_have_expired && !is_session_present)
        || (expected_ == expected::absent && is_session_present)) {
        stage_->complain(
            name()
            + (is_session_present ? " found a session that had ended" : " lost its session"));
    }
    if (!is_session_present) {
        filters_.clear();
        replays_ = 0;
        stage_->ledger.session_ended(name());
        stage_->told.session_ended(name());
    }
    must_start_clean_ = false;
    is_answered_ = true;
    must_resend_ = is_session_present;
    session_ = wire_.is_persistent() ? session::kept : session::none;
    kept_until_ = never - slack;
}

} // namespace gv::simulation
