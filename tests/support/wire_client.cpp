// SPDX-License-Identifier: Apache-2.0
#include "tests/support/wire_client.hpp"

#include "broker/mqtt/describe.hpp"
#include "broker/mqtt/frame.hpp"

#include <algorithm>
#include <stdexcept>

namespace gv::support {

using mqtt::packet_type;
using mqtt::property;

namespace {

[[nodiscard]] std::string connect_properties(const connect_request& how) {
    mqtt::property_writer given;
    if (how.session_expiry != 0) {
        given.add(property::session_expiry_interval, how.session_expiry);
    }
    if (how.receive_maximum != 0) {
        given.add(property::receive_maximum, how.receive_maximum);
    }
    if (how.packet_size_max != 0) {
        given.add(property::maximum_packet_size, how.packet_size_max);
    }
    if (how.topic_alias_max != 0) {
        given.add(property::topic_alias_maximum, how.topic_alias_max);
    }
    if (!how.authentication_method.empty()) {
        given.add(property::authentication_method, how.authentication_method);
        given.add(property::authentication_data, how.authentication_data);
    }
    return given.take() + how.more_properties;
}

[[nodiscard]] std::string will_properties(const will_request& will) {
    mqtt::property_writer given;
    if (will.delay != 0) {
        given.add(property::will_delay_interval, will.delay);
    }
    if (will.expiry) {
        given.add(property::message_expiry_interval, *will.expiry);
    }
    return given.take();
}

} // namespace

std::string text_of(const received& what) { return mqtt::describe(what.packet); }

bool wire_client::is_persistent() const noexcept {
    return version_ == mqtt::protocol_version::v5 ? connect_.session_expiry != 0
                                                  : !connect_.clean_start;
}

void wire_client::open(std::size_t shard, std::shared_ptr<const shard::listener_profile> profile) {
    peer_ = node_->open(shard, std::move(profile));
    unread_.clear();
    held_back_.clear();
    inbox.clear();
    owed.clear();
    asked_.clear();
    aliases_.clear();
    farewell_.reset();
    receive_maximum_ = 65'535;
    pings_ = 0;
    is_connected_ = false;
}

void wire_client::send_connect(const connect_request& how) {
    if (is_closed()) {
        open(how.shard);
    }
    connect_ = how;
    version_ = how.version;
    mqtt::connect_view packet{.version = how.version,
                              .clean_start = how.clean_start,
                              .keep_alive = how.keep_alive,
                              .client_id = id_};
    const std::string properties = connect_properties(how);
    const std::string of_will = how.will ? will_properties(*how.will) : std::string();
    if (how.version == mqtt::protocol_version::v5) {
        packet.properties = mqtt::property_view(properties);
    }
    if (how.will) {
        packet.will = mqtt::will_view{.topic = how.will->topic,
                                      .payload = how.will->payload,
                                      .quality = how.will->quality,
                                      .retain = how.will->retain};
        if (how.version == mqtt::protocol_version::v5) {
            packet.will->properties = mqtt::property_view(of_will);
        }
    }
    packet.username = how.username;
    packet.password = how.password;
    if (how.clean_start) {
        forget_session();
    }
    std::string bytes;
    mqtt::encode(packet, bytes);
    write(bytes);
}

void wire_client::forget_session() {
    outgoing_.clear();
    incoming_.clear();
}

void wire_client::write(std::string_view bytes) {
    if (holds_back) {
        held_back_.append(bytes);
    } else if (peer_) {
        peer_->write(bytes);
    }
}

void wire_client::let_out(std::size_t bytes_max) {
    const std::size_t some = std::min(bytes_max, held_back_.size());
    if (peer_ && some > 0) {
        peer_->write(held_back_.substr(0, some));
        held_back_.erase(0, some);
    }
}

void wire_client::cut() {
    if (const auto broken = let_go()) {
        broken->cut();
    }
}

std::shared_ptr<pure_peer> wire_client::let_go() {
    is_connected_ = false;
    held_back_.clear();
    inbox.clear();
    owed.clear();
    return std::exchange(peer_, nullptr);
}

packet_id wire_client::fresh_id() {
    for (;;) {
        last_id_ = last_id_ == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(last_id_ + 1);
        const packet_id next{last_id_};
        if (std::ranges::find(outgoing_, next, &outgoing::id) == outgoing_.end()
            && !asked_.contains(next.value)) {
            return next;
        }
    }
}

packet_id wire_client::send_publish(const publish_request& what) {
    if (what.quality == qos::at_most_once) {
        write_publish(what, {}, false);
        return {};
    }
    const packet_id id = fresh_id();
    outgoing_.push_back({.what = what, .id = id});
    write_publish(what, id, false);
    return id;
}

void wire_client::write_publish(const publish_request& what, packet_id id, bool dup) {
    mqtt::property_writer given;
    if (what.expiry) {
        given.add(property::message_expiry_interval, *what.expiry);
    }
    if (what.alias != 0) {
        given.add(property::topic_alias, what.alias);
    }
    const std::string properties = given.take() + what.more_properties;
    send(mqtt::publish_view{.topic = what.topic,
                            .payload = what.payload,
                            .properties = mqtt::property_view(properties),
                            .id = id,
                            .quality = what.quality,
                            .dup = dup,
                            .retain = what.retain});
}

packet_id wire_client::send_subscribe(const std::vector<subscribe_request>& what) {
    mqtt::subscribe_view packet{.id = fresh_id()};
    mqtt::property_writer given;
    for (const subscribe_request& each : what) {
        packet.filters.push_back({.filter = each.filter,
                                  .quality = each.quality,
                                  .no_local = each.no_local,
                                  .retain_as_published = each.retain_as_published,
                                  .handling = each.handling});
        if (each.id != 0 && given.empty()) {
            given.add(property::subscription_identifier, each.id);
        }
        if (each.newest_only) {
            given.add_pair("keep", "newest");
        }
    }
    asked_.insert(packet.id.value);
    packet.properties = given.view();
    send(packet);
    return packet.id;
}

packet_id wire_client::send_unsubscribe(const std::vector<std::string>& filters) {
    mqtt::unsubscribe_view packet{.id = fresh_id()};
    packet.filters.assign(filters.begin(), filters.end());
    asked_.insert(packet.id.value);
    send(packet);
    return packet.id;
}

void wire_client::send_ack(packet_type type, packet_id id, mqtt::reason_code reason) {
    std::erase_if(owed, [&](const owed_ack& each) { return each.type == type && each.id == id; });
    send(mqtt::ack_view{.type = type, .id = id, .reason = reason});
}

void wire_client::send_auth(mqtt::reason_code reason, std::string_view method,
                            std::string_view data) {
    mqtt::property_writer given;
    given.add(property::authentication_method, method);
    given.add(property::authentication_data, data);
    send(mqtt::auth_view{.reason = reason, .properties = given.view()});
}

void wire_client::send_ping() {
    ++pings_;
    send(mqtt::pingreq_view{});
}

void wire_client::send_disconnect(mqtt::reason_code reason,
                                  std::optional<std::uint32_t> session_expiry) {
    mqtt::property_writer given;
    if (session_expiry) {
        given.add(property::session_expiry_interval, *session_expiry);
        connect_.session_expiry = *session_expiry;
    }
    is_connected_ = false;
    send(mqtt::disconnect_view{.reason = reason, .properties = given.view()});
}

void wire_client::resend() {
    for (const outgoing& each : outgoing_) {
        if (each.is_released) {
            send(mqtt::ack_view{.type = packet_type::pubrel, .id = each.id});
        }
    }
    for (const outgoing& each : outgoing_) {
        if (!each.is_released) {
            write_publish(each.what, each.id, true);
        }
    }
}

void wire_client::listen() {
    node_->run();
    if (!peer_) {
        return;
    }
    unread_ += peer_->take();
    while (peer_) {
        const mqtt::frame next = mqtt::next_frame(unread_);
        if (next.state != mqtt::frame_state::complete) {
            break;
        }
        const std::string whole = unread_.substr(0, next.size);
        unread_.erase(0, next.size);
        take_in(whole);
    }
    if (is_closed()) {
        is_connected_ = false;
    }
    if (is_automatic) {
        pay();
    }
}

void wire_client::take_in(std::string_view frame) {
    received made{.bytes = std::make_unique<std::string>(frame), .packet = {}};
    const mqtt::frame whole = mqtt::next_frame(*made.bytes);
    auto packet = mqtt::decode(whole.first_byte, whole.body, version_, mqtt::peer::server);
    if (!packet) {
        throw std::runtime_error(id_ + ": the broker sent a packet that is wrong: "
                                 + std::string(packet.error().text) + " ["
                                 + std::string(packet.error().rule) + "]");
    }
    made.packet = *std::move(packet);
    if (connect_.packet_size_max != 0 && frame.size() > connect_.packet_size_max) {
        throw std::runtime_error(id_ + ": larger than the client takes: " + text_of(made));
    }
    note(made);
    if (!is_automatic) {
        inbox.push_back(std::move(made));
    }
}

void wire_client::note(const received& what) {
    if (const auto* connack = what.as<mqtt::connack_view>()) {
        is_connected_ = !mqtt::is_error(connack->reason);
        receive_maximum_ = connack->properties.number(property::receive_maximum).value_or(65'535);
        const bool is_untold = version_ == mqtt::protocol_version::v3_1 && !connect_.clean_start;
        const bool is_present = connack->session_present || is_untold;
        if (is_connected_ && !is_present) {
            forget_session();
        }
        if (watcher != nullptr && is_connected_) {
            watcher->on_connack(id_, is_present);
        }
    } else if (const auto* publish = what.as<mqtt::publish_view>()) {
        note_publish(*publish);
    } else if (const auto* ack = what.as<mqtt::ack_view>()) {
        note_ack(*ack);
    } else if (const auto* suback = what.as<mqtt::suback_view>()) {
        asked_.erase(suback->id.value);
        if (watcher != nullptr) {
            watcher->on_suback(id_, suback->id, suback->type == packet_type::unsuback);
        }
    } else if (what.as<mqtt::pingresp_view>() != nullptr) {
        --pings_;
    } else if (const auto* end = what.as<mqtt::disconnect_view>()) {
        farewell_ = end->reason;
    }
}

void wire_client::note_publish(const mqtt::publish_view& packet) {
    delivered got{.topic = std::string(packet.topic),
                  .payload = std::string(packet.payload),
                  .quality = packet.quality,
                  .id = packet.id,
                  .dup = packet.dup,
                  .retain = packet.retain,
                  .properties = std::string(packet.properties.raw())};
    packet.properties.for_each([&](const mqtt::property_entry& each) {
        if (each.id == property::subscription_identifier) {
            got.subscription_ids.push_back(each.number);
        }
    });
    if (packet.topic_alias != 0) {
        if (packet.topic_alias > connect_.topic_alias_max) {
            throw std::runtime_error(id_ + ": topic alias above the maximum");
        }
        std::string& known = aliases_[packet.topic_alias];
        known = got.topic.empty() ? known : got.topic;
        got.topic = known;
    }
    if (got.topic.empty()) {
        throw std::runtime_error(id_ + ": a message without a topic");
    }
    if (packet.quality != qos::at_most_once) {
        const bool is_first_owed = packet.quality == qos::at_least_once;
        owed.push_back({is_first_owed ? packet_type::puback : packet_type::pubrec, packet.id});
    }
    const bool is_new =
        packet.quality != qos::exactly_once || incoming_.insert(packet.id.value).second;
    if (is_new && watcher != nullptr) {
        watcher->on_delivery(id_, got);
    }
}

void wire_client::note_ack(const mqtt::ack_view& packet) {
    if (packet.type == packet_type::pubrel) {
        incoming_.erase(packet.id.value);
        owed.push_back({packet_type::pubcomp, packet.id});
        return;
    }
    const auto sent = std::ranges::find(outgoing_, packet.id, &outgoing::id);
    if (sent == outgoing_.end()) {
        if (!is_strict) {
            return;
        }
        throw std::runtime_error(id_ + ": an acknowledgement of nothing");
    }
    const bool is_taken = !mqtt::is_error(packet.reason);
    if (packet.type != packet_type::pubcomp && !sent->is_released && watcher != nullptr) {
        watcher->on_publish_settled(id_, sent->what.payload, is_taken);
    }
    if (packet.type == packet_type::pubrec && is_taken) {
        sent->is_released = true;
        owed.push_back({packet_type::pubrel, packet.id});
    } else {
        outgoing_.erase(sent);
    }
}

void wire_client::pay() {
    while (!owed.empty() && is_connected_) {
        const owed_ack next = owed.front();
        owed.pop_front();
        send(mqtt::ack_view{.type = next.type, .id = next.id});
    }
}

} // namespace gv::support
