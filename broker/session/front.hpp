// SPDX-License-Identifier: Apache-2.0
// The front: protocol state machine of one connection, server side, for MQTT 3.1, 3.1.1 and 5.0.
// Pure: frames, answers of the shard and time go in; bytes go into its output buffer, everything
// else out through front_effects. It holds what belongs to the connection (keep alive, aliases,
// quotas, acknowledgements owed) and, for a volatile client, the whole session; a persistent
// session is at its home, which sends through here.
//
//   state           input                  effects                        next
//   awaiting_connect CONNECT               authenticate                   authenticating
//   authenticating  AUTH                   authenticate                   authenticating
//                   on_authenticated: yes  attach                         attaching
//                   on_authenticated: no   CONNACK error, close           closing
//   attaching       on_attached            CONNACK                        connected
//   connected       PUBLISH                route … on_taken: PUBACK/PUBREC
//                   PUBREL                 release_inbound, confirm, PUBCOMP
//                   PUBACK, PUBREC, PUBCOMP window moves (own or home's)
//                   SUBSCRIBE              subscribe … on_subscribed: SUBACK
//                   PINGREQ                PINGRESP
//                   DISCONNECT             close                          closing
//   any             violation              CONNACK/DISCONNECT (v5), close closing
//   any             deadline               close                          closing
#pragma once

#include "base/output_buffer.hpp"
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/encode.hpp"
#include "broker/session/effects.hpp"
#include "broker/session/limits.hpp"
#include "broker/session/session_state.hpp"
#include "broker/session/topic_alias.hpp"

#include <algorithm>
#include <memory>

namespace gv::session {

/// What all fronts of a shard share.
struct front_context {
    const turn* now;
    const session_limits* limits;
    traffic* counters;
    queue_account* queued;
    front_effects* effects;
    user_accounts* users; ///< null: nothing is limited by user
    /// Bytes that may still be on their way to a client when those who sent them are held.
    std::size_t under_way_max;
};

/// How much more a front can take.
enum class pressure : std::uint8_t {
    open,
    full, ///< past its limit, its socket still takes bytes
    slow  ///< past its limit for too long: its drop policy applies
};

class front final : private outbound_sink {
  public:
    front(const front_context& context, buffer_pool& pool, front_owner& owner) noexcept;

    // Inputs. None may be called after the driver was told to close, save on_closed().

    /// One whole frame. Lifetime: `body` is used during the call.
    void on_frame(std::uint8_t first_byte, std::string_view body);
    /// Before CONNECT, bytes that begin otherwise than one: of HTTP, of TLS, of whatever.
    void on_stranger(std::string_view bytes);
    /// Bytes that are no frame.
    void on_violation(const mqtt::violation& what);
    /// A frame longer than frame_size_max(); `body` is what came of it.
    void on_oversized(std::uint8_t first_byte, std::string_view body);
    void on_authenticated(const authentication_answer& answer);
    void on_attached(attached answer);
    void on_taken(route_token token, mqtt::reason_code reason);
    void on_subscribed(packet_id id, std::span<const mqtt::reason_code> reasons);
    void on_unsubscribed(packet_id id, std::span<const mqtt::reason_code> reasons);
    /// A message for a volatile client.
    void on_delivery(const publication& what, const delivery& how);
    /// A message or PUBREL from the home of a persistent session.
    void on_push(const publication& what, const delivery& how);
    void on_push_pubrel(packet_id id);
    /// The home's judgement of an acknowledgement that was passed on to it.
    void on_settled(const delivery_ack& ack, outbound::ack outcome);
    void on_confirmed(const inbound_ack& what);
    /// A row of a retained replay.
    void on_replay_row(const publication& what, const delivery& how);
    /// The output has room again.
    void on_writable();
    /// The broker ends the connection: taken over, shut down, removed by an operator.
    void on_kicked(close_cause cause, mqtt::reason_code reason, std::string_view why);
    /// The client is to connect there instead, where its session lives. Requires:
    /// may_be_referred().
    void on_referred(std::string_view address);
    /// It waits for its session, knows references to servers, and comes again by the same name.
    [[nodiscard]] bool may_be_referred() const noexcept;
    void on_deadline();
    [[nodiscard]] time_point next_deadline() const noexcept;

