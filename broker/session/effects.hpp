// SPDX-License-Identifier: Apache-2.0
// What the protocol machines ask of their shard. The machines are pure: bytes, events and time go
// in; bytes for the peer go into their output buffer, and everything else is one of these calls.
// A call may come back into the machine that made it before it returns (a client that publishes to
// itself): machines make their calls last, when their own state is settled.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "broker/mqtt/packet.hpp"
#include "broker/mqtt/reason_code.hpp"
#include "broker/session/ack_ring.hpp"
#include "broker/session/outbound_log.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::session {

class front;

/// Whoever holds a front; effects find it again from the front.
class front_owner {
  protected:
    ~front_owner() = default;
};

/// Why a connection ends; decides the will, and what is logged and counted.
enum class close_cause : std::uint8_t {
    client_disconnect,           ///< DISCONNECT 0x00: the will is dropped [MQTT-3.1.2-8]
    client_disconnect_with_will, ///< any other DISCONNECT
    connection_lost,
    keep_alive_timeout,
    connect_timeout,
    protocol_violation,
    refused, ///< CONNACK with an error
    taken_over,
    server_shutdown,
    slow_reader,
    administrative
};

struct will_message {
    message_ref content; ///< its expiry counts from its publication, not from the clock's beginning
    std::chrono::seconds delay{0};

    /// Lifetime: that of the will.
    [[nodiscard]] publication published_at(time_point now) const {
        publication what = message::view_of(content);
        if (what.header.expires != never) {
            what.header.expires = now + what.header.expires.time_since_epoch();
            what.held = {};
        }
        return what;
    }
};

/// CONNECT, once the client is who it says.
struct attach_request {
    std::string client_id;
    std::optional<will_message> will;
    hybrid_time connected_at;
    std::uint32_t session_expiry = 0; ///< seconds; 0: ends with the connection; all ones: never
    std::uint16_t receive_maximum = 65'535;
    bool clean_start = true;
    bool is_v5 = false;
    /// The client is in already: its home was away when it came. The later of two connections
    /// stays.
    bool is_late = false;
};

/// The home's answer to an attach.
struct attached {
    attach_epoch epoch;
    bool session_present = false;
    /// Whether the session lives at its home; if not the front holds all of it.
    bool is_held_by_home = false;
    /// QoS 2 messages of the client that were taken and not yet released.
    std::vector<packet_id> inbound;
};

/// What the client said of its end, for the home.
struct detach_notice {
    close_cause cause = close_cause::connection_lost;
    /// Session Expiry Interval of a DISCONNECT [MQTT-3.14.2.2.2].
    std::optional<std::uint32_t> session_expiry;
    /// Not 0: the node of the front is held for dead, and the client may be connected still. The
    /// will waits at least so long for it to be seen again. Is not said between nodes.
    duration will_wait{};
};

/// One filter of a SUBSCRIBE that the front let pass.
struct subscription {
    std::string filter; ///< as the client wrote it, `$share/…` included
    std::uint32_t subscription_id = 0;
    qos quality = qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    bool newest_only = false; ///< of what waits for the client, the newest of each topic
    mqtt::retain_handling handling = mqtt::retain_handling::always;
};

/// Acknowledgement of a message that the home sent through this front.
struct delivery_ack {
    packet_id id;
    mqtt::packet_type type = mqtt::packet_type::puback; ///< PUBACK, PUBREC or PUBCOMP
    bool is_error = false;
};

/// An acknowledgement of a QoS 2 message of the client.
struct inbound_ack {
    packet_id id;
    mqtt::packet_type type = mqtt::packet_type::pubrec; ///< PUBREC or PUBCOMP
    mqtt::reason_code reason = mqtt::reason_code::success;
};

/// What a message is answered with that cannot be stored. v5 clients are told 0x97; v3 clients,
/// which cannot be told, get no acknowledgement, and nothing more is read from them.
inline constexpr mqtt::reason_code not_stored = mqtt::reason_code::server_unavailable;

