// SPDX-License-Identifier: Apache-2.0
#include "bench/load/traffic.hpp"

#include <stdexcept>

namespace gv::load {

namespace {

/// Equally long for all indices.
std::string topic_of(std::uint32_t index) {
    const auto digits = group_digits(index);
    return "bench/" + std::string(digits.begin(), digits.end());
}

void add_topics(traffic_plan& plan, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        plan.topics.push_back(topic_of(i));
    }
}

void plan_pairs(traffic_plan& plan, const load_options& options) {
    add_topics(plan, options.publishers);
    const std::vector<std::string> sessions = client_ids(options);
    for (std::uint32_t i = 0; i < options.publishers; ++i) {
        plan.subscribers.push_back({.filters = {topic_of(i)},
                                    .sources = {.first = i},
                                    .session = sessions.empty() ? std::string() : sessions[i]});
    }
}

void plan_paced(traffic_plan& plan, const load_options& options) {
    plan_pairs(plan, options);
    plan.publish.interval = second_ns * options.publishers / options.rate;
    plan.is_timed = true;
}

void plan_fanout(traffic_plan& plan, const load_options& options) {
    plan.topics.push_back(topic_of(0));
    plan.publish.fan = options.subscribers;
    plan.subscribers.assign(options.subscribers,
                            {.filters = {topic_of(0)}, .sources = {}, .session = {}});
}

void plan_fanin(traffic_plan& plan, const load_options& options) {
    add_topics(plan, options.publishers);
    plan.subscribers.push_back(
        {.filters = {"bench/#"}, .sources = {.count = options.publishers}, .session = {}});
}

void plan_wildcards(traffic_plan& plan, const load_options& options) {
    const wildcard_layout layout{.clients = options.subscribers, .filters = options.filters};
    plan.publish.fan = filters_per_topic;
    for (std::uint32_t i = 0; i < options.publishers; ++i) {
        const std::uint32_t start = layout.groups() / options.publishers * i;
        plan.topics.push_back(wildcard_topic(start));
        plan.walks.emplace_back(layout, start);
    }
    for (std::uint32_t i = 0; i < options.subscribers; ++i) {
        plan.subscribers.push_back({.filters = layout.filters_of(i),
                                    .sources = {.count = options.publishers},
                                    .session = {}});
    }
}

} // namespace

traffic_plan make_traffic_plan(const load_options& options) {
    traffic_plan plan;
    plan.publish = {.qos = options.qos,
                    .payload = options.payload,
                    .undelivered = options.undelivered,
                    .window = options.window,
                    .refill = options.refill,
                    .run = static_cast<std::uint32_t>(clock_now() | 1)};
    switch (options.what) {
    case scenario::pairs:
    case scenario::flood:
        plan_pairs(plan, options);
        break;
    case scenario::paced:
        plan_paced(plan, options);
        break;
    case scenario::fanout:
        plan_fanout(plan, options);
        break;
    case scenario::fanin:
        plan_fanin(plan, options);
        break;
    case scenario::wildcards:
        plan_wildcards(plan, options);
        break;
    case scenario::retained:
    case scenario::idle:
    case scenario::durable:
    case scenario::connects:
        throw std::logic_error("this scenario has no publishers and subscribers");
    }
    return plan;
}

} // namespace gv::load
