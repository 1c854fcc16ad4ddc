// SPDX-License-Identifier: Apache-2.0
// The topics of $SYS/broker/, named and written as Mosquitto 2 writes them, so that its dashboards
// and exporters work; in a cluster, the same once more for each node. Pure: figures and time go in,
// what has changed comes out. docs/operations.md lists them.
#pragma once

#include "base/time.hpp"
#include "cluster/node_figures.hpp"

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
    /// `root`: what all topics begin with.
    explicit sys_topics(std::string root = "$SYS/broker/") noexcept : root_(std::move(root)) {}

    /// Every topic at the first call; then those whose text has changed. `progress` is what loads
    /// are made of: only what it grows by counts. Requires: no counter of it gets less.
    [[nodiscard]] std::vector<sys_value> update(const cluster::node_figures& shown,
                                                const cluster::node_counters& progress,
                                                time_point now);

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
    void set_clients(const cluster::node_figures& shown);
    void set_messages(const cluster::node_counters& shown);
    void set_stored(const cluster::node_levels& shown);
    void set_loads(const cluster::node_counters& progress, time_point now);
    void set_load(std::string_view name, std::uint64_t count, double seconds);

    std::string root_;
    time_point updated_ = time_point::min(); ///< not yet
    std::map<std::string, std::string, std::less<>> given_;
    std::map<std::string, load, std::less<>> loads_;
    std::vector<sys_value> changed_;
    std::uint64_t clients_max_ = 0;
    std::uint64_t heap_max_ = 0;
};

} // namespace gv::server
