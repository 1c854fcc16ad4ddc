// SPDX-License-Identifier: Apache-2.0
#include "bench/load/traffic.hpp"

#include <algorithm>
#include <stdexcept>

namespace gv::load {

namespace {

constexpr nanoseconds patience = 5 * second_ns;
constexpr nanoseconds drain_patience = 2 * second_ns;
constexpr nanoseconds watch_interval = second_ns / 10;
constexpr std::uint32_t large_payload = 16'384;

connection make_client(const broker_address& address, const std::string& role, std::uint32_t run,
                       std::size_t index, std::size_t socket_index,
                       const std::string& session = {}) {
    connection client(address.connect(static_cast<unsigned>(socket_index)),
                      role + " " + std::to_string(index));
    const std::string made =
        "load-" + std::to_string(run) + "-" + role + "-" + std::to_string(index);
    client.handshake(session.empty() ? made : session, session.empty());
    return client;
}

std::size_t frame_size(const traffic_plan& plan) {
    return encode_publish(plan.topics.front(), std::string(plan.publish.payload, ' '),
                          {.qos = plan.publish.qos})
        .size();
}

double per(std::uint64_t count, std::uint64_t calls) {
    return static_cast<double>(count) / static_cast<double>(std::max<std::uint64_t>(1, calls));
}

} // namespace

traffic::traffic(const load_options& options, traffic_plan plan)
    : options_(options), plan_(std::move(plan)), broker_(options.broker_pid), others_(options),
      publisher_context_{plan_.publish, scratch_, counts_, {}},
      subscriber_context_{{}, plan_.publish.run, scratch_, counts_}, batch_(frame_size(plan_)) {
    require_descriptors(static_cast<unsigned>(plan_.topics.size() + plan_.subscribers.size()));
    const broker_address address(options.host, static_cast<std::uint16_t>(options.port));
    counts_.is_timed = plan_.is_timed;
    connect_subscribers(address);
    connect_publishers(
        options.publish_port == 0
            ? address
            : broker_address(options.host, static_cast<std::uint16_t>(options.publish_port)));
    subscriber_context_.publishers = publishers_;
}

void traffic::connect_subscribers(const broker_address& address) {
    subscribers_.reserve(plan_.subscribers.size());
    for (const subscriber_plan& each : plan_.subscribers) {
        const std::size_t index = subscribers_.size();
        connection link =
            make_client(address, "subscriber", plan_.publish.run, index, index, each.session);
        link.subscribe(each.filters, plan_.publish.qos);
        if (plan_.publish.payload >= large_payload) {
            link.expect_large_packets();
        }
        subscribers_.emplace_back(std::move(link), subscriber_context_, each.sources);
        subscribers_.back().attach(loop_);
    }
}

void traffic::connect_publishers(const broker_address& address) {
    publishers_.reserve(plan_.topics.size());
    for (std::size_t i = 0; i < plan_.topics.size(); ++i) {
        publishers_.emplace_back(
            make_client(address, "publisher", plan_.publish.run, i, subscribers_.size() + i),
            publisher_context_, static_cast<std::uint32_t>(i), plan_.topics[i]);
        publishers_.back().attach(loop_);
        if (!plan_.walks.empty()) {
            publishers_.back().follow(std::move(plan_.walks[i]));
        }
    }
}

void traffic::start() {
    now_ = clock_now();
    last_progress_ = now_;
    next_watch_ = now_;
    pace_start_ = now_;
    next_due_ = now_;
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
        publishers_[i].start_pace(now_ + plan_.publish.interval * i / publishers_.size());
        publishers_[i].want_turn();
    }
}

void traffic::wake_due(nanoseconds now) {
    const nanoseconds interval = plan_.publish.interval;
    while (interval > 0 && next_due_ <= now) {
        publishers_[due_count_ % publishers_.size()].want_turn();
        ++due_count_;
        next_due_ = pace_start_ + interval * due_count_ / publishers_.size();
    }
}

