// SPDX-License-Identifier: Apache-2.0
// Nanoseconds of what the router and the retained table do, and the memory they take. Plain loops
// around the CPU clock of the thread; memory-bound figures still move with the neighbours.
//
//   router_bench
#include "base/timer_wheel.hpp"
#include "broker/router/retained.hpp"
#include "broker/router/router.hpp"

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace gv;
using namespace gv::router;

std::uint64_t sink = 0; // what is added here cannot be optimised away

class null_subscriber : public subscriber {
  public:
    void deliver(const publication&, const grant&) override {}
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] std::uint64_t client_hash() const override { return 1; }
};

/// Nanoseconds of CPU time of this thread: other load on the machine counts less.
double cpu_now() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::size_t heap_bytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

/// Prints the nanoseconds of each of `times` calls of `body(i)`.
template <typename Body>
void measure(const char* what, std::size_t times, Body body) {
    const double begin = cpu_now();
    for (std::size_t i = 0; i < times; ++i) {
        body(i);
    }
    const double spent = cpu_now() - begin;
    std::printf("%-60s %9.1f ns\n", what, spent / static_cast<double>(times));
}

void print_bytes(const char* what, std::size_t bytes, std::size_t count) {
    std::printf("%-60s %9.1f bytes\n", what,
                static_cast<double>(bytes) / static_cast<double>(count));
}

std::vector<std::string> topics(const char* format, std::size_t count) {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < count; ++i) {
        char text[64];
        std::snprintf(text, sizeof text, format, i);
        made.emplace_back(text);
    }
    return made;
}

std::vector<std::string> shuffled(std::vector<std::string> texts) {
    std::shuffle(texts.begin(), texts.end(), std::mt19937(1));
    // Copied in their new order, so that walking them is not part of what is measured: a broker
    // finds a topic in the buffer that it has just read.
    return std::vector<std::string>(texts.begin(), texts.end());
}

void bench_pairs() {
    gv::router::router routes;
    null_subscriber one;
    const auto names = topics("bench/pair/topic/%03zu", 50); // 20 bytes
    for (const std::string& each : names) {
        routes.subscribe(one, each, {});
    }
    const auto look = [&](const std::string& topic) {
        sink += routes.lookup(topic).targets.size();
    };
    measure("lookup, 50 pairs, warm, same topic as before", 20'000'000,
            [&](std::size_t) { look(names[7]); });
    std::size_t at = 0;
    measure("lookup, 50 pairs, warm, another topic each time", 20'000'000, [&](std::size_t) {
        at = at + 1 < names.size() ? at + 1 : 0;
        look(names[at]);
    });
}

