// SPDX-License-Identifier: Apache-2.0
#include "broker/server/figure_sums.hpp"

#include "broker/mqtt/utf8.hpp"
#include "broker/server/cluster_status.hpp"

#include <algorithm>
#include <cstdio>

namespace gv::server {

namespace {

using cluster::node_counters;

void add_to(node_counters& sum, const node_counters& more) {
    for (const auto field : cluster::counter_fields) {
        sum.*field += more.*field;
    }
}

/// A number that comes out of order, or goes back, counts for nothing.
void add_growth(node_counters& sum, const node_counters& from, const node_counters& to) {
    for (const auto field : cluster::counter_fields) {
        sum.*field += to.*field - std::min(to.*field, from.*field);
    }
}

void raise(node_counters& known, const node_counters& heard) {
    for (const auto field : cluster::counter_fields) {
        known.*field = std::max(known.*field, heard.*field);
    }
}

[[nodiscard]] std::string escaped(std::string_view name) {
    const bool is_text = mqtt::is_valid_utf8(name);
    std::string made;
    for (const char each : name) {
        const auto byte = static_cast<unsigned char>(each);
        const bool has_meaning = std::string_view("/+#%").find(each) != std::string_view::npos;
        if (has_meaning || byte < ' ' || byte == 0x7f || (!is_text && byte > 0x7f)) {
            char hexadecimal[8];
            std::snprintf(hexadecimal, sizeof hexadecimal, "%%%02X", byte);
            made += hexadecimal;
        } else {
            made += each;
        }
    }
    return made;
}

} // namespace

figure_sums::summed figure_sums::add(const cluster::node_figures& own,
                                     std::span<const peer_figures> others) {
    add_growth(progress_, own_, own.counters);
    own_ = own.counters;
    fold_those_without(others);
    summed made{.shown = own, .progress = {}};
    // The most that there were at one time in the cluster is not the sum of the mosts of its nodes.
    made.shown.levels.sessions_max = 0;
    made.shown.levels.heap_bytes_max = 0;
    cluster::node_levels& levels = made.shown.levels;
    for (const peer_figures& each : others) {
        note(each);
        if (each.is_there) {
            const cluster::node_levels& more = each.figures.levels;
            levels.sessions += more.sessions;
            levels.connected += more.connected;
            levels.subscriptions += more.subscriptions;
            levels.shared_subscriptions += more.shared_subscriptions;
            levels.queued_messages += more.queued_messages;
            levels.queued_bytes += more.queued_bytes;
            levels.heap_bytes += more.heap_bytes;
        }
    }
    add_to(made.shown.counters, departed_);
    for (const auto& [node, each] : known_) {
        add_to(made.shown.counters, each.ended);
        add_to(made.shown.counters, each.last);
    }
    made.progress = progress_;
    return made;
}

// What a life has done before it was first heard of is no load of now, but for one that began while
// its node was known.
void figure_sums::note(const peer_figures& of) {
    const auto [at, is_new] = known_.try_emplace(of.node);
    known_node& known = at->second;
    if (is_new) {
        known.boot = of.boot;
        known.last = of.figures.counters;
    } else if (of.boot > known.boot) {
        add_to(known.ended, known.last);
        add_to(progress_, of.figures.counters);
        known.boot = of.boot;
        known.last = of.figures.counters;
    } else if (of.boot == known.boot) {
        add_growth(progress_, known.last, of.figures.counters);
        raise(known.last, of.figures.counters);
    }
}

void figure_sums::fold_those_without(std::span<const peer_figures> others) {
    std::erase_if(known_, [&](const auto& each) {
        const auto& [node, known] = each;
        const bool is_member = std::ranges::find(others, node, &peer_figures::node) != others.end();
        if (!is_member) {
            add_to(departed_, known.ended);
            add_to(departed_, known.last);
        }
        return !is_member;
    });
}

std::map<node_id, std::string> topic_names(std::span<const std::pair<node_id, std::string>> nodes) {
    std::map<node_id, std::string> made;
    for (const auto& [node, name] : nodes) {
        const bool is_shared =
            std::ranges::count(nodes, name, &std::pair<node_id, std::string>::second) > 1;
        made.emplace(node, escaped(name) + (is_shared ? "@" + hex(node) : ""));
    }
    return made;
}

} // namespace gv::server
