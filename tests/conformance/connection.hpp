// SPDX-License-Identifier: Apache-2.0
// One client's network connection: symbolic packets out, decoded packets in, kept in their order
// and each held against watch.hpp.
#pragma once

#include "tests/conformance/match.hpp"
#include "tests/conformance/watch.hpp"
#include "tests/conformance/world.hpp"

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace gv::conformance {

struct step_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws step_failure with that complaint unless it holds.
void demand(bool holds, const std::string& complaint);

/// How long an answer may take on a running broker. Only a failing case waits this long.
[[nodiscard]] std::chrono::milliseconds patience();

/// What a client of a case is given.
struct circumstances {
    std::string name;
    protocol_level level;
    world& where;
    bindings& names;               ///< shared by the clients of a case
    std::vector<std::string>& log; ///< every packet sent and received
};

class connection {
  public:
    explicit connection(const circumstances& given) : given_(given), level_(given.level) {}

    /// A new network connection; what was left of the old one is forgotten.
    void open();
    void set_level(protocol_level level) { level_ = level; }
    void cut();
    void send(const json& packet);
    void send_together(const json& packets);
    void write(const std::string& bytes, const std::string& note);

    /// Waits until a packet is there or the end; false at the end or when the time is over.
    bool fill(std::chrono::milliseconds time);
    /// The packet that arrived first, taken. Errors: step_failure if none comes.
    json next();
    /// The next packet of this type and identifier (0: any), leaving others where they are.
    /// Errors: step_failure if none comes.
    json next_of(const std::string& type, std::uint32_t id);
    /// Packets that have arrived and not been taken.
    [[nodiscard]] const std::deque<json>& inbox() const { return inbox_; }

    [[nodiscard]] protocol_level level() const { return level_; }
    [[nodiscard]] bool is_there() const { return peer_.has_value(); }
    [[nodiscard]] bool is_closed() const { return is_closed_; }
    /// CONNACK 0 has arrived.
    [[nodiscard]] bool is_accepted() const { return watch_.is_accepted(); }

  private:
    void take_in(const frame& raw);
    void note(const std::string& what) { given_.log.push_back(given_.name + what); }

    circumstances given_;
    protocol_level level_;
    std::optional<peer> peer_;
    std::string unread_;
    std::deque<json> inbox_;
    bool is_closed_ = false;
    watch watch_;
};

} // namespace gv::conformance
