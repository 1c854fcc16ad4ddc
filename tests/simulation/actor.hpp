// SPDX-License-Identifier: Apache-2.0
// A client of the simulation: it does what a conforming client may, at any moment, and knows what
// must be true of its session when it comes back.
#pragma once

#include "tests/simulation/stage.hpp"

#include <string>
#include <vector>

namespace gv::simulation {

/// What a client is like all its life.
struct character {
    mqtt::protocol_version version = mqtt::protocol_version::v5;
    std::uint32_t session_expiry = 0; ///< seconds; v3: 0, or not
    std::uint16_t receive_maximum = 0;
    std::uint16_t topic_alias_max = 0;
    qos retained_quality = qos::at_most_once;
    bool is_slow = false;     ///< takes a few bytes at a time, or none
    bool is_torn = false;     ///< what it sends arrives in pieces
    bool is_sharing = false;  ///< subscribes to shared groups too
    bool is_observer = false; ///< keeps an eye on the wills
};

[[nodiscard]] character any_character(stage& on);

class actor final : private support::client_watcher {
  public:
    actor(stage& on, std::string name, const character& how);

    /// One thing, by chance.
    void act();

    void connect();
    void publish();
    void subscribe(const support::subscribe_request& what);
    void cut();
    void disconnect();
    /// Reads what came, and does what must follow.
    void listen();

    /// From now on it takes everything and acknowledges at once.
    void behave();
    /// Comes back if it has gone.
    void come_back();
    /// Nothing is left to be sent or acknowledged.
    [[nodiscard]] bool is_quiet() const;
    void expect_pong();
    /// Ends the connection and the session.
    void leave();

    [[nodiscard]] const std::string& name() const noexcept { return wire_.id(); }

  private:
    enum class session : std::uint8_t { none, kept, unknown };
    enum class expected : std::uint8_t { absent, present, anything };

    void act_connected();
    void acknowledge_some();
    void take_some();
    void unsubscribe_one();
    void subscribe_any();
    void leave_behind();
    void gone(promises::will will);
    void closed_by_broker();
    [[nodiscard]] expected expectation(bool is_clean) const;
    [[nodiscard]] std::string fresh_payload(const char* prefix, std::size_t padding_max);
    [[nodiscard]] support::connect_request connection();

    // support::client_watcher
    void on_delivery(std::string_view client, const support::delivered& what) override;
    void on_publish_settled(std::string_view client, std::string_view payload,
                            bool is_taken) override;
    void on_suback(std::string_view client, packet_id id, bool is_removal) override;
    void on_connack(std::string_view client, bool is_session_present) override;

    stage* stage_;
    character how_;
    support::wire_client wire_;
    std::vector<std::string> filters_;
    std::string will_; ///< of the connection; empty: none
    bool is_will_delayed_ = false;
    std::map<std::string, std::string> retained_; ///< payload to topic, until taken
    std::uint64_t published_ = 0;
    session session_ = session::none;
    expected expected_ = expected::absent;
    time_point kept_until_{};
    bool must_start_clean_ = false; ///< a clean start was asked for and not answered
    bool is_answered_ = false;
    time_point unanswered_until_{}; ///< an attempt given up may still be under way to the home
    std::size_t replays_ = 0;       ///< subscriptions of the session that may show retained ones
    time_point replay_asked_{};     ///< the first of them
    time_point in_order_from_{};    ///< nothing of a connection before is on its way any more
    bool must_resend_ = false;
    bool behaves_ = false;
};

} // namespace gv::simulation
