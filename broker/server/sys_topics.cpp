// SPDX-License-Identifier: Apache-2.0
#include "broker/server/sys_topics.hpp"

#include "broker/server/documents.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gv::server {

namespace {

constexpr std::string_view root = "$SYS/broker/";

struct load_window {
    std::string_view suffix;
    double seconds;
};
constexpr std::array<load_window, 3> windows{{{"/1min", 60}, {"/5min", 300}, {"/15min", 900}}};

/// A load that moved by less is not shown anew.
constexpr double load_step = 0.01;

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

[[nodiscard]] std::string two_decimals(double number) {
    char text[64];
    const int size = std::snprintf(text, sizeof text, "%.2f", number);
    return {text, static_cast<std::size_t>(size)};
}

} // namespace

std::vector<sys_value> sys_topics::update(const shard_metrics& total, std::uint64_t heap_bytes,
                                          time_point now) {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - started_);
    heap_max_ = std::max(heap_max_, heap_bytes);
    set("version", "grapevine version " + std::string(version()));
    set("uptime", std::to_string(uptime.count()) + " seconds");
    set_clients(total);
    set_messages(total);
    set_stored(total);
    set("heap/current", heap_bytes);
    set("heap/maximum", heap_max_);
    set_loads(total, now);
    return std::exchange(changed_, {});
}

std::vector<std::string> sys_topics::clear() {
    std::vector<std::string> names;
    for (const auto& [name, text] : std::exchange(given_, {})) {
        names.push_back(std::string(root) + name);
    }
    loads_.clear();
    updated_ = time_point::min();
    return names;
}

void sys_topics::set(std::string_view name, std::string text) {
    const auto known = given_.find(name);
    if (known != given_.end() && known->second == text) {
        return;
    }
    changed_.push_back({.topic = std::string(root).append(name), .text = text});
    given_.insert_or_assign(std::string(name), std::move(text));
}

void sys_topics::set(std::string_view name, std::uint64_t number) {
    set(name, std::to_string(number));
}

void sys_topics::set_clients(const shard_metrics& total) {
    const std::uint64_t all = level(total.sessions);
    const std::uint64_t connected = level(total.clients_connected);
    const std::uint64_t away = all - std::min(all, connected);
    clients_max_ = std::max(clients_max_, all);
    set("clients/total", all);
    set("clients/maximum", clients_max_);
    set("clients/connected", connected);
    set("clients/active", connected);
    set("clients/disconnected", away);
    set("clients/inactive", away);
    set("clients/expired", total.sessions_expired.get());
    const std::uint64_t shared = level(total.subscriptions_shared);
    set("subscriptions/count", level(total.subscriptions) - shared);
    set("shared_subscriptions/count", shared);
}

// "messages" are packets of any kind, "publish/messages" what is published.
void sys_topics::set_messages(const shard_metrics& total) {
    set("messages/received", sum(total.packets_received));
    set("messages/sent", sum(total.packets_sent));
    set("publish/messages/received", sum(total.messages_received));
    set("publish/messages/sent", sum(total.messages_sent));
    set("publish/messages/dropped", dropped(total));
    set("publish/bytes/received", total.payload_bytes_received.get());
    set("publish/bytes/sent", total.payload_bytes_sent.get());
    set("bytes/received", total.bytes_received.get());
    set("bytes/sent", total.bytes_sent.get());
}

void sys_topics::set_stored(const shard_metrics& total) {
    const std::uint64_t retained = level(total.retained_messages);
    const std::uint64_t stored = retained + level(total.queued_messages);
    set("retained messages/count", retained);
    set("messages/stored", stored);
    set("store/messages/count", stored);
    set("store/messages/bytes", level(total.retained_bytes) + level(total.queued_bytes));
}

void sys_topics::set_loads(const shard_metrics& total, time_point now) {
    const bool is_first = updated_ == time_point::min();
    const double seconds = is_first ? 0 : std::chrono::duration<double>(now - updated_).count();
    updated_ = now;
    set_load("load/messages/received", sum(total.packets_received), seconds);
    set_load("load/messages/sent", sum(total.packets_sent), seconds);
    set_load("load/publish/received", sum(total.messages_received), seconds);
    set_load("load/publish/sent", sum(total.messages_sent), seconds);
    set_load("load/publish/dropped", dropped(total), seconds);
    set_load("load/bytes/received", total.bytes_received.get(), seconds);
    set_load("load/bytes/sent", total.bytes_sent.get(), seconds);
    set_load("load/sockets", total.connections_accepted.get(), seconds);
    set_load("load/connections", connects(total), seconds);
}

// `seconds` since the last time; 0 at the first, which shows 0 whatever was counted before.
void sys_topics::set_load(std::string_view name, std::uint64_t count, double seconds) {
    load& known = loads_[std::string(name)];
    const double per_minute =
        seconds > 0 ? static_cast<double>(count - known.counted) * 60 / seconds : 0;
    known.counted = count;
    for (std::size_t at = 0; at < windows.size(); ++at) {
        const double before = known.averages[at];
        double& average = known.averages[at];
        if (seconds > 0) {
            average = per_minute + std::exp(-seconds / windows[at].seconds) * (before - per_minute);
        }
        if (seconds == 0 || std::abs(average - before) >= load_step) {
            set(std::string(name).append(windows[at].suffix), two_decimals(average));
        }
    }
}

} // namespace gv::server
