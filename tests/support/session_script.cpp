// SPDX-License-Identifier: Apache-2.0
#include "tests/support/session_script.hpp"

#include "broker/mqtt/describe.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace gv::support {

using mqtt::packet_type;
using mqtt::reason_code;

namespace {

void fail(const place& at, const std::string& text) {
    ADD_FAILURE_AT(at.file_name(), static_cast<int>(at.line())) << text;
}

[[nodiscard]] std::string wire_id(const std::string& name) {
    return name.substr(0, name.find('#')); // "a#2" is a second connection of "a"
}

} // namespace

script_client::script_client(script& of, std::string id)
    : wire(of.node, wire_id(id)), script_(&of) {
    wire.watcher = this;
}

void script_client::on_delivery(std::string_view client, const delivered& what) {
    got.push_back(what);
    script_->ledger.delivery(std::string(client), what);
}

void script_client::on_publish_settled(std::string_view, std::string_view payload, bool is_taken) {
    script_->ledger.settled(std::string(payload), is_taken);
}

void script_client::on_suback(std::string_view client, packet_id id, bool is_removal) {
    if (!is_removal) {
        script_->ledger.subscribed(std::string(client), id);
    }
}

void script_client::on_connack(std::string_view client, bool is_session_present) {
    script_->sessions_gone += !is_session_present && !wire.last_connect().clean_start ? 1U : 0U;
    if (!is_session_present) {
        script_->ledger.session_ended(std::string(client));
    }
}

bool script_client::has_next() {
    wire.listen();
    return !wire.inbox.empty();
}

received script_client::next(place at) {
    if (!has_next()) {
        fail(at, wire.id() + ": nothing came" + (wire.is_closed() ? ", the broker closed" : ""));
        return {.bytes = std::make_unique<std::string>(), .packet = mqtt::pingreq_view{}};
    }
    received first = std::move(wire.inbox.front());
    wire.inbox.pop_front();
    return first;
}

received script_client::next_of(std::function<bool(const received&)> wanted, const char* what,
                                place at) {
    wire.listen();
    const auto found = std::ranges::find_if(wire.inbox, wanted);
    if (found == wire.inbox.end()) {
        fail(at, wire.id() + ": no " + what + " came"
                     + (wire.inbox.empty() ? "" : ", but " + text_of(wire.inbox.front())));
        return {.bytes = std::make_unique<std::string>(), .packet = mqtt::pingreq_view{}};
    }
    received taken = std::move(*found);
    wire.inbox.erase(found);
    return taken;
}

bool script_client::connect(const connect_request& how, place at) {
    wire.send_connect(how);
    const received answer = next(at);
    const auto* connack = answer.as<mqtt::connack_view>();
    if (connack == nullptr || connack->reason != reason_code::success) {
        fail(at, wire.id() + ": not accepted, but " + text_of(answer));
        return false;
    }
    const bool is_present = connack->session_present;
    script_->step(this);
    return is_present;
}

bool script_client::resume(mqtt::protocol_version version, place at) {
    return connect({.version = version,
                    .clean_start = false,
                    .session_expiry = version == mqtt::protocol_version::v5 ? 3600U : 0U},
                   at);
}

void script_client::subscribe(const std::string& filter, qos quality, place at) {
    subscribe(subscribe_request{.filter = filter, .quality = quality}, at);
}

void script_client::subscribe(const subscribe_request& what, place at) {
    const auto reasons = subscribe_all({what}, at);
    if (reasons.size() != 1 || reasons[0] != static_cast<reason_code>(what.quality)) {
        fail(at, wire.id() + ": " + what.filter + " was not granted");
    }
}

std::vector<reason_code> script_client::subscribe_all(const std::vector<subscribe_request>& what,
                                                      place at) {
    const packet_id id = wire.send_subscribe(what);
    script_->ledger.subscribing(wire.id(), id, what);
    const received answer = next_of(
        [id](const received& each) {
            const auto* suback = each.as<mqtt::suback_view>();
            return suback != nullptr && suback->id == id;
        },
        "SUBACK", at);
    const auto* suback = answer.as<mqtt::suback_view>();
    const auto reasons = suback == nullptr ? std::vector<reason_code>{} : suback->reasons;
    script_->step(this);
    return reasons;
}

void script_client::unsubscribe(const std::string& filter, place at) {
    script_->ledger.unsubscribing(wire.id(), {filter});
    const packet_id id = wire.send_unsubscribe({filter});
    next_of(
        [id](const received& each) {
            const auto* answer = each.as<mqtt::suback_view>();
            return answer != nullptr && answer->type == packet_type::unsuback && answer->id == id;
        },
        "UNSUBACK", at);
    script_->step(this);
}

packet_id script_client::publish(const publish_request& what, place) {
    script_->ledger.publishing(wire.id(), what);
    const packet_id id = wire.send_publish(what);
    script_->node.run();
    script_->step(this);
    return id;
}

packet_id script_client::publish(const std::string& topic, const std::string& payload, qos quality,
                                 place at) {
    return publish(publish_request{.topic = topic, .payload = payload, .quality = quality}, at);
}

