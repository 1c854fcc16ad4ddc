// SPDX-License-Identifier: Apache-2.0
#include "broker/server/command_line.hpp"

#include "broker/server/option_table.hpp"
#include "broker/server/value_text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace gv::server {

namespace {

using action = command_line::action;

assignment make(std::string_view path, std::string_view value, std::string_view place) {
    return {.path = std::string(path),
            .value = {.text = std::string(value), .items = {}},
            .place = std::string(place)};
}

/// As `mosquitto -v`: everything about each client, however much it is. In front, so that
/// --log.level wins wherever it stands.
void be_verbose(command_line& out, std::string_view flag, std::string_view /*value*/) {
    out.assignments.insert(out.assignments.begin(), {make("log.level", "debug", flag),
                                                     make("log.lines_per_second", "0", flag)});
}

void add_port(command_line& out, std::string_view flag, std::string_view value) {
    const auto number = parse_number(value);
    if (!number || *number > std::numeric_limits<std::uint16_t>::max()) {
        out.problems.push_back({std::string(flag), "\"" + std::string(value) + "\" is not a port",
                                "write a number from 0 to 65535"});
        return;
    }
    out.ports.push_back(static_cast<std::uint16_t>(*number));
}

template <action Wanted>
void want(command_line& out, std::string_view /*flag*/, std::string_view /*value*/) {
    out.wanted = Wanted;
}

struct flag_row {
    flag_doc doc;
    void (*take)(command_line& out, std::string_view flag, std::string_view value);
};

constexpr std::array<flag_row, 9> flag_table{{
    {{"-c", "--config", "FILE", "Read this configuration file."},
     [](command_line& out, std::string_view, std::string_view value) { out.config_file = value; }},
    {{"-p", "--port", "PORT", "Listen on this port of 127.0.0.1 and ::1; may be repeated."},
     add_port},
    {{"-v", "--verbose", "", "Log each connection, subscription and disconnection."}, be_verbose},
    {{"-d", "--daemon", "", "Go into the background; logs go to syslog."},
     [](command_line& out, std::string_view, std::string_view) { out.is_daemon = true; }},
    {{"", "--ports-file", "FILE", "Write the addresses listened on to this file."},
     [](command_line& out, std::string_view flag, std::string_view value) {
         out.assignments.push_back(make("node.ports_file", value, flag));
     }},
    {{"", "--check-config", "", "List every problem of the configuration and exit."},
     want<action::check_config>},
    {{"", "--print-config", "", "Print the configuration in effect, and where it comes from."},
     want<action::print_config>},
    {{"-h", "--help", "", "Print this text."}, want<action::help>},
    {{"", "--version", "", "Print the version."}, want<action::version>},
}};

constexpr std::array<std::pair<std::string_view, action>, 4> commands{{
    {"passwd", action::passwd},
    {"store", action::store},
    {"cluster", action::cluster},
    {"health", action::health},
}};

class parser {
  public:
    explicit parser(std::span<const std::string_view> arguments) : arguments_(arguments) {}

    command_line parse() {
        const auto* const command =
            arguments_.empty() ? commands.end()
                               : std::ranges::find(commands, arguments_.front(),
                                                   [](const auto& each) { return each.first; });
        if (command != commands.end()) {
            out_.wanted = command->second;
            out_.rest.assign(arguments_.begin() + 1, arguments_.end());
            return std::move(out_);
        }
        while (at_ < arguments_.size()) {
            read_argument(arguments_[at_++]);
        }
        return std::move(out_);
    }

  private:
    void read_argument(std::string_view argument) {
        if (!argument.starts_with('-') || argument.size() < 2) {
            report(argument, "is neither a flag nor a command",
                   "flags start with -; the commands are passwd, store, cluster and health, and "
                   "come first");
            return;
        }
        std::optional<std::string_view> attached;
        const std::size_t equals = argument.find('=');
        if (argument.starts_with("--") && equals != std::string_view::npos) {
            attached = argument.substr(equals + 1);
            argument = argument.substr(0, equals);
        }
        if (argument.starts_with("--") && argument.find('.') != std::string_view::npos) {
            read_option(argument, attached);
        } else {
            read_flag(argument, attached);
        }
    }

    void read_option(std::string_view flag, std::optional<std::string_view> attached) {
        if (const auto value = attached ? attached : next_value(flag)) {
            out_.assignments.push_back(make(flag.substr(2), *value, flag));
        }
    }

    void read_flag(std::string_view flag, std::optional<std::string_view> attached) {
        const auto* const row = std::ranges::find_if(flag_table, [&](const flag_row& each) {
            return flag == each.doc.full || flag == each.doc.brief;
        });
        if (row == flag_table.end()) {
            report_unknown(flag);
        } else if (row->doc.argument.empty() && attached) {
            report(flag, "takes no value", "leave away what follows it");
        } else if (row->doc.argument.empty()) {
            row->take(out_, flag, {});
        } else if (const auto value = attached ? attached : next_value(flag)) {
            row->take(out_, flag, *value);
        }
    }

    std::optional<std::string_view> next_value(std::string_view flag) {
        if (at_ < arguments_.size()) {
            return arguments_[at_++];
        }
        report(flag, "has no value", "write one after it");
        return std::nullopt;
    }

    void report_unknown(std::string_view flag) {
        std::vector<std::string_view> known;
        for (const flag_row& row : flag_table) {
            known.push_back(row.doc.full);
        }
        // An option without its section is the likelier slip in a long name.
        std::string hint = did_you_mean(flag, known);
        if (hint.empty() && flag.size() > 2) {
            const std::string_view option = closest(flag.substr(2), option_names());
            hint = option.empty() ? "" : "did you mean '--" + std::string(option) + "'?";
        }
        report(flag, "is not a flag", hint.empty() ? "see --help for all flags" : hint);
    }

    void report(std::string_view place, std::string what, std::string remedy) {
        out_.problems.push_back({std::string(place), std::move(what), std::move(remedy)});
    }

    std::span<const std::string_view> arguments_;
    std::size_t at_ = 0;
    command_line out_;
};

} // namespace

std::vector<flag_doc> flag_docs() {
    std::vector<flag_doc> docs;
    for (const flag_row& row : flag_table) {
        docs.push_back(row.doc);
    }
    return docs;
}

command_line parse_command_line(std::span<const std::string_view> arguments) {
    return parser(arguments).parse();
}

command_line parse_command_line(int count, const char* const* arguments) {
    std::vector<std::string_view> views;
    for (int each = 1; each < count; ++each) {
        views.emplace_back(arguments[each]);
    }
    return parse_command_line(views);
}

} // namespace gv::server
