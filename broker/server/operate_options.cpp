// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operate_options.hpp"

#include "broker/server/command_words.hpp"
#include "broker/server/seed_place.hpp"
#include "broker/server/value_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gv::server {

namespace {

constexpr std::array<std::pair<std::string_view, operate_task>, 10> tasks{{
    {"status", operate_task::status},
    {"join", operate_task::join},
    {"leave", operate_task::leave},
    {"drain", operate_task::drain},
    {"forget", operate_task::forget},
    {"init", operate_task::init},
    {"renew", operate_task::renew},
    {"token", operate_task::token},
    {"help", operate_task::help},
    {"--help", operate_task::help},
}};
constexpr std::size_t places_max = 64;

/// Flags of the broker that take a value and say where its folder is.
[[nodiscard]] bool is_of_broker(std::string_view name) {
    return name == "-c" || name == "--config" || name == "-p" || name == "--port"
           || (name.starts_with("--") && name.find('.') != std::string_view::npos);
}

[[nodiscard]] bool is_of_task(std::string_view name) {
    return name == "--socket" || name == "--token" || name == "--for" || name == "--address";
}

class option_reader {
  public:
    result<operate_options, std::string> read(std::span<const std::string_view> args) {
        const command_words words = read_words(
            args, [this](std::string_view option) { return on_flag(option); },
            [](std::string_view name) { return is_of_task(name) || is_of_broker(name); },
            [this](std::string_view name, std::string_view value) { on_value(name, value); });
        if (!words.wrong.empty()) {
            return failure(words.wrong);
        }
        positions_ = words.positions;
        const std::string wrong = words.wants_help ? std::string() : check_together();
        if (!wrong.empty()) {
            return failure(wrong);
        }
        return std::move(options_);
    }

  private:
    bool on_flag(std::string_view option) {
        options_.as_json = options_.as_json || option == "--json";
        options_.is_forced = options_.is_forced || option == "--force";
        merges_ = merges_ || option == "--merge";
        discards_ = discards_ || option == "--discard";
        return option == "--json" || option == "--force" || option == "--merge"
               || option == "--discard";
    }

    void on_value(std::string_view name, std::string_view value) {
        if (name == "--socket") {
            options_.socket = value;
        } else if (name == "--token") {
            options_.token = value;
        } else if (name == "--address") {
            options_.address = value;
        } else if (name == "--for") {
            good_for_ = value;
        } else {
            broker_.push_back(name);
            broker_.push_back(value);
        }
    }

    // These return what is wrong; empty: nothing.

    std::string check_together() {
        if (positions_.empty()) {
            return "say what to do: init, token, renew, status, join, leave, drain or forget; see "
                   "--help";
        }
        const auto* const found = std::ranges::find(tasks, positions_.front(),
                                                    [](const auto& each) { return each.first; });
        if (found == tasks.end()) {
            return "\"" + std::string(positions_.front())
                   + "\" is neither status, join, leave, drain, forget, init, token nor renew; "
                     "see --help";
        }
        options_.task = found->second;
        if (options_.as_json && options_.task != operate_task::status) {
            return "--json is for status";
        }
        if (options_.is_forced && options_.task != operate_task::leave) {
            return "--force is for leave";
        }
        if (const std::string wrong = take_sessions(); !wrong.empty()) {
            return wrong;
        }
        if (!options_.token.empty()) {
            if (options_.task != operate_task::join) {
                return "--token is for join";
            }
            options_.task = operate_task::join_by_token;
        }
        if (!options_.address.empty() && options_.task != operate_task::token) {
            return "--address is for token";
        }
        if (const std::string wrong = take_lifetime(); !wrong.empty()) {
            return wrong;
        }
        if (const std::string wrong = take_words(); !wrong.empty()) {
            return wrong;
        }
        return take_broker_flags();
    }

    std::string take_words() {
        const std::span<const std::string_view> words(positions_.begin() + 1, positions_.end());
        switch (options_.task) {
        case operate_task::join:
            return take_places(words);
        case operate_task::forget:
            if (words.size() != 1) {
                return "forget takes the name of one node, or its node id; see --help";
            }
            options_.which = words.front();
            return {};
        case operate_task::init:
            if (words.size() > 1) {
                return "init takes the name of the cluster; see --help";
            }
            options_.cluster = words.empty() ? std::string_view() : words.front();
            return {};
        case operate_task::renew:
        case operate_task::token:
        case operate_task::join_by_token:
        case operate_task::status:
        case operate_task::leave:
        case operate_task::drain:
        case operate_task::help:
            break;
        }
        return words.empty() ? std::string()
                             : std::string(positions_.front()) + " takes nothing behind it: \""
                                   + std::string(words.front()) + "\"; see --help";
    }

