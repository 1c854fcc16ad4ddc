// SPDX-License-Identifier: Apache-2.0
#include "broker/server/sys_topics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace gv::server {

namespace {

struct load_window {
    std::string_view suffix;
    double seconds;
};
constexpr std::array<load_window, 3> windows{{{"/1min", 60}, {"/5min", 300}, {"/15min", 900}}};

/// A load that moved by less is not shown anew.
constexpr double load_step = 0.01;

[[nodiscard]] std::string two_decimals(double number) {
    char text[64];
    const int size = std::snprintf(text, sizeof text, "%.2f", number);
    return {text, static_cast<std::size_t>(size)};
}

} // namespace

std::vector<sys_value> sys_topics::update(const cluster::node_figures& shown,
                                          const cluster::node_counters& progress, time_point now) {
    const cluster::node_levels& levels = shown.levels;
    heap_max_ = std::max({heap_max_, levels.heap_bytes, levels.heap_bytes_max});
    set("version", "grapevine version " + shown.version);
    set("uptime", std::to_string(levels.uptime_s) + " seconds");
    set_clients(shown);
    set_messages(shown.counters);
    set_stored(levels);
    set("heap/current", levels.heap_bytes);
    set("heap/maximum", heap_max_);
    set_loads(progress, now);
    return std::exchange(changed_, {});
}

std::vector<std::string> sys_topics::clear() {
    std::vector<std::string> names;
    for (const auto& [name, text] : std::exchange(given_, {})) {
        names.push_back(root_ + name);
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
    changed_.push_back({.topic = std::string(root_).append(name), .text = text});
    given_.insert_or_assign(std::string(name), std::move(text));
}

void sys_topics::set(std::string_view name, std::uint64_t number) {
    set(name, std::to_string(number));
}

void sys_topics::set_clients(const cluster::node_figures& shown) {
    const cluster::node_levels& levels = shown.levels;
    const std::uint64_t away = levels.sessions - std::min(levels.sessions, levels.connected);
    clients_max_ = std::max({clients_max_, levels.sessions, levels.sessions_max});
    set("clients/total", levels.sessions);
    set("clients/maximum", clients_max_);
    set("clients/connected", levels.connected);
    set("clients/active", levels.connected);
    set("clients/disconnected", away);
    set("clients/inactive", away);
    set("clients/expired", shown.counters.sessions_expired);
    set("subscriptions/count", levels.subscriptions);
    set("shared_subscriptions/count", levels.shared_subscriptions);
}

// "messages" are packets of any kind, "publish/messages" what is published.
void sys_topics::set_messages(const cluster::node_counters& shown) {
    set("messages/received", shown.packets_received);
    set("messages/sent", shown.packets_sent);
    set("publish/messages/received", shown.messages_received);
    set("publish/messages/sent", shown.messages_sent);
    set("publish/messages/dropped", shown.messages_dropped);
    set("publish/bytes/received", shown.payload_bytes_received);
    set("publish/bytes/sent", shown.payload_bytes_sent);
    set("bytes/received", shown.bytes_received);
    set("bytes/sent", shown.bytes_sent);
}

void sys_topics::set_stored(const cluster::node_levels& shown) {
    const std::uint64_t stored = shown.retained_messages + shown.queued_messages;
    set("retained messages/count", shown.retained_messages);
    set("messages/stored", stored);
    set("store/messages/count", stored);
    set("store/messages/bytes", shown.retained_bytes + shown.queued_bytes);
}

void sys_topics::set_loads(const cluster::node_counters& progress, time_point now) {
    const bool is_first = updated_ == time_point::min();
    const double seconds = is_first ? 0 : std::chrono::duration<double>(now - updated_).count();
    updated_ = now;
    set_load("load/messages/received", progress.packets_received, seconds);
    set_load("load/messages/sent", progress.packets_sent, seconds);
    set_load("load/publish/received", progress.messages_received, seconds);
    set_load("load/publish/sent", progress.messages_sent, seconds);
    set_load("load/publish/dropped", progress.messages_dropped, seconds);
    set_load("load/bytes/received", progress.bytes_received, seconds);
    set_load("load/bytes/sent", progress.bytes_sent, seconds);
    set_load("load/sockets", progress.sockets, seconds);
    set_load("load/connections", progress.connects, seconds);
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
