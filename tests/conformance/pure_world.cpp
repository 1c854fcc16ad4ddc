// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/pure_world.hpp"

#include "tests/support/pure_shard.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <vector>

namespace gv::conformance {
namespace {

constexpr std::size_t shards = 2;

class pure_world final : public world {
  public:
    explicit pure_world(const support::node_options& options) : node_(options) {}

    peer open(std::string_view) override {
        peers_.push_back(node_.open(peers_.size() % shards));
        return peer{peers_.size() - 1};
    }

    void write(peer to, std::string_view bytes) override { at(to).write(bytes); }

    arrival read(peer from, std::chrono::milliseconds) override {
        node_.run();
        std::string bytes = at(from).take();
        return {.bytes = std::move(bytes), .is_closed = at(from).is_closed()};
    }

    void cut(peer which) override { at(which).cut(); }

    void advance(std::chrono::milliseconds time) override { node_.advance(time); }

    bool settle() override {
        node_.run();
        return true;
    }

  private:
    support::pure_peer& at(peer which) { return *peers_.at(static_cast<std::size_t>(which)); }

    support::pure_node node_;
    std::vector<std::shared_ptr<support::pure_peer>> peers_;
};

using setter = void (*)(session::session_limits&, const nlohmann::json&);

const std::map<std::string, setter>& setters() {
    using limits = session::session_limits;
    using nlohmann::json;
    static const std::map<std::string, setter> known{
        {"mqtt.keep_alive_max",
         [](limits& of, const json& to) { of.keep_alive_max = to.get<std::uint16_t>(); }},
        {"mqtt.qos_max",
         [](limits& of, const json& to) { of.quality_max = static_cast<qos>(to.get<int>()); }},
        {"mqtt.receive_maximum",
         [](limits& of, const json& to) { of.receive_maximum = to.get<std::uint16_t>(); }},
        {"mqtt.packet_size_max",
         [](limits& of, const json& to) { of.packet_size_max = to.get<std::uint32_t>(); }},
        {"mqtt.topic_alias_max_in",
         [](limits& of, const json& to) { of.topic_alias_max_in = to.get<std::uint16_t>(); }},
        {"mqtt.topic_levels_max",
         [](limits& of, const json& to) { of.topic_levels_max = to.get<std::uint16_t>(); }},
        {"mqtt.client_id_length_max",
         [](limits& of, const json& to) { of.client_id_length_max = to.get<std::uint16_t>(); }},
        {"mqtt.subscriptions_per_client_max",
         [](limits& of, const json& to) { of.subscriptions_max = to.get<std::uint32_t>(); }},
        {"mqtt.response_information",
         [](limits& of, const json& to) { of.response_information = to.get<std::string>(); }},
        {"mqtt.retain_available",
         [](limits& of, const json& to) { of.retain_available = to == "true"; }},
    };
    return known;
}

} // namespace

std::unique_ptr<world> pure_source::make(const world_wishes& wishes) {
    if (!wishes.files.empty()) {
        return nullptr;
    }
    support::node_options options{.shards = shards};
    for (const auto& [name, value] : wishes.options.items()) {
        const auto found = setters().find(name);
        if (found == setters().end()) {
            return nullptr;
        }
        found->second(options.core.limits, value);
    }
    return std::make_unique<pure_world>(options);
}

} // namespace gv::conformance
