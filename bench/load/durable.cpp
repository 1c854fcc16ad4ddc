// SPDX-License-Identifier: Apache-2.0
#include "bench/load/durable.hpp"

#include "bench/load/broker_process.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/subscriber.hpp"

#include <algorithm>
#include <optional>

namespace gv::load {

namespace {

constexpr nanoseconds patience = 20 * second_ns;

double microseconds_each(nanoseconds time, std::uint64_t messages) {
    return static_cast<double>(time) / 1e3
           / static_cast<double>(std::max<std::uint64_t>(1, messages));
}

class durable_run {
  public:
    explicit durable_run(const load_options& options)
        : options_(options), broker_(options.broker_pid),
          address_(options.host, static_cast<std::uint16_t>(options.port)),
          plan_{.qos = options.qos,
                .payload = options.payload,
                .undelivered = 0,
                .window = options.window,
                .refill = options.refill,
                .run = static_cast<std::uint32_t>(clock_now() | 1)},
          context_{plan_, scratch_, counts_, {}}, readers_{{}, plan_.run, scratch_, counts_} {
        make_session();
        publishers_.reserve(options.publishers);
        for (std::uint32_t i = 0; i < options.publishers; ++i) {
            connection link(address_.connect(i), "publisher " + std::to_string(i));
            link.handshake("load-" + std::to_string(plan_.run) + "-" + std::to_string(i));
            publishers_.emplace_back(std::move(link), context_, i,
                                     "bench/" + std::to_string(1'000 + i));
            publishers_.back().attach(loop_);
        }
        readers_.publishers = publishers_;
    }

    void store(report& out);
    void drain(report& out);

  private:
    [[nodiscard]] std::string session() const {
        return "load-" + std::to_string(plan_.run) + "-sleeper";
    }
    void make_session() {
        connection link(address_.connect(0), "sleeper");
        link.handshake(session(), false);
        const std::string everything = "bench/#";
        link.subscribe({&everything, 1}, plan_.qos);
    }
    [[nodiscard]] std::uint64_t acknowledged() const {
        std::uint64_t sum = 0;
        for (const publisher& each : publishers_) {
            sum += each.acknowledged();
        }
        return sum;
    }
    void turn() {
        now_ = loop_.turn(context_.waiting.empty() ? second_ns / 100 : 0);
        turn_list_.swap(context_.waiting);
        for (publisher* each : turn_list_) {
            each->publish(batch_, now_);
        }
        turn_list_.clear();
    }
    void drive_until(nanoseconds end) {
        while (now_ < end) {
            turn();
        }
    }

    const load_options& options_;
    broker_process broker_;
    broker_address address_;
    publish_plan plan_;
    event_loop loop_;
    io_scratch scratch_;
    tally counts_;
    publisher_context context_;
    subscriber_context readers_;
    std::vector<publisher> publishers_;
    std::vector<publisher*> turn_list_;
    frame_batch batch_{
        encode_publish("bench/1000", std::string(options_.payload, ' '), {.qos = options_.qos})
            .size()};
    nanoseconds now_ = clock_now();
};

void durable_run::store(report& out) {
    for (publisher& each : publishers_) {
        each.want_turn();
    }
    drive_until(now_ + from_seconds(options_.warmup));
    const std::uint64_t before = acknowledged();
    const sample start = take_sample(broker_);
    drive_until(start.at + from_seconds(options_.seconds));
    const sample end = take_sample(broker_);
    const std::uint64_t stored = acknowledged() - before;
    add_window(out, "store_", start, end, stored, broker_);
    out.add("store_us_per_message", microseconds_each(end.at - start.at, stored));
    for (publisher& each : publishers_) {
        each.stop();
    }
    const nanoseconds deadline = now_ + patience;
    while (now_ < deadline && !std::ranges::all_of(publishers_, &publisher::is_settled)) {
        turn();
    }
    out.add("acknowledged", acknowledged());
    out.add("ack_disorder", counts_.ack_disorder);
    out.add("resident_after_store", broker_.resident_bytes());
}

void durable_run::drain(report& out) {
    const std::uint64_t stored = acknowledged();
    connection link(address_.connect(0), "sleeper");
    const sample start = take_sample(broker_);
    link.handshake(session(), false);
    subscriber reader(std::move(link), readers_,
                      {.first = 0, .count = static_cast<std::uint32_t>(publishers_.size())});
    reader.attach(loop_);
    nanoseconds moved = now_ = clock_now();
    std::uint64_t last = 0;
    while (counts_.sequences.unique < stored && now_ - moved < patience) {
        turn();
        if (counts_.delivered != last) {
            last = counts_.delivered;
            moved = now_;
        }
    }
    const sample end = take_sample(broker_);
    add_window(out, "drain_", start, end, std::max<std::uint64_t>(1, counts_.delivered), broker_);
    out.add("drain_us_per_message", microseconds_each(end.at - start.at, counts_.delivered));
    out.add("lost", stored - std::min(stored, counts_.sequences.unique));
    out.add("duplicates", counts_.sequences.duplicates);
    out.add("out_of_order", counts_.sequences.out_of_order);
    out.add("resident_after_drain", broker_.resident_bytes());
}

} // namespace

void run_durable(const load_options& options, report& out) {
    durable_run run(options);
    run.store(out);
    run.drain(out);
}

} // namespace gv::load
