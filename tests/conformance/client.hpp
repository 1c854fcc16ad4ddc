// SPDX-License-Identifier: Apache-2.0
// One client of a case: what each verb of script.hpp does. Not a conforming client: it does what
// the case says.
#pragma once

#include "tests/conformance/connection.hpp"

#include <string>

namespace gv::conformance {

class scram_client;

class client {
  public:
    explicit client(const circumstances& given) : given_(given), wire_(given) {}

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
    void settle();
    void request(const char* type, json fields, const char* answer, const json& expectation);
    void answer_challenge(scram_client& scram);
    void acknowledge(const json& packet);
    void match_one_of(json& patterns, const json& packet);
    void check(const json& pattern, const json& packet);
    std::uint32_t fresh_id();

    circumstances given_;
    connection wire_;
    std::uint32_t last_id_ = 0;
};

} // namespace gv::conformance
