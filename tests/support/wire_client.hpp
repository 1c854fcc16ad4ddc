// SPDX-License-Identifier: Apache-2.0
// A conforming MQTT client on a pure_peer: builds packets, understands what comes back, and keeps
// the client's half of a session (what it has in flight, which QoS 2 identifiers it holds), so that
// it can resume as the specification demands. It acknowledges only when told to, or always.
#pragma once

#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/encode.hpp"
#include "tests/support/pure_shard.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gv::support {

/// A packet of the broker. Lifetime of the view: that of the object, wherever it is moved.
struct received {
    std::unique_ptr<std::string> bytes;
    mqtt::packet_view packet;

    template <typename Packet>
    [[nodiscard]] const Packet* as() const {
        return std::get_if<Packet>(&packet);
    }
};

/// One line for failure messages.
[[nodiscard]] std::string text_of(const received& what);

/// A message as a client got it.
struct delivered {
    std::string topic;
    std::string payload;
    qos quality = qos::at_most_once;
    packet_id id;
    bool dup = false;
    bool retain = false;
    std::vector<std::uint32_t> subscription_ids;
    std::string properties; ///< encoded, all of them
};

struct will_request {
    std::string topic;
    std::string payload;
    qos quality = qos::at_most_once;
    bool retain = false;
    std::uint32_t delay = 0;
    std::optional<std::uint32_t> expiry{};
};

struct connect_request {
    mqtt::protocol_version version = mqtt::protocol_version::v5;
    bool clean_start = true;
    std::uint32_t session_expiry = 0; ///< v5
    std::uint16_t keep_alive = 0;
    std::uint16_t receive_maximum = 0; ///< 0: not said
    std::uint32_t packet_size_max = 0; ///< 0: not said
    std::uint16_t topic_alias_max = 0;
    std::optional<will_request> will{};
    std::optional<std::string> username{};
    std::optional<std::string> password{};
    std::string authentication_method{};
    std::string authentication_data{};
    std::string more_properties{}; ///< encoded
    std::size_t shard = 0;         ///< that accepts the connection
};

struct publish_request {
    std::string topic;
    std::string payload;
    qos quality = qos::at_most_once;
    bool retain = false;
    std::optional<std::uint32_t> expiry{};
    std::uint16_t alias = 0;
    std::string more_properties{}; ///< encoded
};

struct subscribe_request {
    std::string filter;
    qos quality = qos::at_most_once;
    std::uint32_t id = 0;
    bool no_local = false;
    bool retain_as_published = false;
    mqtt::retain_handling handling = mqtt::retain_handling::always;
    bool newest_only = false; ///< by its user property
};

/// Hears what a client did and got, in the order in which it happened.
class client_watcher {
  public:
    virtual void on_delivery(std::string_view client, const delivered& what) = 0;
    /// PUBACK, or PUBREC, came without error, or with one.
    virtual void on_publish_settled(std::string_view client, std::string_view payload,
                                    bool is_taken) = 0;
    virtual void on_suback(std::string_view client, packet_id id, bool is_removal) = 0;
    virtual void on_connack(std::string_view client, bool is_session_present) = 0;

  protected:
    ~client_watcher() = default;
};

class wire_client {
  public:
    wire_client(pure_node& node, std::string id) : node_(&node), id_(std::move(id)) {}

    // Each sends one packet and returns its identifier, if it has one. Nothing is awaited.

