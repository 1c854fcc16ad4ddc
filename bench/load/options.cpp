// SPDX-License-Identifier: Apache-2.0
#include "bench/load/options.hpp"

#include "bench/load/stamp.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <ranges>
#include <variant>

namespace gv::load {

namespace {

struct scenario_row {
    scenario what;
    std::string_view name;
    std::string_view help;
};

constexpr std::array scenarios{
    scenario_row{scenario::pairs, "pairs",
                 "each publisher has its own topic and subscriber; closed loop"},
    scenario_row{scenario::fanout, "fanout", "one publisher, many subscribers; closed loop"},
    scenario_row{scenario::fanin, "fanin",
                 "many publishers, one subscriber of bench/#; closed loop"},
    scenario_row{scenario::wildcards, "wildcards",
                 "many wildcard filters, each publish matches ten; closed loop"},
    scenario_row{scenario::paced, "paced",
                 "pairs at a fixed total rate; latency from the time a message was due"},
    scenario_row{scenario::flood, "flood", "pairs, as fast as the sockets take it; open loop"},
    scenario_row{scenario::retained, "retained",
                 "stores retained messages, then replays them to one subscriber of #"},
    scenario_row{scenario::idle, "idle",
                 "opens idle connections, then a burst of handshakes at once"},
    scenario_row{scenario::durable, "durable",
                 "many publishers, one persistent session of bench/# that is away; then it drains"},
    scenario_row{scenario::connects, "connects",
                 "each of --clients connects and leaves, one after the other; time to CONNACK"},
};

using option_field = std::variant<std::uint32_t load_options::*, double load_options::*,
                                  std::string load_options::*>;

struct option_row {
    std::string_view name;
    option_field field;
    std::string_view help;
};

constexpr std::array option_rows{
    option_row{"--host", &load_options::host, "broker's name or IPv4 address"},
    option_row{"--port", &load_options::port, "broker's port"},
    option_row{"--broker-pid", &load_options::broker_pid,
               "broker's process, to read its CPU time and memory; 0: not here"},
    option_row{"--publish-port", &load_options::publish_port,
               "port of another node, for publishers; 0: as --port (not retained, idle, durable)"},
    option_row{"--publish-pid", &load_options::publish_pid, "process of that node; 0: not here"},
    option_row{"--home-pid", &load_options::home_pid,
               "process of one more node, where sessions are; 0: not here"},
    option_row{"--clients", &load_options::clients,
               "identifiers, with commas: of subscribers, whose sessions are then persistent "
               "(pairs, paced), or of those that connect (connects)"},
    option_row{"--persistent", &load_options::persistent, "1: with clean session 0 (connects)"},
    option_row{"--qos", &load_options::qos, "0, 1 or 2, of publishers and subscribers"},
    option_row{"--payload", &load_options::payload, "bytes, at least 24"},
    option_row{"--seconds", &load_options::seconds, "measured time"},
    option_row{"--warmup", &load_options::warmup, "seconds before that"},
    option_row{"--publishers", &load_options::publishers, "clients"},
    option_row{"--subscribers", &load_options::subscribers, "clients (fanout, wildcards)"},
    option_row{"--window", &load_options::window,
               "unacknowledged messages of a publisher at QoS 1 and 2"},
    option_row{"--undelivered", &load_options::undelivered,
               "messages of a publisher not yet with all their subscribers"},
    option_row{"--refill", &load_options::refill,
               "a publisher sends again once it may send this many at once"},
    option_row{"--rate", &load_options::rate, "messages a second, of all publishers (paced)"},
    option_row{"--filters", &load_options::filters,
               "of all subscribers (wildcards); a multiple of them, at most 100,000"},
    option_row{"--messages", &load_options::messages, "stored (retained)"},
    option_row{"--replay-qos", &load_options::replay_qos, "of the subscriber of # (retained)"},
    option_row{"--connections", &load_options::connections, "to open (idle)"},
    option_row{"--parallel", &load_options::parallel, "handshakes at a time (idle)"},
    option_row{"--burst", &load_options::burst, "handshakes at once, at the end (idle)"},
    option_row{"--hold", &load_options::hold, "seconds to hold the connections (idle)"},
    option_row{"--spin", &load_options::spin, "1: never sleep, so that no wake-up is measured"},
};

problem wrong(std::string_view place, std::string what, std::string remedy) {
    return {std::string(place), std::move(what), std::move(remedy)};
}

template <typename Number>
bool parse_number(std::string_view text, Number& value) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end && value >= Number{0};
}

struct assign_field {
    load_options& options;
    std::string_view text;

