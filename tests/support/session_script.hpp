// SPDX-License-Identifier: Apache-2.0
// Session tests as scripts: clients send, expect packets, let time pass. Every verb is a step. A
// script that is run by replay_with_cuts() is run once as it stands, and then again for every step,
// with the connection of the client whose step it was cut behind it (and once more with everybody
// cut): whoever has a persistent session comes back, resumes, and from then on all behave, until
// all is quiet. Then nothing acknowledged may be lost, nothing at QoS 2 have come twice, no packet
// identifier be in use and nobody be stuck.
#pragma once

#include "tests/support/delivery_ledger.hpp"

#include <functional>
#include <list>
#include <set>
#include <source_location>

namespace gv::support {

class script;
using place = std::source_location;

class script_client final : private client_watcher {
  public:
    script_client(script& of, std::string id);

    // Steps. Each fails the test at the place of its call if what it expects does not come.

    /// CONNECT and CONNACK. Returns Session Present.
    bool connect(const connect_request& how = {}, place at = place::current());
    /// The same, and a persistent session of an hour.
    bool resume(mqtt::protocol_version version = mqtt::protocol_version::v5,
                place at = place::current());
    /// SUBSCRIBE and SUBACK with the QoS asked for; other packets may come in between.
    void subscribe(const std::string& filter, qos quality, place at = place::current());
    void subscribe(const subscribe_request& what, place at = place::current());
    std::vector<mqtt::reason_code> subscribe_all(const std::vector<subscribe_request>& what,
                                                 place at = place::current());
    void unsubscribe(const std::string& filter, place at = place::current());
    /// PUBLISH alone.
    packet_id publish(const publish_request& what, place at = place::current());
    packet_id publish(const std::string& topic, const std::string& payload, qos quality,
                      place at = place::current());
    /// PUBLISH and all that follows until it is settled.
    void publish_settled(const publish_request& what, place at = place::current());
    /// The next packet is this message.
    delivered receive(const std::string& topic, const std::string& payload,
                      place at = place::current());
    /// The same, acknowledged to the end.
    delivered take(const std::string& topic, const std::string& payload,
                   place at = place::current());
    /// The next packet is this acknowledgement.
    mqtt::reason_code expect_ack(mqtt::packet_type type, packet_id id, place at = place::current());
    void acknowledge(mqtt::packet_type type, packet_id id,
                     mqtt::reason_code reason = mqtt::reason_code::success,
                     place at = place::current());
    void expect_nothing(place at = place::current());
    /// The broker closes; v5 after connecting: with DISCONNECT and this reason.
    void expect_closed(std::optional<mqtt::reason_code> reason = std::nullopt,
                       place at = place::current());
    /// CONNACK with this reason, and the end.
    void expect_refused(mqtt::reason_code reason, place at = place::current());
    void disconnect(mqtt::reason_code reason = mqtt::reason_code::success,
                    std::optional<std::uint32_t> session_expiry = std::nullopt,
                    place at = place::current());
    void cut(place at = place::current());
    void ping(place at = place::current());
    /// Acknowledges all that comes from now on, without steps.
    void behave() { wire.is_automatic = true; }

    // Not steps.

    /// The next packet, whatever it is; fails the test if there is none.
    received next(place at = place::current());
    [[nodiscard]] bool has_next();
    /// Messages that came, oldest first.
    std::vector<delivered> got;
    /// Their payloads.
    [[nodiscard]] std::vector<std::string> payloads() const;
    [[nodiscard]] std::size_t count_of(std::string_view payload) const;
    wire_client wire;

  private:
    friend class script;
    void on_delivery(std::string_view client, const delivered& what) override;
    void on_publish_settled(std::string_view client, std::string_view payload,
                            bool is_taken) override;
    void on_suback(std::string_view client, packet_id id, bool is_removal) override;
    void on_connack(std::string_view client, bool is_session_present) override;
    received next_of(std::function<bool(const received&)> wanted, const char* what, place at);

    script* script_;
};

/// Not 0: scripts run on several nodes with so many shards each, where they were written for shards
/// of one; for those of one shard then the home is on another node for about half of the clients.
/// Before the first script; across_nodes.cpp does so for a whole test program.
inline std::size_t shards_of_spread_nodes = 0;
[[nodiscard]] node_options spread_if_wanted(node_options options);

class script {
  public:
    explicit script(const node_options& options = {}) : node(spread_if_wanted(options)) {}

    pure_node node;
    delivery_ledger ledger;
    /// Clients that were told, on coming back for their session, that there is none.
    std::size_t sessions_gone = 0;

    /// The client of this name, made at its first mention.
    script_client& client(const std::string& id);
    /// A step: time passes.
    void advance(duration time);
    [[nodiscard]] shard::core& core(std::size_t shard = 0) { return node.core(shard); }

    /// Lets everybody behave until all is quiet, and checks what must hold then.
    void settle(place at = place::current());

  protected:
    /// Connects anew with the session kept, and sends again what is not settled.
    void come_back(script_client& who);
    /// The process dies: connections are gone, and clients know no more than what they had read.
    void lose_connections();
    /// All with a persistent session connect, and send again what is not settled.
    void come_back_all();
    [[nodiscard]] std::list<script_client>& clients() noexcept { return clients_; }

  private:
    friend class script_client;
    friend void replay_with_cuts(const node_options&, const std::function<void(script&)>&, place);
    struct cut_here {};
    enum class cutting : std::uint8_t { nobody, actor, everybody };

    void step(script_client* actor);
    void cut_and_resume(script_client* actor);

    std::list<script_client> clients_;
    std::set<std::string> anew_; ///< asked for a new session and do not know whether they have it
    std::size_t steps_ = 0;
    std::size_t cut_at_ = 0; ///< 0: nowhere
    cutting cuts_ = cutting::nobody;
    script_client* actor_ = nullptr;
};

/// Runs the script, and again with a cut after every step.
void replay_with_cuts(const node_options& options, const std::function<void(script&)>& steps,
                      place at = place::current());
inline void replay_with_cuts(const std::function<void(script&)>& steps,
                             place at = place::current()) {
    replay_with_cuts({}, steps, at);
}

/// Options of a node with `shards` shards.
[[nodiscard]] inline node_options on_shards(std::size_t shards) { return {.shards = shards}; }

} // namespace gv::support