    std::string take_sessions() {
        if (!merges_ && !discards_) {
            return {};
        }
        const std::string name = merges_ ? "--merge" : "--discard";
        if (options_.task != operate_task::join || !options_.token.empty()) {
            return name + " is for join on a running node, without --token";
        }
        if (merges_ && discards_) {
            return "sessions are either merged or discarded: give one of --merge and --discard";
        }
        options_.sessions = merges_ ? cluster::own_sessions::merge : cluster::own_sessions::discard;
        return {};
    }

    std::string take_lifetime() {
        constexpr auto most = std::chrono::hours(24 * 30);
        if (good_for_.empty()) {
            return {};
        }
        if (options_.task != operate_task::token) {
            return "--for is for token";
        }
        const auto read = parse_time(good_for_);
        if (!read || *read < std::chrono::seconds(1) || *read > most) {
            return "--for takes a time from 1s to 30d, such as 10min or 24h";
        }
        options_.good_for = std::chrono::duration_cast<std::chrono::seconds>(*read);
        return {};
    }

    std::string take_places(std::span<const std::string_view> words) {
        const bool may_be_empty = options_.sessions != cluster::own_sessions::stay;
        if ((words.empty() && !may_be_empty) || words.size() > places_max) {
            return "join takes 1 to 64 places where other nodes are, such as node2.home:7883; see "
                   "--help";
        }
        for (const std::string_view each : words) {
            if (const auto place = parse_seed(each); !place) {
                return "\"" + std::string(each) + "\" " + place.error()
                       + "; write such as node2.home:7883 or [fd00::2]:7883";
            }
            options_.places.emplace_back(each);
        }
        return {};
    }

    std::string take_broker_flags() {
        options_.broker = parse_command_line(broker_);
        if (!options_.broker.problems.empty()) {
            const problem& first = options_.broker.problems.front();
            return first.place + " " + first.what + "; " + first.remedy;
        }
        return {};
    }

    std::string_view good_for_;
    bool merges_ = false;
    bool discards_ = false;
    std::vector<std::string_view> positions_;
    std::vector<std::string_view> broker_;
    operate_options options_;
};

} // namespace

result<operate_options, std::string> parse_operate_options(std::span<const std::string_view> args) {
    return option_reader().read(args);
}

std::string_view operate_usage() noexcept {
    return "Usage: grapevine cluster init [options] [NAME]     make the authority of a new "
           "cluster, and\n"
           "                                                 the certificate of this node\n"
           "       grapevine cluster token [options]         print what lets one other node in\n"
           "       grapevine cluster join --token TOKEN      get the certificate of this node\n"
           "       grapevine cluster renew [options]         make the certificate of this node "
           "again\n"
           "       grapevine cluster status [options]        say who is in the cluster and how it "
           "is\n"
           "       grapevine cluster join [options] PLACE…    look for other nodes there, now\n"
           "       grapevine cluster join --merge [PLACE…]   the sessions of this node go to "
           "others,\n"
           "                                                 which have sessions of their own\n"
           "       grapevine cluster join --discard [PLACE…] the same, but they are erased\n"
           "       grapevine cluster leave [options]         this node leaves for good, and ends\n"
           "       grapevine cluster drain [options]         sessions and clients go to other "
           "nodes;\n"
           "                                                 then it ends, and remains a member\n"
           "       grapevine cluster forget [options] NODE   remove a member that is no more\n"
           "\n"
           "status, join, leave, drain and forget work on a running node, on its machine and as "
           "its "
           "user,\n"
           "by the socket that it has in its storage.folder. init, join --token and renew write "
           "to\n"
           "cluster.tls in that folder; the node uses it when it starts, and renewed certificates\n"
           "also at SIGHUP. token works where init was done, whether or not the node runs.\n"
           "\n"
           "  --socket PATH   the socket (default: that of the configuration)\n"
           "  -c FILE, -p PORT, --section.option VALUE\n"
           "                  as they were given to the broker; without them the environment and\n"
           "                  the defaults say where its socket is\n"
           "  --token TOKEN   as `grapevine cluster token` has printed it; good for one node\n"
           "  --for TIME      how long a token is good, such as 10min (default: 1h)\n"
           "  --address HOST:PORT\n"
           "                  where the new node finds this one (default: cluster.advertise, or\n"
           "                  cluster.bind and cluster.port)\n"
           "  --json          status prints one JSON object\n"
           "  --merge         where two sets of sessions have met, that of this node goes over: "
           "each to\n"
           "                  the node that is home of its client; waits until the last has gone\n"
           "  --discard       erase the sessions of this node with their messages instead\n"
           "  --force         leave although kept sessions or messages are on this node alone\n"
           "  -h, --help      print this\n"
           "\n"
           "PLACE is host:port, or a name for which DNS has hosts and ports (SRV), which begins\n"
           "with _ or srv:. NODE is the name of a node, or its node id as status shows it.\n"
           "\n"
           "Exit code: 0 done, and for status: all members are alive; 1 failed, or some member is\n"
           "not alive; 2 a command line without sense; 3 no broker was found.\n";
}

} // namespace gv::server