    bool operator()(std::string load_options::* field) const {
        options.*field = text;
        return true;
    }
    template <typename Number>
    bool operator()(Number load_options::* field) const {
        return parse_number(text, options.*field);
    }
};

std::optional<scenario> find_scenario(std::string_view name) {
    for (const scenario_row& row : scenarios) {
        if (row.name == name) {
            return row.what;
        }
    }
    return {};
}

std::optional<problem> assign(load_options& options, std::string_view name, std::string_view text) {
    for (const option_row& row : option_rows) {
        if (row.name == name) {
            if (std::visit(assign_field{options, text}, row.field)) {
                return {};
            }
            return wrong(name, "\"" + std::string(text) + "\" is not a number that fits",
                         "give " + std::string(row.help));
        }
    }
    return wrong(name, "there is no such option", "see grapevine-load --help");
}

std::optional<problem> validate_wildcards(const load_options& options) {
    if (options.subscribers % 10 != 0) {
        return wrong("--subscribers", "wildcards needs blocks of ten clients",
                     "give a multiple of 10");
    }
    if (options.filters % options.subscribers != 0 || options.filters > 100'000) {
        return wrong("--filters", "each client needs as many filters, all at most 100,000",
                     "give a multiple of --subscribers");
    }
    return {};
}

std::optional<problem> validate_clients(const load_options& options) {
    const std::size_t given = client_ids(options).size();
    const bool are_subscribers = options.what == scenario::pairs || options.what == scenario::paced;
    if (options.what == scenario::connects && given == 0) {
        return wrong("--clients", "connects has nobody to connect", "give some");
    }
    if (are_subscribers && given != 0 && given != options.publishers) {
        return wrong("--clients", "each publisher has its own subscriber",
                     "give as many as --publishers");
    }
    return {};
}

std::optional<problem> validate(const load_options& options) {
    if (options.qos > 2) {
        return wrong("--qos", "there is no such quality of service", "give 0, 1 or 2");
    }
    if (options.payload < sizeof(stamp) || options.payload > 16'000'000) {
        return wrong("--payload", "it must hold a stamp of 24 bytes and fit a packet",
                     "give 24 to 16000000");
    }
    if (options.port == 0 || options.port > 65'535) {
        return wrong("--port", "it is not a port", "give 1 to 65535");
    }
    if (options.publish_port > 65'535) {
        return wrong("--publish-port", "it is not a port", "give 1 to 65535, or 0 for --port");
    }
    if (options.publishers == 0 || options.publishers > 9'999 || options.subscribers == 0) {
        return wrong("--publishers", "each side needs clients, publishers at most 9,999",
                     "give 1 to 9999");
    }
    if (options.window == 0 || options.window > 65'535) {
        return wrong("--window", "there are 65,535 packet ids", "give 1 to 65535");
    }
    const bool is_closed_loop = options.undelivered > 0;
    if (options.refill == 0 || options.refill > options.window
        || (is_closed_loop && options.refill > options.undelivered)) {
        return wrong("--refill", "it must be possible to send that many at once",
                     "give 1 up to --undelivered and --window");
    }
    if (options.rate == 0 || options.parallel == 0 || options.messages == 0) {
        return wrong("--rate", "--rate, --parallel and --messages must be above 0",
                     "give 1 or more");
    }
    if (options.what == scenario::retained && (options.qos > 1 || options.replay_qos > 1)) {
        return wrong("--qos", "retained knows QoS 0 and 1", "give 0 or 1");
    }
    if (auto error = validate_clients(options)) {
        return error;
    }
    return options.what == scenario::wildcards ? validate_wildcards(options)
                                               : std::optional<problem>();
}

/// QoS comes first of all options, since defaults depend on it.
std::uint32_t find_qos(std::span<const char* const> arguments) {
    std::uint32_t qos = 0;
    for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
        if (std::string_view(arguments[i]) == "--qos") {
            parse_number(std::string_view(arguments[i + 1]), qos);
        }
    }
    return qos;
}

