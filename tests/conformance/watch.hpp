// SPDX-License-Identifier: Apache-2.0
// What must hold of everything a broker sends on one connection, whatever the case is about. Each
// check names its statement; the same list stands in watched.json, from which docs/conformance.md
// counts it as covered.
#pragma once

#include "tests/conformance/wire.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace gv::conformance {

class watch {
  public:
    /// Notes what the client asked for (CONNECT) and acknowledged.
    void on_sent(const json& packet, protocol_level level);

    /// Checks one packet, decoded from `size` bytes, and adds "resolved_topic" to a PUBLISH: its
    /// topic, or that of its alias.
    /// Errors: wire_error naming the statement broken.
    void on_received(json& packet, std::size_t size);

    [[nodiscard]] bool is_accepted() const { return is_accepted_; }

  private:
    void on_connect(const json& packet);
    void check_order(const std::string& type, const json& packet);
    void check_problem_information(const std::string& type, const json& properties) const;
    void check_publish(json& packet);
    void resolve_alias(json& packet);
    void count_in_flight(const json& packet);

    protocol_level level_ = 4;
    bool asked_ = false;
    bool answered_ = false;
    bool is_accepted_ = false;
    bool disconnected_ = false;
    bool has_method_ = false;
    bool wants_problems_ = true;
    bool wants_response_information_ = false;
    std::uint32_t packet_size_max_ = UINT32_MAX;
    std::uint32_t receive_max_ = 65'535;
    std::uint32_t alias_max_ = 0;
    std::map<std::uint32_t, std::string> aliases_;
    std::set<std::uint32_t> in_flight_;
};

} // namespace gv::conformance
