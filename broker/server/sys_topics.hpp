// SPDX-License-Identifier: Apache-2.0
// The topics of $SYS/broker/, named and written as Mosquitto 2 writes them, so that its dashboards
// and exporters work. Pure: sums and time go in, what has changed comes out. docs/operations.md
// lists them.
#pragma once

#include "base/time.hpp"
#include "broker/server/metrics.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

struct sys_value {
    std::string topic;
    std::string text;
};

class sys_topics {
  public:
    /// `started`: since when the broker is up.
    explicit sys_topics(time_point started) noexcept : started_(started) {}

    /// Every topic at the first call; then those whose text has changed. `heap_bytes`: memory that
    /// the process holds now.
    [[nodiscard]] std::vector<sys_value> update(const shard_metrics& total,
                                                std::uint64_t heap_bytes, time_point now);

    /// Forgets all that was given: names of the topics, each of which is to be cleared.
    [[nodiscard]] std::vector<std::string> clear();

  private:
    /// A rate per minute over the last one, five and fifteen minutes, as Mosquitto averages it:
    /// exponentially, and shown anew only if it moved by a hundredth.
    struct load {
        std::uint64_t counted = 0;
        std::array<double, 3> averages{};
    };

    void set(std::string_view name, std::string text);
    void set(std::string_view name, std::uint64_t number);
    void set_clients(const shard_metrics& total);
    void set_messages(const shard_metrics& total);
    void set_stored(const shard_metrics& total);
    void set_loads(const shard_metrics& total, time_point now);
    void set_load(std::string_view name, std::uint64_t count, double seconds);

    time_point started_;
    time_point updated_ = time_point::min(); ///< not yet
    std::map<std::string, std::string, std::less<>> given_;
    std::map<std::string, load, std::less<>> loads_;
    std::vector<sys_value> changed_;
    std::uint64_t clients_max_ = 0;
    std::uint64_t heap_max_ = 0;
};

} // namespace gv::server