std::string show(const load_options& defaults, const option_field& field) {
    if (const auto* text = std::get_if<std::string load_options::*>(&field)) {
        return defaults.**text;
    }
    if (const auto* number = std::get_if<double load_options::*>(&field)) {
        return std::to_string(static_cast<unsigned>(defaults.**number));
    }
    return std::to_string(defaults.*std::get<std::uint32_t load_options::*>(field));
}

} // namespace

std::string_view name_of(scenario what) noexcept {
    return scenarios[static_cast<std::size_t>(what)].name;
}

load_options defaults_of(scenario what, std::uint32_t qos) {
    load_options options{.what = what, .qos = qos};
    switch (what) {
    case scenario::pairs:
        options.undelivered = qos == 0 ? 500 : 200;
        break;
    case scenario::fanout:
        options.publishers = 1;
        options.subscribers = 1'000;
        options.undelivered = 50;
        break;
    case scenario::fanin:
        options.publishers = 1'000;
        options.subscribers = 1;
        options.undelivered = 20;
        break;
    case scenario::wildcards:
        options.subscribers = 1'000;
        options.undelivered = 100;
        break;
    case scenario::paced:
        options.window = 1'000;
        options.undelivered = 0;
        break;
    case scenario::flood:
        options.seconds = 10;
        options.warmup = 0;
        options.undelivered = 0;
        break;
    case scenario::retained:
        options.window = 1'000;
        break;
    case scenario::idle:
    case scenario::connects:
        break;
    case scenario::durable:
        options.qos = std::max(1U, qos);
        options.undelivered = 0;
        break;
    }
    return options;
}

result<load_options, problem> parse_options(std::span<const char* const> arguments) {
    const auto what = arguments.empty() ? std::nullopt : find_scenario(arguments[0]);
    if (!what) {
        return failure(wrong(arguments.empty() ? "command line" : arguments[0],
                             "the first word must be a scenario", "see grapevine-load --help"));
    }
    load_options options = defaults_of(*what, find_qos(arguments));
    for (std::size_t i = 1; i < arguments.size(); i += 2) {
        if (i + 1 == arguments.size()) {
            return failure(wrong(arguments[i], "it has no value", "give one"));
        }
        if (auto error = assign(options, arguments[i], arguments[i + 1])) {
            return failure(std::move(*error));
        }
    }
    if (auto error = validate(options)) {
        return failure(std::move(*error));
    }
    return options;
}

std::vector<std::string> client_ids(const load_options& options) {
    std::vector<std::string> ids;
    for (const auto part : std::views::split(options.clients, ',')) {
        ids.emplace_back(part.begin(), part.end());
    }
    return ids;
}

std::string help_text() {
    std::string text = "grapevine-load <scenario> [--option value]...\n"
                       "Puts load on an MQTT broker and prints one JSON object of what it saw.\n\n"
                       "Scenarios:\n";
    for (const scenario_row& row : scenarios) {
        text += "  " + std::string(row.name) + std::string(16 - row.name.size(), ' ')
                + std::string(row.help) + "\n";
    }
    text += "\nOptions, with the defaults of pairs at QoS 0:\n";
    const load_options defaults = defaults_of(scenario::pairs, 0);
    for (const option_row& row : option_rows) {
        text += "  " + std::string(row.name) + std::string(16 - row.name.size(), ' ')
                + std::string(row.help) + " [" + show(defaults, row.field) + "]\n";
    }
    return text;
}

} // namespace gv::load