nanoseconds traffic::timeout(nanoseconds now, nanoseconds end) const {
    if (options_.spin != 0 || !publisher_context_.waiting.empty()) {
        return 0;
    }
    const nanoseconds wake =
        std::min({end, next_watch_, plan_.publish.interval > 0 ? next_due_ : end});
    return wake > now ? wake - now : 0;
}

void traffic::publish_waiting() {
    turn_list_.swap(publisher_context_.waiting);
    for (publisher* each : turn_list_) {
        each->publish(batch_, now_);
    }
    turn_list_.clear();
}

void traffic::turn(nanoseconds end) {
    now_ = loop_.turn(timeout(now_, end));
    wake_due(now_);
    publish_waiting();
    if (now_ >= next_watch_) {
        watch(now_);
    }
}

void traffic::watch(nanoseconds now) {
    next_watch_ = now + watch_interval;
    resident_max_ = std::max(resident_max_, broker_.resident_bytes());
    if (counts_.delivered != last_delivered_) {
        last_delivered_ = counts_.delivered;
        last_progress_ = now;
    }
}

void traffic::drive_until(nanoseconds end) {
    while (now_ < end && !is_stalled_) {
        turn(end);
        is_stalled_ = now_ - last_progress_ > patience;
    }
}

void traffic::drain() {
    for (publisher& each : publishers_) {
        each.stop();
    }
    plan_.publish.interval = 0;
    while (!is_drained() && now_ - last_progress_ < drain_patience) {
        turn(now_ + watch_interval);
    }
}

std::uint64_t traffic::messages_sent() const {
    std::uint64_t sent = 0;
    for (const publisher& each : publishers_) {
        sent += each.sent();
    }
    return sent;
}

std::uint64_t traffic::deliveries_due() const { return messages_sent() * plan_.publish.fan; }

bool traffic::is_drained() const {
    return counts_.sequences.unique == deliveries_due()
           && std::ranges::all_of(publishers_, &publisher::is_settled);
}

void traffic::add_counts(report& out) const {
    out.add("sent", messages_sent());
    out.add("due", deliveries_due());
    out.add("delivered", counts_.delivered);
    out.add("sent_per_write", per(messages_sent(), counts_.writes));
    out.add("delivered_per_read", per(counts_.delivered, counts_.reads));
    out.add("lost", deliveries_due() - counts_.sequences.unique);
    out.add("duplicates", counts_.sequences.duplicates);
    out.add("out_of_order", counts_.sequences.out_of_order);
    out.add("misrouted", counts_.misrouted);
    out.add("foreign", counts_.foreign);
    out.add("ack_disorder", counts_.ack_disorder);
    out.add("stalled", is_stalled_);
}

void traffic::run(report& out) {
    const std::uint64_t resident_before = broker_.resident_bytes();
    start();
    drive_until(now_ + from_seconds(options_.warmup));
    const std::uint64_t delivered_before = counts_.delivered;
    counts_.latency.reset();
    counts_.ack_latency.reset();
    const sample start_sample = take_sample(broker_);
    const other_nodes::usages others_start = others_.cpu();
    drive_until(start_sample.at + from_seconds(options_.seconds));
    const sample end_sample = take_sample(broker_);
    const other_nodes::usages others_end = others_.cpu();
    const std::uint64_t messages = counts_.delivered - delivered_before;
    const latency_histogram latency = counts_.latency;
    const latency_histogram ack_latency = counts_.ack_latency;
    drain();

    add_window(out, "", start_sample, end_sample, messages, broker_);
    others_.add(out, others_start, others_end, to_seconds(end_sample.at - start_sample.at),
                messages);
    add_counts(out);
    if (plan_.is_timed) {
        out.add_latency("", latency);
        if (options_.qos > 0) {
            out.add_latency("ack_", ack_latency);
        }
    }
    if (broker_.is_known()) {
        out.add("resident_before", resident_before);
        out.add("resident_max", resident_max_);
        out.add("resident_after", broker_.resident_bytes());
    }
}

} // namespace gv::load
