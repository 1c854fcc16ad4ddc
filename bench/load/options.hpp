// SPDX-License-Identifier: Apache-2.0
// The command line of grapevine-load: a scenario and its options, each option declared once.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::load {

enum class scenario {
    pairs,
    fanout,
    fanin,
    wildcards,
    paced,
    flood,
    retained,
    idle,
    durable,
    connects
};

[[nodiscard]] std::string_view name_of(scenario what) noexcept;

/// Numbers that do not concern the scenario are ignored.
struct load_options {
    scenario what = scenario::pairs;
    std::string host = "127.0.0.1";
    std::uint32_t port = 1883;
    std::uint32_t broker_pid = 0;
    std::uint32_t publish_port = 0;
    std::uint32_t publish_pid = 0;
    std::uint32_t home_pid = 0;
    std::string clients; ///< see client_ids()
    std::uint32_t persistent = 0;
    std::uint32_t qos = 0;
    std::uint32_t payload = 64;
    double seconds = 5;
    double warmup = 1;
    std::uint32_t publishers = 50;
    std::uint32_t subscribers = 50;
    std::uint32_t window = 100;
    std::uint32_t undelivered = 500;
    std::uint32_t refill = 1;
    std::uint32_t rate = 50'000;
    std::uint32_t filters = 100'000;
    std::uint32_t messages = 100'000;
    std::uint32_t replay_qos = 0;
    std::uint32_t connections = 15'000;
    std::uint32_t parallel = 100;
    std::uint32_t burst = 200;
    double hold = 1;
    std::uint32_t spin = 0;
};

/// The defaults of a scenario at a quality of service.
[[nodiscard]] load_options defaults_of(scenario what, std::uint32_t qos);

/// Parses `<scenario> [--name value]...`. Errors: what is wrong and what to write instead.
[[nodiscard]] result<load_options, problem> parse_options(std::span<const char* const> arguments);

/// The identifiers that `--clients` names, none if it was not given.
[[nodiscard]] std::vector<std::string> client_ids(const load_options& options);

[[nodiscard]] std::string help_text();

} // namespace gv::load
