// SPDX-License-Identifier: Apache-2.0
#include "broker/server/derive.hpp"

#include "broker/server/persistence.hpp"
#include "broker/server/validate.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <random>
#include <thread>

namespace gv::server {

namespace {

[[nodiscard]] std::uint32_t seconds_of(milliseconds span) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span).count();
    return static_cast<std::uint32_t>(std::clamp<long long>(seconds, 0, 0xffff'fffe));
}

/// Nothing: what is asked further on.
[[nodiscard]] std::optional<durability> level_of(durability_choice wanted) {
    switch (wanted) {
    case durability_choice::inherit:
        return std::nullopt;
    case durability_choice::fsync:
        return durability::fsync;
    case durability_choice::interval:
        return durability::interval;
    case durability_choice::memory:
        return durability::memory;
    }
    return std::nullopt;
}

[[nodiscard]] router::group_strategy strategy_of(share_strategy wanted) {
    switch (wanted) {
    case share_strategy::round_robin:
        return router::group_strategy::round_robin;
    case share_strategy::least_in_flight:
        return router::group_strategy::least_in_flight;
    case share_strategy::sticky:
        return router::group_strategy::sticky;
    case share_strategy::hash:
        return router::group_strategy::hash_topic;
    }
    return router::group_strategy::round_robin;
}

[[nodiscard]] session::queue_policy policy_of(queue_full_policy wanted) {
    switch (wanted) {
    case queue_full_policy::drop_newest:
        return session::queue_policy::drop_newest;
    case queue_full_policy::drop_oldest:
        return session::queue_policy::drop_oldest;
    case queue_full_policy::disconnect:
        return session::queue_policy::disconnect;
    }
    return session::queue_policy::drop_newest;
}

// A limit of the whole broker, as the share of one shard; 0 means none.
[[nodiscard]] std::size_t share_of(std::uint64_t total, std::size_t shards) {
    return total == 0 ? std::numeric_limits<std::size_t>::max() / 2 : total / shards;
}

// Half of the disk that is free, unless it was said.
[[nodiscard]] std::uint64_t queue_total_of(const options& all) {
    if ((*all.limits.queue_bytes_total_max).value != 0) {
        return (*all.limits.queue_bytes_total_max).value;
    }
    constexpr std::uint64_t without_disk = std::uint64_t{1} << 30;
    if (!*all.storage.enabled) {
        return without_disk;
    }
    std::filesystem::path folder = store_folder(all);
    std::error_code failed;
    while (!std::filesystem::exists(folder, failed) && folder.has_relative_path()) {
        folder = folder.parent_path();
    }
    const auto space = std::filesystem::space(folder, failed);
    return failed ? without_disk : space.available / 2;
}

[[nodiscard]] bool has_version(const options& all, std::string_view wanted) {
    return std::ranges::find(*all.mqtt.protocol_versions, wanted)
           != all.mqtt.protocol_versions->end();
}

} // namespace

session::session_limits session_limits_of(const options& all, std::size_t shards) {
    const mqtt_options& mqtt = all.mqtt;
    session::session_limits limits;
    limits.outbound.queue_bytes_max = (*all.limits.queue_bytes_per_session_max).value;
    if (const std::uint32_t most = *all.limits.queue_messages_per_session_max; most != 0) {
        limits.outbound.queue_messages_max = most;
    }
    if (const byte_size of_user = *all.limits.queue_bytes_per_user_max; of_user.value != 0) {
        limits.outbound.user_bytes_max = of_user.value;
    }
    limits.outbound.total_bytes_max = share_of(queue_total_of(all), shards);
    limits.outbound.in_flight_max = *mqtt.in_flight_max_v5;
    limits.outbound.policy = policy_of(*all.limits.queue_full);
    limits.outbound_in_memory = limits.outbound;
    limits.outbound_in_memory.queue_bytes_max = (*all.limits.queue_bytes_in_memory_max).value;
    limits.outbound_in_memory.total_bytes_max =
        share_of((*all.limits.queue_bytes_in_memory_total_max).value, shards);
    limits.output_bytes_max = (*all.flow.output_buffer_max).value;
    limits.packet_size_max = static_cast<std::uint32_t>(
        std::min<std::uint64_t>((*mqtt.packet_size_max).value, 268'435'455));
    limits.connect_size_max = static_cast<std::uint32_t>((*mqtt.connect_size_max).value);
    limits.session_expiry_max = seconds_of(*mqtt.session_expiry_max);
    limits.session_expiry_v3 = seconds_of(*mqtt.session_expiry_v3);
    limits.filters_per_subscribe_max = *mqtt.filters_per_subscribe_max;
    limits.subscriptions_max = *mqtt.subscriptions_per_client_max;
    limits.receive_maximum = *mqtt.receive_maximum;
    limits.in_flight_max_v3 = *mqtt.in_flight_max_v3;
    limits.topic_alias_max_in = *mqtt.topic_alias_max_in;
    limits.topic_alias_max_out = *mqtt.topic_alias_max_out;
    limits.topic_levels_max = *mqtt.topic_levels_max;
    limits.filter_length_max = static_cast<std::uint16_t>(*mqtt.filter_length_max);
    limits.client_id_length_max = *mqtt.client_id_length_max;
    limits.retained_payload_max = (*all.limits.retained_payload_max).value;
    limits.keep_alive_max = *mqtt.keep_alive_max;
    limits.connect_timeout = *mqtt.connect_timeout;
    limits.quality_max = static_cast<qos>(*mqtt.qos_max);
    limits.retain_available = *mqtt.retain_available;
    limits.wildcards_available = *mqtt.wildcards_available;
    limits.subscription_ids_available = *mqtt.subscription_ids_available;
    limits.shared_available = *mqtt.shared_available;
    limits.traces_packets = *all.log.level == log_level::trace;
    limits.drops_qos0_when_full = *all.flow.qos0_when_full == qos0_policy::drop;
    limits.allows_v3_1 = has_version(all, "3.1");
    limits.allows_v3_1_1 = has_version(all, "3.1.1");
    limits.allows_v5 = has_version(all, "5.0");
    limits.response_information = *mqtt.response_information;
    limits.server_reference = *mqtt.server_reference;
    return limits;
}

shard::pressure_options pressure_of(const options& all) {
    return {.progress_window = *all.flow.progress_window,
            .hold_max = *all.flow.hold_max,
            .full_share = *all.flow.full_share,
            .credit_bytes_max = (*all.shards.credit_bytes).value};
}

shard::event_loop_options event_loop_options_of(const options& all, shard_id me,
                                                std::size_t shards) {
    shard::event_loop_options made;
    shard::core_options& logic = made.logic;
    logic.me = me;
    logic.shards = shards;
    std::random_device random;
    logic.id_salt = (std::uint64_t{random()} << 32) | random();
    logic.limits = session_limits_of(all, shards);
    logic.routing.strategy = strategy_of(*all.mqtt.shared_strategy);
    logic.retained.rows_max = share_of(*all.limits.retained_messages_max, shards);
    logic.retained.bytes_max = share_of((*all.limits.retained_bytes_max).value, shards);
    logic.pressure = pressure_of(all);
    logic.level = static_cast<durability>(*all.storage.durability);
    logic.away = static_cast<shard::when_home_is_away>(*all.sessions.when_home_is_away);
    logic.will_grace = *all.sessions.will_grace;
    logic.will_on_partition = *all.sessions.will_on_partition;
    logic.lane_sender.queue_bytes_max = share_of((*all.cluster.queue_max).value, shards);
    logic.lane_sender.spool_bytes_max = share_of((*all.cluster.spool_max).value, shards);
    for (const topic_options& rule : all.topics.items) {
        logic.topics.push_back({.filter = *rule.filter,
                                .level = level_of(*rule.level),
                                .newest_only = *rule.keep == keep_rule::newest});
    }
    made.read_bytes_per_turn = (*all.flow.read_bytes_per_turn).value;
    return made;
}

durability durability_of(const options& all, const listener_options& listener) {
    return level_of(*listener.durability)
        .value_or(static_cast<durability>(*all.storage.durability));
}

bool uses_tls(const listener_options& listener) { return !listener.tls_certificate->empty(); }

transport::tls_options tls_options_of(const listener_options& listener) {
    transport::tls_options made;
    made.certificates.push_back(
        {.chain_file = *listener.tls_certificate, .key_file = *listener.tls_key});
    made.client_ca_file = *listener.tls_client_ca;
    made.clients = *listener.require_client_certificate ? transport::client_certificates::required
                   : listener.tls_client_ca->empty()    ? transport::client_certificates::ignored
                                                        : transport::client_certificates::optional;
    made.version_min = *listener.tls_min_version == tls_version::tls_1_3
                           ? transport::tls_version::v1_3
                           : transport::tls_version::v1_2;
    return made;
}

std::size_t shard_count_of(const options& all) {
    const std::size_t wanted = *all.shards.threads;
    return wanted != 0
               ? wanted
               : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, shards_max);
}

std::string listener_name(const listener_options& listener) {
    return listener.name->empty() ? address_text(*listener.bind, *listener.port) : *listener.name;
}

} // namespace gv::server
