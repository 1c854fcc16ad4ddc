// SPDX-License-Identifier: Apache-2.0
// What a scenario measured, in the order it shall be printed.
#pragma once

#include "bench/load/broker_process.hpp"
#include "bench/load/clock.hpp"
#include "bench/load/latency.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gv::load {

/// A flat JSON object.
class report {
  public:
    void add(std::string_view name, std::string_view text);
    void add(std::string_view name, const char* text) { add(name, std::string_view(text)); }
    void add(std::string_view name, std::uint64_t value);
    void add(std::string_view name, std::uint32_t value) { add(name, std::uint64_t{value}); }
    void add(std::string_view name, double value);
    void add(std::string_view name, bool value);
    /// `<prefix>latency_p50_us` and so on.
    void add_latency(std::string_view prefix, const latency_histogram& latency);

    [[nodiscard]] std::string to_json() const;

  private:
    struct field {
        std::string name;
        std::string value; ///< as JSON
    };
    std::vector<field> fields_;
};

/// A moment at which everything that is measured over a window was read.
struct sample {
    nanoseconds at = 0;
    nanoseconds generator_cpu = 0;
    cpu_usage broker_cpu;
};

[[nodiscard]] sample take_sample(const broker_process& broker);

/// Adds what a broker's process used for so many messages in that time:
/// `<prefix>cpu_us_per_message` and so on.
void add_cpu(report& out, std::string_view prefix, const cpu_usage& used, double seconds,
             std::uint64_t messages);

/// Adds what the window between two samples cost: `<prefix>seconds`, `<prefix>messages` and so on.
/// CPU figures of the broker only if it is known.
void add_window(report& out, std::string_view prefix, const sample& start, const sample& end,
                std::uint64_t messages, const broker_process& broker);

} // namespace gv::load
