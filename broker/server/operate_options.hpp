// SPDX-License-Identifier: Apache-2.0
// The command line of `grapevine cluster`.
#pragma once

#include "base/result.hpp"
#include "broker/server/command_line.hpp"
#include "cluster/operator_answers.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

enum class operate_task : std::uint8_t {
    status,
    join,
    leave,
    drain,
    forget,
    init,
    renew,
    token,
    join_by_token,
    help
};

struct operate_options {
    operate_task task = operate_task::help;
    std::string socket;              ///< empty: that of the configuration
    std::vector<std::string> places; ///< to join
    std::string which;               ///< to forget
    std::string cluster;             ///< to begin; empty: that of the configuration
    std::string token;               ///< to join by
    std::string address;             ///< that a token names; empty: that of the configuration
    std::chrono::seconds good_for = std::chrono::hours(1); ///< a token
    bool as_json = false;
    bool is_forced = false;
    cluster::own_sessions sessions = cluster::own_sessions::stay; ///< of this node, as it joins
    command_line broker; ///< flags of the broker that say where its socket is
};

/// `args` is what follows "cluster". Errors: a sentence for a person.
[[nodiscard]] result<operate_options, std::string>
parse_operate_options(std::span<const std::string_view> args);

/// What --help prints.
[[nodiscard]] std::string_view operate_usage() noexcept;

} // namespace gv::server