    // What the driver asks.

    enum class phase : std::uint8_t {
        awaiting_connect,
        authenticating,
        attaching,
        connected,
        closing
    };
    [[nodiscard]] phase state() const noexcept { return phase_; }
    /// Whether the next frame may come: not while an answer of the shard is awaited, so that what a
    /// client sends behind a SUBSCRIBE is handled behind its SUBACK.
    [[nodiscard]] bool takes_frames() const noexcept {
        return (phase_ == phase::connected && !pending_subscribes_ && !withholds_)
               || phase_ == phase::awaiting_connect
               || (phase_ == phase::authenticating && is_exchange_open_);
    }
    /// Bytes of the largest frame that may come now: little before the client is known.
    [[nodiscard]] std::size_t frame_size_max() const noexcept {
        return phase_ == phase::connected
                   ? limits().packet_size_max
                   : std::min(limits().packet_size_max, limits().connect_size_max);
    }
    [[nodiscard]] bool is_stranger(char first_byte) const noexcept {
        return phase_ == phase::awaiting_connect
               && ((first_byte & 0xf0) != connect_type || first_byte == tls_handshake);
    }
    [[nodiscard]] front_owner& owner() const noexcept { return *owner_; }
    [[nodiscard]] output_buffer& output() noexcept { return output_; }
    /// Bytes that wait for the client: in the output, and queued for a volatile one.
    [[nodiscard]] std::size_t waiting_bytes() const noexcept {
        return output_.size() + (own_ ? own_->out.queued_bytes() : 0);
    }
    [[nodiscard]] bool is_full() const noexcept {
        return waiting_bytes() > context_->limits->output_bytes_max;
    }
    /// Whether the client does not read what its own input brings about: no more of that input is
    /// wanted. Beyond what makes it full, so that one who only gets too much is still heard.
    [[nodiscard]] bool is_choked() const noexcept {
        return output_.size() / 2 > context_->limits->output_bytes_max;
    }
    /// The client is there, though it may not say so now: its keep alive counts from here.
    void note_alive() noexcept { last_receipt_ = now(); }
    pressure load = pressure::open;

    [[nodiscard]] const std::string& client_id() const noexcept { return client_id_; }
    [[nodiscard]] std::uint64_t client_hash() const noexcept { return client_hash_; }
    [[nodiscard]] const std::string& username() const noexcept;
    [[nodiscard]] bool has_username() const noexcept { return connect_ && connect_->has_username; }
    [[nodiscard]] const std::string& authentication_method() const noexcept;
    [[nodiscard]] mqtt::protocol_version version() const noexcept { return version_; }
    [[nodiscard]] std::uint16_t keep_alive() const noexcept { return keep_alive_; }
    [[nodiscard]] bool is_clean_start() const noexcept { return connect_ && connect_->clean_start; }
    [[nodiscard]] attach_epoch epoch() const noexcept { return epoch_; }
    /// The home knows of the client, which is in already.
    void on_registered(attach_epoch epoch) noexcept { epoch_ = epoch; }
    [[nodiscard]] bool is_held_by_home() const noexcept { return is_held_by_home_; }
    /// Messages of QoS 1 and 2 for which on_taken() has not come yet.
    [[nodiscard]] std::size_t under_way() const noexcept { return acks_.not_taken() - withheld_; }
    /// Those of QoS 2 whose identifiers the session holds.
    [[nodiscard]] std::map<route_token, packet_id> held_under_way() const;
    /// Session of a volatile client; null until it first subscribes, and for persistent ones.
    [[nodiscard]] session_state* own_session() noexcept { return own_.get(); }
    /// The same, made if it is not there. Requires: connected and not held by the home.
    [[nodiscard]] session_state& make_own_session();
    /// What a DISCONNECT said, for the home.
    [[nodiscard]] const detach_notice& farewell() const noexcept { return farewell_; }

