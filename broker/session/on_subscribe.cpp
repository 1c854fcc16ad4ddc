// SPDX-License-Identifier: Apache-2.0
// SUBSCRIBE and UNSUBSCRIBE (MQTT 5, 3.8 to 3.11).
#include "base/topic.hpp"
#include "broker/session/front.hpp"
#include "broker/session/reasons.hpp"

#include <algorithm>

namespace gv::session {

using mqtt::property;
using mqtt::reason_code;

namespace {

// Room in `reasons` for what the shard answers, marked by a code that SUBACK never carries.
constexpr reason_code undecided = reason_code::continue_authentication;

/// MQTT has no word for it, so it is a user property: `keep` = `newest`.
[[nodiscard]] bool wants_newest_only(mqtt::property_view properties) {
    return std::ranges::any_of(properties, [](const mqtt::property_entry& each) {
        return each.id == property::user_property && each.key == "keep" && each.text == "newest";
    });
}

[[nodiscard]] std::string_view bare_filter(std::string_view filter) {
    if (!is_shared_filter(filter)) {
        return is_valid_topic_filter(filter) ? filter : std::string_view();
    }
    const auto shared = split_shared_filter(filter);
    return shared ? shared->filter : std::string_view();
}

} // namespace

void front::on_subscribe(const mqtt::subscribe_view& packet) {
    pending_subscribe waiting{.id = packet.id};
    std::vector<subscription> accepted;
    const std::uint32_t subscription_id =
        packet.properties.number(property::subscription_identifier).value_or(0);
    if (subscription_id != 0 && !limits().subscription_ids_available) {
        violate(reason_code::subscription_identifiers_not_supported,
                "subscription identifiers are switched off");
        return;
    }
    const bool is_newest_only = wants_newest_only(packet.properties);
    const std::size_t filters_max = limits().filters_per_subscribe_max;
    for (const mqtt::subscription_request& request : packet.filters) {
        const reason_code judged = filters_max != 0 && waiting.reasons.size() >= filters_max
                                       ? refuse_filter(request.filter, reason_code::quota_exceeded)
                                       : judge_filter(request);
        waiting.reasons.push_back(judged);
        if (judged != undecided) {
            continue;
        }
        // What came over a bridge must not go back over it, and keeps its retain flag, as
        // Mosquitto's bridges expect who cannot ask for it.
        const bool is_shared = is_shared_filter(request.filter);
        accepted.push_back({.filter = std::string(request.filter),
                            .subscription_id = subscription_id,
                            .quality = lower(request.quality, limits().quality_max),
                            .no_local = request.no_local || (is_bridge_ && !is_shared),
                            .retain_as_published = request.retain_as_published || is_bridge_,
                            .newest_only = is_newest_only && !is_shared,
                            .handling = request.handling});
    }
    if (!pending_subscribes_) {
        pending_subscribes_ = std::make_unique<std::vector<pending_subscribe>>();
    }
    pending_subscribes_->push_back(std::move(waiting));
    if (accepted.empty()) {
        on_subscribed(packet.id, {});
        return;
    }
    effects().subscribe(*this, packet.id, std::move(accepted));
}

reason_code front::judge_filter(const mqtt::subscription_request& request) {
    const std::string_view bare = bare_filter(request.filter);
    if (bare.empty() || request.filter.size() > limits().filter_length_max
        || count_levels(bare) > limits().topic_levels_max) {
        return refuse_filter(request.filter, reason_code::topic_filter_invalid);
    }
    if (!limits().shared_available && is_shared_filter(request.filter)) {
        return refuse_filter(request.filter, reason_code::shared_subscriptions_not_supported);
    }
    if (!limits().wildcards_available && has_wildcard(bare)) {
        return refuse_filter(request.filter, reason_code::wildcard_subscriptions_not_supported);
    }
    const permission allowed = effects().may_subscribe(*this, request.filter);
    if (!allowed.is_allowed) {
        return refuse_filter(request.filter, reason_code::not_authorized, allowed.rule);
    }
    return undecided;
}

reason_code front::refuse_filter(std::string_view filter, reason_code reason,
                                 std::string_view rule) {
    effects().denied(*this, filter, reason, rule.empty() ? why_not_granted(reason) : rule);
    return reason;
}

// `reasons`: one for each filter that was passed on, in order.
void front::on_subscribed(packet_id id, std::span<const reason_code> reasons) {
    if (!pending_subscribes_ || phase_ != phase::connected) {
        return;
    }
    const auto waiting = std::ranges::find(*pending_subscribes_, id, &pending_subscribe::id);
    if (waiting == pending_subscribes_->end()) {
        return;
    }
    mqtt::suback_view packet{.type = mqtt::packet_type::suback, .id = id};
    packet.reasons = std::move(waiting->reasons);
    pending_subscribes_->erase(waiting);
    if (pending_subscribes_->empty()) {
        pending_subscribes_.reset();
    }
    std::size_t next = 0;
    for (reason_code& reason : packet.reasons) {
        if (reason == undecided) {
            reason = next < reasons.size() ? reasons[next++] : reason_code::unspecified_error;
        }
    }
    std::string properties;
    if (const auto refused = std::ranges::find_if(packet.reasons, mqtt::is_error);
        refused != packet.reasons.end()) {
        properties = reason_properties(why_not_granted(*refused));
        packet.properties = mqtt::property_view(properties);
    }
    if (!send(mqtt::packet_type::suback, packet)) {
        disconnect(close_cause::protocol_violation, reason_code::packet_too_large,
                   "SUBACK is larger than the client's Maximum Packet Size");
    }
}

void front::on_unsubscribe(const mqtt::unsubscribe_view& packet) {
    std::vector<std::string> filters(packet.filters.begin(), packet.filters.end());
    effects().unsubscribe(*this, packet.id, std::move(filters));
}

void front::on_unsubscribed(packet_id id, std::span<const reason_code> reasons) {
    if (phase_ != phase::connected) {
        return;
    }
    mqtt::suback_view packet{.type = mqtt::packet_type::unsuback, .id = id};
    if (is_v5()) {
        packet.reasons.assign(reasons.begin(), reasons.end());
    }
    send(mqtt::packet_type::unsuback, packet);
}

} // namespace gv::session
