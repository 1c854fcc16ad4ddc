// SPDX-License-Identifier: Apache-2.0
// The command line: the flags people's fingers know (-v, -p, -c, -d), one flag for each option
// (--mqtt.packet_size_max 1MiB), and what to do instead of running.
#pragma once

#include "broker/server/config_source.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

struct command_line {
    enum class action : std::uint8_t {
        run,
        check_config,
        print_config,
        help,
        version,
        passwd,
        store,
        cluster,
        health
    };

    action wanted = action::run;
    bool is_daemon = false;           ///< -d: go into the background
    std::string config_file;          ///< -c; empty: none
    std::vector<std::uint16_t> ports; ///< each -p, in order
    std::vector<assignment> assignments;
    std::vector<std::string> rest; ///< what follows `passwd`, `store` and the like
    std::vector<problem> problems;
};

/// A flag that is not an option, for --help.
struct flag_doc {
    std::string_view brief;    ///< "-v"; empty if there is none
    std::string_view full;     ///< "--verbose"
    std::string_view argument; ///< "FILE"; empty if it takes none
    std::string_view doc;
};
[[nodiscard]] std::vector<flag_doc> flag_docs();

/// `arguments` are those after the name of the program.
[[nodiscard]] command_line parse_command_line(std::span<const std::string_view> arguments);

/// The same from main()'s.
[[nodiscard]] command_line parse_command_line(int count, const char* const* arguments);

} // namespace gv::server
