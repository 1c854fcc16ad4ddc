// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/cluster_world.hpp"

#include "base/ids.hpp"
#include "tests/conformance/connection.hpp"
#include "tests/conformance/launches.hpp"
#include "tests/conformance/socket_world.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

namespace gv::conformance {
namespace {

using std::chrono::milliseconds;
using placement = std::map<std::string, std::size_t, std::less<>>;

bool is_client(const std::string& who) { return who != "time" && who != "case"; }

/// Every client identifier that appears in the details of a step.
void add_identifiers(const json& details, std::set<std::string>& to) {
    if (!details.is_structured()) {
        return;
    }
    if (details.is_object() && details.contains("client_id")) {
        to.insert(details.at("client_id").dump());
    }
    for (const auto& each : details) {
        add_identifiers(each, to);
    }
}

std::set<std::string> identifiers_of(const std::string& who, const json& steps) {
    std::set<std::string> all{json(who).dump()};
    for (const auto& step : steps) {
        if (step.at(0) == who && step.size() > 2) {
            add_identifiers(step.at(2), all);
        }
    }
    all.erase("\"\""); // each time another
    return all;
}

/// A client of the harness at one node. What it sends to that of the other node arrives behind all
/// that went that way before.
class messenger {
  public:
    messenger(std::string name, world& where) : own_(name), wire_({name, 4, where, names_, log_}) {}

    void connect() {
        wire_.open();
        wire_.send({{"packet", "connect"}, {"client_id", own_}, {"clean_start", true}});
        static_cast<void>(wire_.next_of("connack", 0));
        wire_.send({{"packet", "subscribe"},
                    {"id", 1},
                    {"filters", json::array({{{"filter", topic()}, {"qos", 0}}})}});
        static_cast<void>(wire_.next_of("suback", 1));
    }
    void send_to(const messenger& other, int number) {
        wire_.send({{"packet", "publish"},
                    {"topic", other.topic()},
                    {"payload", std::to_string(number)},
                    {"qos", 0}});
    }
    /// Whether that number has come; earlier ones are skipped.
    bool hears(int number, milliseconds patience) {
        while (wire_.fill(patience)) {
            if (wire_.next().at("payload") == std::to_string(number)) {
                return true;
            }
        }
        return false;
    }

  private:
    [[nodiscard]] std::string topic() const { return "$conformance/" + own_; }

    std::string own_;
    bindings names_;
    std::vector<std::string> log_;
    connection wire_;
};

class cluster_world final : public socket_world {
  public:
    using brokers = std::array<std::unique_ptr<broker_process>, cluster_nodes>;

    cluster_world(std::unique_ptr<scratch_folder> folder, brokers nodes, placement places)
        : folder_(std::move(folder)), nodes_(std::move(nodes)), places_(std::move(places)) {
        for (std::size_t i = 0; i < cluster_nodes; ++i) {
            const std::string name = "messenger-" + std::to_string(i);
            places_[name] = i;
            messengers_[i] = std::make_unique<messenger>(name, *this);
            messengers_[i]->connect();
        }
        await_joined();
        await_homes();
    }

    peer open(std::string_view client) override {
        return open_at({.port = nodes_.at(places_.find(client)->second)->port()});
    }

    void carry() override {
        if (!pass_on(patience())) {
            throw std::runtime_error("what is published at one node does not reach the other");
        }
    }

  private:
    /// From each to each.
    bool pass_on(milliseconds time) {
        ++number_;
        messengers_[0]->send_to(*messengers_[1], number_);
        messengers_[1]->send_to(*messengers_[0], number_);
        return messengers_[0]->hears(number_, time) && messengers_[1]->hears(number_, time);
    }
    void await_joined() {
        for (int attempt = 0; !pass_on(milliseconds(50)); ++attempt) {
            if (attempt == 300) {
                throw std::runtime_error("the two nodes do not find each other within 15 s");
            }
        }
    }
    /// Of how many partitions of sessions a node is home.
    std::size_t homes_of(const broker_process& node) {
        const peer pages = open_at({.port = node.admin_port()});
        write(pages, "GET /metrics HTTP/1.0\r\n\r\n");
        std::string page;
        for (arrival more; !more.is_closed; page += more.bytes) {
            more = read(pages, patience());
        }
        const std::string name = "\ngrapevine_cluster_partitions ";
        const auto at = page.find(name);
        return at == std::string::npos
                   ? 0
                   : static_cast<std::size_t>(std::atoi(page.c_str() + at + name.size()));
    }
    /// Until each has its share: sessions do not move from one to the other during the case.
    void await_homes() {
        const auto are_spread = [this] {
            std::array<std::size_t, cluster_nodes> homes{};
            std::ranges::transform(nodes_, homes.begin(),
                                   [this](const auto& each) { return homes_of(*each); });
            return std::accumulate(homes.begin(), homes.end(), std::size_t{0}) == partition_count
                   && std::ranges::min(homes) >= partition_count / cluster_nodes / 2;
        };
        for (int attempt = 0; !are_spread(); ++attempt) {
            if (attempt == 300) {
                throw std::runtime_error("sessions are not spread over the two nodes within 15 s");
            }
            std::this_thread::sleep_for(milliseconds(50));
        }
    }

