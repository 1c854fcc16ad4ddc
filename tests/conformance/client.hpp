// SPDX-License-Identifier: Apache-2.0
// One client of a case: turns verbs into packets, keeps what has arrived in order, and holds every
// packet against watch.hpp. Not a conforming client: it does what the case says.
#pragma once

#include "tests/conformance/match.hpp"
#include "tests/conformance/watch.hpp"
#include "tests/conformance/world.hpp"

#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace gv::conformance {

struct step_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class scram_client;

class client {
  public:
    struct circumstances {
        std::string name;
        protocol_level level;
        world& where;
        bindings& names;               ///< shared by the clients of a case
        std::vector<std::string>& log; ///< every packet sent and received
    };
    explicit client(const circumstances& given) : given_(given), level_(given.level) {}

    // The verbs of script.hpp. Errors: step_failure or wire_error, in a sentence.
    void open();
    void connect(const json& fields, const json& expectation);
    void try_connect(const json& fields);
    void log_in(json fields, const json& expectation);
    void log_in_again(const json& fields);
    void send(const json& packets);
    void send_raw(const json& bytes);
    void subscribe(const json& what, const json& expectation);
    void fail_to_subscribe(const json& what);
    void unsubscribe(const json& what, const json& expectation);
    void publish(json fields, const json& expectation);
    void ping();
    void expect(const json& pattern);
    void expect_any(json patterns);
    void receive(const json& pattern);
    void receive_any(json patterns);
    void expect_nothing();
    void expect_open();
    void expect_closed(const json& how);
    void expect_refused(const json& how);
    void disconnect(json fields);
    void cut();

    /// After this, all the broker had handled of this connection's packets has arrived. Nothing if
    /// the connection is not an accepted one.
    void fence();

  private:
    void send_packet(const json& packet);
    void write(const std::string& bytes, const std::string& note);
    void request(const char* type, json fields, const char* answer, const json& expectation);
    void answer_challenge(scram_client& scram);
    void acknowledge(const json& packet);
    json receive_matching(json pattern);
    json match_one_of(json& patterns, const json& packet);
    void check(const json& pattern, const json& packet);

    /// Waits until a packet is there or the end; false at the end or when patience is over.
    bool fill(std::chrono::milliseconds patience);
    void take_in(const frame& raw);
    json next();
    /// The next packet of this type and identifier (0: any), leaving others where they are.
    json next_of(const std::string& type, std::uint32_t id);
    std::uint32_t fresh_id();

    circumstances given_;
    protocol_level level_;
    std::optional<peer> peer_;
    std::string unread_;
    std::deque<json> inbox_;
    bool is_closed_ = false;
    watch watch_;
    std::uint32_t last_id_ = 0;
};

} // namespace gv::conformance
