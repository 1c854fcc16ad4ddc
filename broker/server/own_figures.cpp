// SPDX-License-Identifier: Apache-2.0
#include "broker/server/own_figures.hpp"

#include "broker/server/documents.hpp"

#include <algorithm>

namespace gv::server {

namespace {

template <typename Metric>
[[nodiscard]] std::uint64_t sum(const Metric& labelled) {
    std::uint64_t all = 0;
    for (const auto& each : labelled.values) {
        all += each.get();
    }
    return all;
}

/// Shards that take turns to count up and down may show less than nothing between them.
template <typename Gauge>
[[nodiscard]] std::uint64_t level(const Gauge& gauge) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(gauge.get(), 0));
}

// QoS 0 for clients that are away was never promised to them: Mosquitto does not count it. Nor was
// what has a newer one in its place.
[[nodiscard]] std::uint64_t dropped(const shard_metrics& total) {
    return sum(total.messages_dropped) - total.messages_dropped.get(drop_reason::client_offline)
           - total.messages_dropped.get(drop_reason::superseded);
}

[[nodiscard]] std::uint64_t connects(const shard_metrics& total) {
    return total.packets_received.values[1].get();
}

} // namespace

cluster::node_figures own_figures::make(const shard_metrics& total, std::uint64_t heap_bytes,
                                        time_point now) {
    const std::uint64_t shared = level(total.subscriptions_shared);
    heap_max_ = std::max(heap_max_, heap_bytes);
    sessions_max_ = std::max(sessions_max_, level(total.sessions));
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - started_);
    return {.version = std::string(version()),
            .counters = {.packets_received = sum(total.packets_received),
                         .packets_sent = sum(total.packets_sent),
                         .messages_received = sum(total.messages_received),
                         .messages_sent = sum(total.messages_sent),
                         .messages_dropped = dropped(total),
                         .payload_bytes_received = total.payload_bytes_received.get(),
                         .payload_bytes_sent = total.payload_bytes_sent.get(),
                         .bytes_received = total.bytes_received.get(),
                         .bytes_sent = total.bytes_sent.get(),
                         .sessions_expired = total.sessions_expired.get(),
                         .sockets = total.connections_accepted.get(),
                         .connects = connects(total)},
            .levels = {.sessions = level(total.sessions),
                       .sessions_max = sessions_max_,
                       .connected = level(total.clients_connected),
                       .subscriptions = level(total.subscriptions) - shared,
                       .shared_subscriptions = shared,
                       .queued_messages = level(total.queued_messages),
                       .queued_bytes = level(total.queued_bytes),
                       .retained_messages = level(total.retained_messages),
                       .retained_bytes = level(total.retained_bytes),
                       .heap_bytes = heap_bytes,
                       .heap_bytes_max = heap_max_,
                       .uptime_s = static_cast<std::uint64_t>(uptime.count())}};
}

} // namespace gv::server
