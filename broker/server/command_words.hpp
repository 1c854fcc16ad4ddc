// SPDX-License-Identifier: Apache-2.0
// How the sub-commands of grapevine read their command lines: options anywhere, the rest in order.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

struct command_words {
    std::vector<std::string_view> positions; ///< what is no option
    bool wants_help = false;
    std::string wrong; ///< the first thing that is, for a person; empty: nothing
};

/// `flag(option)` takes an option that stands alone, `valued(name)` tells whether an option takes a
/// value, `set(name, value)` takes that; "--name=value" is the same as "--name value". -h and
/// --help are known.
template <typename Flag, typename Valued, typename Set>
[[nodiscard]] command_words read_words(std::span<const std::string_view> args, Flag flag,
                                       Valued valued, Set set) {
    command_words all;
    for (; !args.empty() && all.wrong.empty(); args = args.subspan(1)) {
        const std::string_view arg = args.front();
        if (arg.size() < 2 || arg.front() != '-') {
            all.positions.push_back(arg);
            continue;
        }
        if (arg == "-h" || arg == "--help") {
            all.wants_help = true;
            continue;
        }
        if (flag(arg)) {
            continue;
        }
        const std::size_t equals = arg.starts_with("--") ? arg.find('=') : std::string_view::npos;
        const std::string_view name = arg.substr(0, equals);
        if (!valued(name)) {
            all.wrong = "the option " + std::string(name) + " is not known; see --help";
            continue;
        }
        std::string_view value;
        if (equals != std::string_view::npos) {
            value = arg.substr(equals + 1);
        } else if (args.size() > 1) {
            args = args.subspan(1);
            value = args.front();
        }
        if (value.empty()) {
            all.wrong = std::string(name) + " needs a value";
        } else {
            set(name, value);
        }
    }
    return all;
}

} // namespace gv::server