void script_client::publish_settled(const publish_request& what, place at) {
    const packet_id id = publish(what, at);
    if (what.quality == qos::at_least_once) {
        expect_ack(packet_type::puback, id, at);
    } else if (what.quality == qos::exactly_once) {
        expect_ack(packet_type::pubrec, id, at);
        acknowledge(packet_type::pubrel, id, reason_code::success, at);
        expect_ack(packet_type::pubcomp, id, at);
    }
}

delivered script_client::receive(const std::string& topic, const std::string& payload, place at) {
    const received packet = next(at);
    const auto* publish = packet.as<mqtt::publish_view>();
    if (publish == nullptr || publish->payload != payload || got.empty()) {
        fail(at, wire.id() + ": expected " + payload + ", got " + text_of(packet));
        return {};
    }
    const auto found = std::find_if(got.rbegin(), got.rend(), [&](const delivered& each) {
        return each.payload == payload && each.id == publish->id;
    });
    delivered what = found == got.rend() ? delivered{} : *found;
    what.dup = publish->dup; // a repeated QoS 2 message is not among what was delivered
    if (what.topic != topic) {
        fail(at, wire.id() + ": expected topic " + topic + ", got " + what.topic);
    }
    script_->step(this);
    return what;
}

delivered script_client::take(const std::string& topic, const std::string& payload, place at) {
    delivered what = receive(topic, payload, at);
    if (what.quality == qos::at_least_once) {
        acknowledge(packet_type::puback, what.id, reason_code::success, at);
    } else if (what.quality == qos::exactly_once) {
        acknowledge(packet_type::pubrec, what.id, reason_code::success, at);
        next_of(
            [&](const received& each) {
                const auto* ack = each.as<mqtt::ack_view>();
                return ack != nullptr && ack->type == packet_type::pubrel && ack->id == what.id;
            },
            "PUBREL", at);
        script_->step(this);
        acknowledge(packet_type::pubcomp, what.id, reason_code::success, at);
    }
    return what;
}

reason_code script_client::expect_ack(packet_type type, packet_id id, place at) {
    const received packet = next(at);
    const auto* ack = packet.as<mqtt::ack_view>();
    if (ack == nullptr || ack->type != type || ack->id != id) {
        fail(at, wire.id() + ": expected an acknowledgement of " + std::to_string(id.value)
                     + ", got " + text_of(packet));
        return reason_code::unspecified_error;
    }
    const reason_code reason = ack->reason;
    script_->step(this);
    return reason;
}

void script_client::acknowledge(packet_type type, packet_id id, reason_code reason, place) {
    wire.send_ack(type, id, reason);
    script_->node.run();
    script_->step(this);
}

void script_client::expect_nothing(place at) {
    if (has_next()) {
        fail(at, wire.id() + ": expected nothing, got " + text_of(wire.inbox.front()));
    } else if (wire.is_closed()) {
        fail(at, wire.id() + ": the broker closed");
    }
    script_->step(this);
}

void script_client::expect_closed(std::optional<reason_code> reason, place at) {
    wire.listen();
    if (!wire.is_closed()) {
        fail(at, wire.id() + ": is still open");
    } else if (reason && wire.farewell() != *reason) {
        fail(at,
             wire.id() + ": closed without DISCONNECT " + std::string(reason_text(*reason))
                 + (wire.farewell() ? " but " + std::string(reason_text(*wire.farewell())) : ""));
    }
    wire.is_persistent() ? script_->ledger.went_away(wire.id())
                         : script_->ledger.session_ended(wire.id());
    script_->step(this);
}

void script_client::expect_refused(reason_code reason, place at) {
    const received packet = next(at);
    const auto* connack = packet.as<mqtt::connack_view>();
    if (connack == nullptr || connack->reason != reason) {
        fail(at, wire.id() + ": expected CONNACK " + std::string(reason_text(reason)) + ", got "
                     + text_of(packet));
    }
    wire.listen();
    if (!wire.is_closed()) {
        fail(at, wire.id() + ": is still open");
    }
    script_->step(this);
}

void script_client::disconnect(reason_code reason, std::optional<std::uint32_t> session_expiry,
                               place at) {
    wire.send_disconnect(reason, session_expiry);
    wire.listen();
    if (!wire.is_closed()) {
        fail(at, wire.id() + ": the broker did not close after DISCONNECT");
    }
    wire.is_persistent() ? script_->ledger.went_away(wire.id())
                         : script_->ledger.session_ended(wire.id());
    script_->step(this);
}

void script_client::cut(place) {
    wire.is_persistent() ? script_->ledger.went_away(wire.id())
                         : script_->ledger.session_ended(wire.id());
    wire.cut();
    script_->node.run();
    script_->step(this);
}

void script_client::ping(place at) {
    wire.send_ping();
    next_of([](const received& each) { return each.as<mqtt::pingresp_view>() != nullptr; },
            "PINGRESP", at);
    script_->step(this);
}