void bench_many_topics() {
    gv::router::router routes;
    null_subscriber one;
    const auto names = shuffled(topics("bench/many/%09zu", 60'000));
    for (const std::string& each : names) {
        routes.subscribe(one, each, {});
    }
    const auto look = [&](std::size_t i) {
        sink += routes.lookup(names[i % names.size()]).targets.size();
    };
    measure("lookup, 60,000 topics at random, cold", names.size(), look);
    routes.end_turn();
    measure("lookup, 60,000 topics at random, warm", 10 * names.size(), look);
    const auto unique = topics("bench/once/%09zu", 400'000);
    measure("lookup, topics seen once, nobody subscribed", unique.size(), [&](std::size_t i) {
        sink += routes.lookup(unique[i]).targets.size();
        if (i % 100 == 0) {
            routes.end_turn();
        }
    });
    print_bytes("  memory of a cached route with one taker", routes.cached_bytes(),
                routes.cached_routes());
}

void bench_wildcards() {
    constexpr std::size_t filters = 100'000;
    gv::router::router routes({.cached_routes_max = 20'000});
    std::vector<std::unique_ptr<null_subscriber>> clients;
    for (int i = 0; i < 1'000; ++i) {
        clients.push_back(std::make_unique<null_subscriber>());
    }
    // Each topic dev/N/t/K is matched by ten filters of ten clients.
    const auto prefixes = topics("dev/%06zu/", filters / 10);
    const std::size_t before = heap_bytes();
    measure("subscribe, 100,000 wildcard filters", filters, [&](std::size_t i) {
        static constexpr const char* tails[] = {"+/a", "t/+",   "#",     "+/#",   "t/#",
                                                "+/+", "t/+/#", "+/a/#", "+/+/#", "t/a/#"};
        routes.subscribe(*clients[i % 1'000], prefixes[i / 10] + tails[i % 10], {});
    });
    print_bytes("  memory of a filter (ten a branch)", heap_bytes() - before, filters);
    const auto names = shuffled(topics("dev/%06zu/t/a", filters / 10));
    const auto look = [&](std::size_t i) {
        sink += routes.lookup(names[i % names.size()]).targets.size();
    };
    sink = 0;
    measure("lookup, each matching 10 of 100,000, cold", names.size(), look);
    std::printf("  takers found a topic: %.1f\n",
                static_cast<double>(sink) / static_cast<double>(names.size()));
    measure("lookup, each matching 10 of 100,000, warm", 20 * names.size(), look);
}

void bench_memory(const char* what, const char* format) {
    constexpr std::size_t filters = 100'000;
    const auto texts = topics(format, filters);
    gv::router::router routes;
    null_subscriber one;
    const std::size_t before = heap_bytes();
    for (const std::string& each : texts) {
        routes.subscribe(one, each, {});
    }
    print_bytes(what, heap_bytes() - before, filters);
}

void bench_fan_out() {
    gv::router::router routes;
    std::vector<std::unique_ptr<null_subscriber>> clients;
    for (int i = 0; i < 1'000; ++i) {
        clients.push_back(std::make_unique<null_subscriber>());
        routes.subscribe(*clients.back(), "bench/fan", {});
    }
    const route& found = routes.lookup("bench/fan");
    const publication what{};
    measure("fan-out: grant and empty delivery, of 1,000 takers", 20'000'000, [&](std::size_t i) {
        const target& to = found.targets[i % 1'000];
        to.who->deliver(what, *found.grant_for(to, 2));
    });
}

publication make(std::string_view topic, std::string_view payload, std::uint64_t stamp) {
    publication made{};
    made.header.stamp = {stamp};
    made.topic = topic;
    made.payload = payload;
    return made;
}

/// Best of five replays of everything.
void measure_replay(retained_table& table, const char* what, const page_limits& limits) {
    double best = std::numeric_limits<double>::max();
    for (int round = 0; round < 5; ++round) {
        const double begin = cpu_now();
        retained_page page;
        for (page.done = false; !page.done;) {
            page = table.read("#", page.resume_after, limits, {});
            for (const message_ref& row : page.rows) {
                sink += row->payload().size();
            }
        }
        best = std::min(best, (cpu_now() - begin) / static_cast<double>(table.count()));
    }
    std::printf("%-60s %9.1f ns\n", what, best);
}

void bench_retained() {
    constexpr std::size_t rows = 100'000;
    const std::string payload(64, 'x');
    const auto names = shuffled(topics("bench/retained/%06zu", rows));
    const auto again = shuffled(names);
    retained_table table;
    const std::size_t before = heap_bytes();
    measure("retained: 100,000 new topics at random", rows,
            [&](std::size_t i) { table.put(make(names[i], payload, 1)); });
    std::size_t messages = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        messages += malloc_usable_size(const_cast<message*>(&*table.find(names[i], {}))) + 8;
    }
    print_bytes("  memory of a row beside its message", heap_bytes() - before - messages, rows);
    measure("retained: replace, among 100,000 at random", rows,
            [&](std::size_t i) { table.put(make(again[i], payload, 2)); });
    measure("retained: replace, 1,000 in use among 100,000", 1'000'000,
            [&](std::size_t i) { table.put(make(again[i % 1'000], payload, 2)); });
    measure_replay(table, "retained: replay a row, pages of 256", {});
    measure_replay(table, "retained: replay a row, pages of 16", {.rows_max = 16});
    const auto fresh = topics("bench/retained/%06zux", 10'000);
    const auto random_fresh = shuffled(fresh);
    measure("retained: new topic with 100,000 siblings", random_fresh.size(),
            [&](std::size_t i) { table.put(make(random_fresh[i], payload, 3)); });
    measure("retained: remove", random_fresh.size(),
            [&](std::size_t i) { table.put(make(random_fresh[i], "", 4)); });
}

void bench_leaps() {
    retained_table table;
    for (const std::string& each : topics("home/%06zu", 100'000)) {
        for (const char* leaf : {"/hum", "/light", "/motion", "/rssi", "/temp", "/x", "/y", "/z"}) {
            table.put(make(each + leaf, "v", 1));
        }
    }
    std::string after;
    std::size_t found = 0;
    measure("retained: home/+/temp, 1 of 8 of 800,000, a page of 256", 100, [&](std::size_t) {
        const retained_page page = table.read("home/+/temp", after, {}, {});
        after = page.resume_after;
        found += page.rows.size();
    });
    std::printf("  rows a page: %.1f\n", static_cast<double>(found) / 100);
}

void bench_wheel() {
    const time_point start{};
    timer_wheel wheel(start);
    std::vector<timer> timers(20'000);
    std::mt19937_64 random(1);
    std::vector<duration> delays;
    for (std::size_t i = 0; i < timers.size(); ++i) {
        delays.push_back(std::chrono::milliseconds(random() % 90'000));
    }
    measure("timer wheel: schedule among 20,000", 2'000'000, [&](std::size_t i) {
        wheel.schedule(timers[i % timers.size()], start + delays[i % delays.size()]);
    });
    measure("timer wheel: next_deadline", 2'000'000, [&](std::size_t) {
        sink += static_cast<std::uint64_t>(wheel.next_deadline()->time_since_epoch().count());
    });
    const double begin = cpu_now();
    const std::size_t fired = wheel.advance(start + 100s, [](timer&) {});
    const double spent = cpu_now() - begin;
    std::printf("%-60s %9.1f ns\n", "timer wheel: fire", spent / static_cast<double>(fired));
}

} // namespace

int main() {
    bench_pairs();
    bench_many_topics();
    bench_wildcards();
    bench_memory("memory of an exact filter of 20 bytes", "bench/pair/t/%07zu");
    bench_memory("memory of a filter sensors/N/+/temp", "sensors/%07zu/+/temp");
    bench_memory("memory of a filter dev/N/#", "dev/%07zu/#");
    bench_fan_out();
    bench_retained();
    bench_leaps();
    bench_wheel();
    return sink == 0 ? 1 : 0;
}
