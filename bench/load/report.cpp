// SPDX-License-Identifier: Apache-2.0
#include "bench/load/report.hpp"

#include <cmath>
#include <cstdio>

namespace gv::load {

namespace {

/// Names and texts are our own words: only what JSON cannot hold at all is escaped.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

/// null for what no message was there to be divided by.
std::string number(double value) {
    if (!std::isfinite(value)) {
        return "null";
    }
    char text[32];
    std::snprintf(text, sizeof(text), "%.5g", value);
    return text;
}

double to_us(nanoseconds duration) { return static_cast<double>(duration) / 1e3; }

} // namespace

void report::add(std::string_view name, std::string_view text) {
    fields_.push_back({std::string(name), quoted(text)});
}

void report::add(std::string_view name, std::uint64_t value) {
    fields_.push_back({std::string(name), std::to_string(value)});
}

void report::add(std::string_view name, double value) {
    fields_.push_back({std::string(name), number(value)});
}

void report::add(std::string_view name, bool value) {
    fields_.push_back({std::string(name), value ? "true" : "false"});
}

void report::add_latency(std::string_view prefix, const latency_histogram& latency) {
    const auto named = [&](std::string_view name) { return std::string(prefix).append(name); };
    add(named("latency_p50_us"), to_us(latency.at(0.5)));
    add(named("latency_p90_us"), to_us(latency.at(0.9)));
    add(named("latency_p99_us"), to_us(latency.at(0.99)));
    add(named("latency_p999_us"), to_us(latency.at(0.999)));
    add(named("latency_max_us"), to_us(latency.max()));
}

std::string report::to_json() const {
    std::string out = "{";
    for (const field& each : fields_) {
        out += (out.size() > 1 ? ",\n " : "\n ") + quoted(each.name) + ": " + each.value;
    }
    return out + "\n}";
}

sample take_sample(const broker_process& broker) {
    return {.at = clock_now(), .generator_cpu = own_cpu(), .broker_cpu = broker.cpu()};
}

void add_cpu(report& out, std::string_view prefix, const cpu_usage& used, double seconds,
             std::uint64_t messages) {
    const auto named = [&](std::string_view name) { return std::string(prefix).append(name); };
    const auto count = static_cast<double>(messages);
    const double ticks_us = used.user_us + used.system_us;
    const double user = ticks_us > 0 ? used.user_us / ticks_us : 0;
    out.add(named("cpu_us_per_message"), used.total_us / count);
    out.add(named("cpu_user_us_per_message"), used.total_us * user / count);
    out.add(named("cpu_system_us_per_message"), used.total_us * (1 - user) / count);
    out.add(named("broker_cpu_share"), used.total_us / (seconds * 1e6));
}

void add_window(report& out, std::string_view prefix, const sample& start, const sample& end,
                std::uint64_t messages, const broker_process& broker) {
    const auto named = [&](std::string_view name) { return std::string(prefix).append(name); };
    const double seconds = to_seconds(end.at - start.at);
    const auto count = static_cast<double>(messages);
    const double own_us = to_us(end.generator_cpu - start.generator_cpu);
    out.add(named("seconds"), seconds);
    out.add(named("messages"), messages);
    out.add(named("messages_per_second"), count / seconds);
    out.add(named("generator_us_per_message"), own_us / count);
    out.add(named("generator_cpu_share"), own_us / (seconds * 1e6));
    if (broker.is_known()) {
        add_cpu(out, prefix, end.broker_cpu - start.broker_cpu, seconds, messages);
    }
}

} // namespace gv::load
