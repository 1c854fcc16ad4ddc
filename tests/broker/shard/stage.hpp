// SPDX-License-Identifier: Apache-2.0
// Clients on a node whose mail between shards the test holds back, and what each of them got.
#pragma once

#include "tests/support/wire_client.hpp"

#include <list>
#include <string>
#include <vector>

namespace gv::shard {

/// A client that acknowledges at once unless told otherwise.
class player final : private support::client_watcher {
  public:
    player(support::pure_node& node, const std::string& id) : wire(node, id) {
        wire.is_automatic = true;
        wire.watcher = this;
    }

    void connect(const support::connect_request& how = {}) {
        wire.send_connect(how);
        wire.listen();
    }
    void subscribe(const std::string& filter, qos quality = qos::at_most_once) {
        wire.send_subscribe({{.filter = filter, .quality = quality}});
        wire.listen();
    }
    void unsubscribe(const std::string& filter) {
        wire.send_unsubscribe({filter});
        wire.listen();
    }
    void publish(const support::publish_request& what) {
        wire.send_publish(what);
        wire.listen();
    }

    support::wire_client wire;
    std::vector<std::string> got; ///< payloads
    std::size_t subacks = 0;      ///< and UNSUBACKs

  private:
    void on_delivery(std::string_view, const support::delivered& what) override {
        got.push_back(what.payload);
    }
    void on_publish_settled(std::string_view, std::string_view, bool) override {}
    void on_suback(std::string_view, packet_id, bool) override { ++subacks; }
    void on_connack(std::string_view, bool) override {}
};

struct stage {
    explicit stage(std::size_t shards, const core_options& core = {})
        : node({.shards = shards, .core = core}) {}

    /// A client connected to `shard` whose home is there too.
    player& enter(std::size_t shard, support::connect_request how = {}) {
        player& made = players.emplace_back(node, id_on(shard));
        how.shard = shard;
        made.connect(how);
        return made;
    }
    [[nodiscard]] std::string id_on(std::size_t shard) {
        std::string id;
        do {
            id = "c" + std::to_string(++ids);
        } while (node.home_of(id) != shard);
        return id;
    }
    /// A topic below `prefix` whose retained message is on `shard`, each time another.
    [[nodiscard]] std::string topic_on(std::size_t shard, const std::string& prefix = "r/") {
        std::string topic;
        do {
            topic = prefix + std::to_string(++topics);
        } while (core::retained_owner(topic, node.shards()).value != shard);
        return topic;
    }
    void block(std::size_t from, std::size_t to) { node.block_mail(from, to, true); }
    void unblock(std::size_t from, std::size_t to) {
        node.block_mail(from, to, false);
        listen();
    }
    /// Until nobody has anything to say.
    void listen() {
        for (int round = 0; round < 3; ++round) {
            for (player& each : players) {
                each.wire.listen();
            }
        }
    }

    support::pure_node node;
    std::list<player> players;
    std::size_t ids = 0;
    std::size_t topics = 0;
};

} // namespace gv::shard