/// Whether something is allowed, and which rule said so.
struct permission {
    bool is_allowed = true;
    std::string_view rule{}; ///< valid until access rules change
};

/// What became of an authentication.
struct authentication_answer {
    enum class outcome : std::uint8_t { accepted, refused, proceed };
    outcome result = outcome::refused;
    mqtt::reason_code reason = mqtt::reason_code::not_authorized;
    std::string detail;                  ///< for the reason string
    std::string data;                    ///< Authentication Data for the client
    std::optional<std::string> username; ///< whom the broker takes it for
};

enum class credential_check : std::uint8_t { plain, exchange_begin, exchange_continue };

class front_effects {
  public:
    /// Checks who the client is; answered by front::on_authenticated, maybe at once. The views of
    /// the front (client_id, username, …) tell who asks; `password` and `data` are valid during the
    /// call.
    virtual void authenticate(front& who, credential_check kind,
                              std::optional<std::string_view> password, std::string_view data) = 0;
    /// A client identifier that no other client has [MQTT-3.1.3-6].
    [[nodiscard]] virtual std::string assign_client_id() = 0;
    /// Registers the client at its home; answered by front::on_attached.
    virtual void attach(front& who, attach_request request) = 0;

    [[nodiscard]] virtual permission may_publish(const front& who, std::string_view topic) = 0;
    [[nodiscard]] virtual permission may_subscribe(const front& who, std::string_view filter) = 0;

    /// Something was not allowed: for the log. Thread and lifetime as all calls.
    virtual void denied(const front& who, std::string_view topic, mqtt::reason_code reason,
                        std::string_view rule) = 0;

    /// Delivers to all who subscribed, and stores if RETAIN is set. At QoS 1 and 2 answered by
    /// front::on_taken with `token`. If the home holds the session it holds `inbound` from now on
    /// (0: none), in one step with what the message leaves behind, so that a crash leaves both or
    /// neither. Lifetime: `what` is valid during the call.
    virtual void route(front& who, const publication& what, route_token token,
                       packet_id inbound) = 0;

    /// Stamp of a message that the broker takes now.
    [[nodiscard]] virtual hybrid_time next_stamp() = 0;

    /// Answered by front::on_subscribed with `id`, one answer a filter, in order.
    virtual void subscribe(front& who, packet_id id, std::vector<subscription> filters) = 0;
    /// Answered by front::on_unsubscribed with `id`.
    virtual void unsubscribe(front& who, packet_id id, std::vector<std::string> filters) = 0;

    /// For the home of a persistent session.
    virtual void acknowledge(front& who, const delivery_ack& ack) = 0;
    /// How a message of QoS 1 or 2 to this topic is kept: its `level` and `newest_only`.
    virtual void set_keeping(front& who, std::string_view topic, envelope& header) = 0;
    virtual void hold_inbound(front& who, packet_id id) = 0;
    virtual void release_inbound(front& who, packet_id id) = 0;
    /// Answered by front::on_confirmed, once all that the home knows of identifiers is on disk: an
    /// identifier that is forgotten must not come back, nor one that is held be lost.
    virtual void confirm(front& who, const inbound_ack& what) = 0;

    /// A message of a group is in flight to a volatile client no more.
    virtual void group_settled(front& who, group_origin group) = 0;

    /// The output has passed its limit; the shard decides who is held back and who is slow.
    virtual void became_full(front& who) = 0;
    /// Ends the connection once its output is sent; on_closed() follows.
    virtual void close(front& who, close_cause cause, mqtt::reason_code reason,
                       std::string_view detail) = 0;

  protected:
    ~front_effects() = default;
};

/// What the driver tells all machines of a shard. The clocks are read once a turn.
struct turn {
    time_point now{};
    wall_time wall{};
};

} // namespace gv::session