  private:
    static constexpr char connect_type = 0x10;
    static constexpr char tls_handshake = 0x16; ///< content type of a record (RFC 8446, 5.1)

    /// Kept only where CONNECT said something out of the ordinary.
    struct connect_details {
        std::string username;
        std::string method;
        std::string authentication_data; ///< of the last step, for CONNACK
        std::optional<will_message> will;
        std::uint32_t session_expiry = 0;
        std::uint16_t asked_keep_alive = 0;
        bool clean_start = true;
        bool has_username = false;
        bool is_id_assigned = false;
        bool wants_response_information = false;
    };
    struct v5_details {
        inbound_aliases aliases_in;
        outbound_aliases aliases_out;
        std::uint32_t packet_size_max = 0xffff'ffff;
        std::uint16_t topic_alias_max = 0;
        std::uint16_t receive_maximum = 65'535;
        // What CONNACK said holds for this connection, whatever a reload says since.
        std::uint16_t receive_maximum_announced = 65'535;
        std::uint16_t topic_alias_max_announced = 0;
        bool wants_problem_information = true;
    };

    /// A SUBSCRIBE whose answer is awaited.
    struct pending_subscribe {
        packet_id id;
        std::vector<mqtt::reason_code> reasons{};
    };

    void on_rare_frame(std::uint8_t first_byte, std::string_view body);
    /// Returns false, and sends nothing, if the client takes no packet so large [MQTT-3.1.2-24].
    template <typename Packet>
    bool send(mqtt::packet_type type, const Packet& packet) {
        std::string bytes;
        mqtt::encode(packet, version_, bytes);
        if (v5_ && bytes.size() > v5_->packet_size_max) {
            return false;
        }
        output_.append(bytes);
        ++counters().packets_sent[static_cast<std::size_t>(type)];
        if (limits().traces_packets) {
            trace_sent(packet);
        }
        return true;
    }
    // trace.cpp: one line of the log a packet
    void trace_received(std::uint8_t first_byte, std::string_view body) const;
    void trace_sent(const mqtt::packet_view& packet) const;
    void trace_publish(const publication& what, const delivery& how) const;