    std::unique_ptr<scratch_folder> folder_;
    brokers nodes_;
    placement places_;
    std::array<std::unique_ptr<messenger>, cluster_nodes> messengers_;
    int number_ = 0;
};

/// An address of the loopback network that no other process of these tests has, so that ports that
/// were free a moment ago still are.
std::string own_address() {
    const auto number = static_cast<unsigned>(getpid());
    return "127.1." + std::to_string(number / 250 % 250) + "." + std::to_string(1 + number % 250);
}

std::string node_name(std::size_t index) { return "node" + std::to_string(index + 1); }

/// Each with a folder of its own in that of the case.
cluster_world::brokers start_nodes(const std::string& program, const option_values& options,
                                   const scratch_folder& folder) {
    std::array<std::uint16_t, cluster_nodes> ports{};
    std::ranges::generate(ports, free_port);
    std::string seeds;
    for (const std::uint16_t port : ports) {
        seeds += (seeds.empty() ? "" : ",") + (own_address() + ":" + std::to_string(port));
    }
    cluster_world::brokers nodes;
    for (std::size_t i = 0; i < cluster_nodes; ++i) {
        option_values all{{"cluster.name", "conformance"},
                          {"cluster.seeds", seeds},
                          {"cluster.bind", own_address()},
                          {"cluster.port", std::to_string(ports[i])},
                          {"node.name", node_name(i)},
                          {"shards.threads", "1"}}; // so that messengers see one order
        all.insert(options.begin(), options.end());
        const auto own = folder.path() / node_name(i);
        std::filesystem::create_directory(own);
        nodes[i] = std::make_unique<broker_process>(grapevine_launch(program, all, own));
    }
    return nodes;
}

} // namespace

placement place_clients(const json& steps) {
    placement places;
    std::map<std::string, std::size_t> node_of_identifier;
    std::size_t next = 0;
    for (const auto& step : steps) {
        const auto who = step.at(0).get<std::string>();
        if (!is_client(who) || places.contains(who)) {
            continue;
        }
        const auto identifiers = identifiers_of(who, steps);
        const auto known = std::ranges::find_if(
            identifiers, [&](const auto& each) { return node_of_identifier.contains(each); });
        const std::size_t node =
            known == identifiers.end() ? next++ % cluster_nodes : node_of_identifier.at(*known);
        places[who] = node;
        for (const auto& each : identifiers) {
            node_of_identifier.emplace(each, node);
        }
    }
    return places;
}

bool cluster_source::is_for(const test_case& what) {
    for (const auto& [name, value] : what.options.items()) {
        if (name.starts_with("auth.") || name == "mqtt.protocol_versions"
            || name == "shards.threads") {
            return false;
        }
    }
    std::set<std::string> identifiers;
    add_identifiers(what.steps, identifiers);
    if (std::ranges::any_of(identifiers, [](const auto& id) { return id.starts_with("\"@"); })) {
        return false;
    }
    std::set<std::size_t> nodes;
    for (const auto& [client, node] : place_clients(what.steps)) {
        nodes.insert(node);
    }
    return nodes.size() > 1;
}

std::unique_ptr<world> cluster_source::make(const world_wishes& wishes) {
    if (program_.empty()) {
        return nullptr;
    }
    auto folder = std::make_unique<scratch_folder>();
    auto nodes = start_nodes(program_, values_of(wishes, *folder), *folder);
    return std::make_unique<cluster_world>(std::move(folder), std::move(nodes),
                                           place_clients(wishes.steps));
}

} // namespace gv::conformance