    void open(std::size_t shard = 0, std::shared_ptr<const shard::listener_profile> profile = {});
    /// Opens a connection if there is none.
    void send_connect(const connect_request& how);
    packet_id send_publish(const publish_request& what);
    packet_id send_subscribe(const std::vector<subscribe_request>& what);
    packet_id send_unsubscribe(const std::vector<std::string>& filters);
    void send_ack(mqtt::packet_type type, packet_id id,
                  mqtt::reason_code reason = mqtt::reason_code::success);
    void send_auth(mqtt::reason_code reason, std::string_view method, std::string_view data);
    void send_ping();
    void send_disconnect(mqtt::reason_code reason = mqtt::reason_code::success,
                         std::optional<std::uint32_t> session_expiry = std::nullopt);
    /// Whatever is not given has the values of the client's last connection.
    template <typename Packet>
    void send(const Packet& packet) {
        std::string bytes;
        mqtt::encode(packet, version_, bytes);
        write(bytes);
    }
    void write(std::string_view bytes);
    void cut();
    /// The connection stays as it is, and is no longer this client's.
    [[nodiscard]] std::shared_ptr<pure_peer> let_go();

    /// What is written leaves only with let_out(), wherever packets begin and end: a network that
    /// is slow, and may break in the middle of a packet.
    bool holds_back = false;
    void let_out(std::size_t bytes_max = static_cast<std::size_t>(-1));

    /// Sends what the client must after its session was resumed: what is unacknowledged, in order.
    void resend();

    /// Lets the node work and takes what came.
    void listen();
    /// Packets that came and were not looked at.
    std::deque<received> inbox;
    /// The acknowledgements that the client owes, in order.
    struct owed_ack {
        mqtt::packet_type type;
        packet_id id;
    };
    std::deque<owed_ack> owed;
    /// Acknowledges at once, and keeps nothing in the inbox.
    bool is_automatic = false;
    /// Whether an acknowledgement of nothing that was sent here ends the test. Off for tests that
    /// write packets of their own.
    bool is_strict = true;
    client_watcher* watcher = nullptr;

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] bool is_connected() const noexcept { return is_connected_; }
    [[nodiscard]] bool is_closed() const noexcept { return !peer_ || peer_->is_closed(); }
    [[nodiscard]] pure_peer& peer() noexcept { return *peer_; }
    [[nodiscard]] bool has_peer() const noexcept { return peer_ != nullptr; }
    [[nodiscard]] const connect_request& last_connect() const noexcept { return connect_; }
    [[nodiscard]] bool is_persistent() const noexcept;
    [[nodiscard]] std::size_t unsettled() const noexcept { return outgoing_.size(); }
    [[nodiscard]] std::size_t receive_maximum() const noexcept { return receive_maximum_; }
    [[nodiscard]] std::uint16_t last_id() const noexcept { return last_id_; }
    /// Why the broker's DISCONNECT said it closed.
    [[nodiscard]] std::optional<mqtt::reason_code> farewell() const noexcept { return farewell_; }
    [[nodiscard]] std::size_t pings_unanswered() const noexcept { return pings_; }
    /// Forgets the session, as a client that starts clean.
    void forget_session();

  private:
    struct outgoing {
        publish_request what;
        packet_id id;
        bool is_released = false; ///< PUBREC came
    };

    void take_in(std::string_view frame);
    void note(const received& what);
    void note_publish(const mqtt::publish_view& packet);
    void note_ack(const mqtt::ack_view& packet);
    void write_publish(const publish_request& what, packet_id id, bool dup);
    packet_id fresh_id();
    void pay();

    pure_node* node_;
    std::string id_;
    std::shared_ptr<pure_peer> peer_;
    connect_request connect_;
    mqtt::protocol_version version_ = mqtt::protocol_version::v5;
    std::string unread_;
    std::string held_back_;
    std::vector<outgoing> outgoing_;
    std::set<std::uint16_t> incoming_; ///< QoS 2 identifiers held
    std::set<std::uint16_t> asked_;    ///< of SUBSCRIBE and UNSUBSCRIBE
    std::map<std::uint16_t, std::string> aliases_;
    std::optional<mqtt::reason_code> farewell_;
    std::size_t receive_maximum_ = 65'535;
    std::size_t pings_ = 0;
    std::uint16_t last_id_ = 0;
    bool is_connected_ = false;
};

} // namespace gv::support