    // on_connect.cpp
    void sniff_version(std::string_view connect_body);
    void on_connect(const mqtt::connect_view& packet);
    [[nodiscard]] bool accept_client_id(const mqtt::connect_view& packet);
    [[nodiscard]] bool accept_will(const mqtt::connect_view& packet);
    void take_v5_properties(const mqtt::connect_view& packet);
    void request_attach();
    void refuse(mqtt::reason_code reason, std::string_view detail);
    void refuse(mqtt::reason_code reason, std::string_view detail, std::string_view reference);
    /// Reason string and server reference (empty: none), as far as they fit into the client's
    /// packets.
    [[nodiscard]] std::string farewell_properties(std::string_view reference,
                                                  std::string_view text) const;
    [[nodiscard]] std::string connack_properties() const;
    [[nodiscard]] std::string response_information() const;
    // on_auth.cpp
    void on_auth(const mqtt::auth_view& packet);
    void on_reauthenticated(const authentication_answer& answer);
    void send_auth(mqtt::reason_code reason, std::string_view data);
    // on_publish.cpp
    void on_publish(std::uint8_t first_byte, std::string_view body);
    void on_qos2_publish(const publication& what, packet_id id);
    [[nodiscard]] bool accept_v5(const mqtt::publish_view& packet, publication& what,
                                 std::string& filtered);
    [[nodiscard]] bool accept_publish(const mqtt::publish_view& packet, const publication& what);
    [[nodiscard]] bool accept_identifier(const mqtt::publish_view& packet);
    void reject_publish(const mqtt::publish_view& packet, mqtt::reason_code reason,
                        std::string_view rule);
    void remember_inbound(packet_id id);
    bool forget_inbound(packet_id id);
    void withhold(route_token token);
    void forget_refused(route_token token);
    [[nodiscard]] boost::unordered_flat_set<std::uint16_t>& inbound_ids();
    void send_ready_acks();
    // on_acks.cpp
    void on_ack(std::uint8_t first_byte, std::string_view body);
    void on_pubrel(const mqtt::ack_view& packet);
    /// At once, or when the home says that it may be said.
    void confirm(const inbound_ack& what);
    void send_ack(mqtt::packet_type type, packet_id id, mqtt::reason_code reason);
    /// A property that says why, for MQTT 5 clients that want to know [MQTT-3.1.2-29].
    [[nodiscard]] std::string reason_properties(std::string_view text) const;
    // on_subscribe.cpp
    void on_subscribe(const mqtt::subscribe_view& packet);
    void on_unsubscribe(const mqtt::unsubscribe_view& packet);
    [[nodiscard]] mqtt::reason_code judge_filter(const mqtt::subscription_request& request);
    [[nodiscard]] mqtt::reason_code refuse_filter(std::string_view filter, mqtt::reason_code reason,
                                                  std::string_view rule = {});
    // on_disconnect.cpp
    void on_disconnect(const mqtt::disconnect_view& packet);
    void violate(mqtt::reason_code reason, std::string_view text);
    void disconnect(close_cause cause, mqtt::reason_code reason, std::string_view text);
    [[nodiscard]] mqtt::reason_code redirected(mqtt::reason_code reason) const noexcept;
    /// That the options name, for those who are turned away so; or empty.
    [[nodiscard]] std::string_view reference_for(mqtt::reason_code reason) const noexcept;
    // deliver.cpp: outbound_sink
    void transmit(const publication& what, const delivery& how) override;
    void transmit_pubrel(packet_id id) override;
    [[nodiscard]] bool has_room() const override {
        return output_.size() < context_->limits->output_bytes_max;
    }
    void dropped(drop_reason reason) override {
        ++context_->counters->dropped[static_cast<std::size_t>(reason)];
    }
    void group_settled(group_origin group) override { effects().group_settled(*this, group); }
    /// Both return false if the packet is larger than the client takes.
    [[nodiscard]] bool write_publish(const publication& what, const mqtt::publish_parts& parts);
    [[nodiscard]] bool write_publish_v5(const publication& what, mqtt::publish_parts& parts,
                                        std::span<const std::uint32_t> subscription_ids);
    void complete_unsendable(const delivery& how);
    [[nodiscard]] bool drops_now() const noexcept;

    [[nodiscard]] bool is_v5() const noexcept { return version_ == mqtt::protocol_version::v5; }
    [[nodiscard]] const session_limits& limits() const noexcept { return *context_->limits; }
    [[nodiscard]] time_point now() const noexcept { return context_->now->now; }
    [[nodiscard]] traffic& counters() const noexcept { return *context_->counters; }
    [[nodiscard]] front_effects& effects() const noexcept { return *context_->effects; }

    const front_context* context_;
    front_owner* owner_;
    output_buffer output_;
    std::string client_id_;
    std::uint64_t client_hash_ = 0;
    time_point last_receipt_;
    attach_epoch epoch_;
    ack_ring acks_;
    std::unique_ptr<session_state> own_;
    /// QoS 2 identifiers received and not released; a persistent session's home has them too.
    std::unique_ptr<boost::unordered_flat_set<std::uint16_t>> inbound_;
    std::unique_ptr<std::vector<pending_subscribe>> pending_subscribes_; ///< null: none
    std::unique_ptr<connect_details> connect_;
    std::unique_ptr<v5_details> v5_;
    detach_notice farewell_;
    std::uint32_t withheld_ = 0;   ///< acknowledgements that are not given
    std::uint16_t keep_alive_ = 0; ///< seconds; 0: none
    mqtt::protocol_version version_ = mqtt::protocol_version::v3_1_1;
    phase phase_ = phase::awaiting_connect;
    bool is_held_by_home_ = false;
    bool is_bridge_ = false;
    bool outlives_connection_ = false; ///< CONNECT asked for a session expiry
    bool is_exchange_open_ = false;
    bool withholds_ = false;       ///< an acknowledgement, since the message could not be stored
    bool answers_connect_ = false; ///< a CONNECT came that can be answered with CONNACK
};

} // namespace gv::session