std::vector<std::string> script_client::payloads() const {
    std::vector<std::string> all;
    for (const delivered& each : got) {
        all.push_back(each.payload);
    }
    return all;
}

std::size_t script_client::count_of(std::string_view payload) const {
    return static_cast<std::size_t>(std::ranges::count(got, payload, &delivered::payload));
}

node_options spread_if_wanted(node_options options) {
    if (shards_of_spread_nodes > 0 && options.store == nullptr) {
        options.nodes = std::max<std::size_t>(options.shards, 2);
        options.shards = shards_of_spread_nodes;
    }
    return options;
}

script_client& script::client(const std::string& id) {
    const auto found = std::ranges::find_if(
        clients_, [&](const script_client& each) { return each.wire.id() == id; });
    if (found != clients_.end() && id.find('#') == std::string::npos) {
        return *found;
    }
    return clients_.emplace_back(*this, id);
}

void script::advance(duration time) {
    node.advance(time);
    step(nullptr);
}

void script::step(script_client* actor) {
    if (++steps_ == cut_at_) {
        actor_ = actor;
        throw cut_here{};
    }
}

void script::cut_and_resume(script_client* actor) {
    for (script_client& each : clients_) {
        const bool is_cut = cuts_ == cutting::everybody || &each == actor;
        if (!is_cut || !each.wire.has_peer()) {
            continue;
        }
        each.wire.is_persistent() ? ledger.went_away(each.wire.id())
                                  : ledger.session_ended(each.wire.id());
        each.wire.cut();
    }
    node.run();
}

void script::come_back(script_client& who) {
    connect_request again = who.wire.last_connect();
    again.clean_start = false;
    again.will.reset();
    again.shard = (again.shard + (shards_of_spread_nodes > 0 ? 1 : 0)) % node.shards();
    who.wire.send_connect(again);
    who.wire.listen();
    if (!who.wire.is_connected()) {
        ADD_FAILURE() << who.wire.id() << " cannot come back";
        return;
    }
    who.wire.resend();
    who.wire.listen();
}

void script::lose_connections() {
    for (script_client& each : clients_) {
        if (!each.wire.has_peer()) {
            continue;
        }
        if (each.wire.last_connect().clean_start && !each.wire.is_connected()) {
            anew_.insert(each.wire.id());
        }
        const bool is_over = !each.wire.is_persistent() || anew_.contains(each.wire.id());
        is_over ? ledger.session_ended(each.wire.id()) : ledger.went_away(each.wire.id());
        static_cast<void>(each.wire.let_go());
    }
    ledger.broker_died();
}

void script::come_back_all() {
    for (script_client& each : clients_) {
        if (each.wire.is_connected() || !each.wire.is_persistent()) {
            continue;
        }
        if (anew_.erase(each.wire.id()) != 0) {
            connect_request again = each.wire.last_connect();
            again.shard %= node.shards();
            each.wire.send_connect(again);
            each.wire.listen();
        } else {
            come_back(each);
        }
    }
}

void script::settle(place at) {
    for (script_client& each : clients_) {
        each.wire.listen();
        each.wire.is_automatic = true;
    }
    for (script_client& each : clients_) {
        if (each.wire.is_closed() && each.wire.is_persistent()
            && !each.wire.last_connect().clean_start) {
            come_back(each);
        }
    }
    for (int round = 0; round < 50; ++round) {
        for (script_client& each : clients_) {
            each.wire.listen();
        }
        if (round % 10 == 9) {
            node.advance(200ms);
        }
    }
    for (script_client& each : clients_) {
        if (each.wire.is_connected()) {
            each.wire.send_ping();
            each.wire.listen();
            if (each.wire.pings_unanswered() != 0) {
                fail(at, each.wire.id() + " is stuck");
            }
            if (each.wire.unsettled() != 0) {
                fail(at, each.wire.id() + " still waits for acknowledgements");
            }
        }
    }
    ledger.finish();
    for (const std::string& each : ledger.complaints()) {
        fail(at, each);
    }
    if (node.queues().in_flight != 0 || node.queues().messages != 0) {
        fail(at, "messages are still in flight or queued");
    }
    if (node.bytes_in_use() != 0) {
        fail(at, "output buffers were not given back");
    }
}

void replay_with_cuts(const node_options& options, const std::function<void(script&)>& steps,
                      place at) {
    std::size_t all = 0;
    {
        script whole(options);
        steps(whole);
        whole.settle(at);
        all = whole.steps_;
    }
    for (const auto cuts : {script::cutting::actor, script::cutting::everybody}) {
        for (std::size_t step = 1; step <= all && !testing::Test::HasFailure(); ++step) {
            SCOPED_TRACE("cut after step " + std::to_string(step)
                         + (cuts == script::cutting::everybody ? ", everybody" : ""));
            script again(options);
            again.cut_at_ = step;
            again.cuts_ = cuts;
            try {
                steps(again);
            } catch (const script::cut_here&) {
                again.cut_at_ = 0;
                again.cut_and_resume(again.actor_);
            }
            again.settle(at);
        }
    }
}

} // namespace gv::support
