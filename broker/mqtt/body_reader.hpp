// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a packet's body one after the other and remembers the first thing wrong with
// it: a decoder reads a whole structure and asks once. After a fault all fields read as empty.
// Internal to decoding.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/mqtt/packet.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace gv::mqtt {

/// The same statement under its number before 5.0 and in it.
struct rule_pair {
    std::string_view v3;
    std::string_view v5;
};

class body_reader {
  public:
    body_reader(std::string_view body, protocol_version version) noexcept
        : cursor_(body), size_(body.size()), version_(version) {}

    [[nodiscard]] protocol_version version() const noexcept { return version_; }
    [[nodiscard]] bool is_v5() const noexcept { return version_ == protocol_version::v5; }
    /// CONNECT learns its version on the way.
    void set_version(protocol_version version) noexcept { version_ = version; }

    /// Whether nothing is left; also true after a fault.
    [[nodiscard]] bool at_end() const noexcept { return fault_ || cursor_.at_end(); }
    [[nodiscard]] bool failed() const noexcept { return fault_.has_value(); }
    [[nodiscard]] std::size_t remaining() const noexcept {
        return fault_ ? 0 : cursor_.remaining();
    }

    std::uint8_t u8() noexcept;
    std::uint16_t u16() noexcept;
    /// Binary data: two bytes of length, then that many.
    std::string_view binary() noexcept;
    /// As binary(), and it is UTF-8 without U+0000.
    std::string_view text() noexcept;
    /// A topic name: text() that is not empty and holds no wildcard.
    std::string_view topic_name(rule_pair wildcard_rule) noexcept;
    /// A packet identifier, not 0.
    packet_id id() noexcept;
    /// Property length and properties, checked for that place; nothing before 5.0.
    property_view properties(packet_set place) noexcept;
    /// What is left.
    std::string_view rest() noexcept;
    /// It is a fault if anything is left.
    void expect_end() noexcept;

    /// Records a fault at the field read last, unless there is one already.
    void reject(reason_code reason, rule_pair rule, std::string_view text) noexcept;
    void reject_unless(bool is_good, reason_code reason, rule_pair rule,
                       std::string_view text) noexcept {
        if (!is_good) {
            reject(reason, rule, text);
        }
    }

    [[nodiscard]] const std::optional<violation>& fault() const noexcept { return fault_; }
    /// The packet, unless there was a fault.
    template <typename Packet>
    [[nodiscard]] result<Packet, violation> finish(Packet&& packet) {
        expect_end();
        if (fault_) {
            return failure(*fault_);
        }
        return std::forward<Packet>(packet);
    }

  private:
    void start_field() noexcept;
    void expect_whole() noexcept;
    std::uint32_t position() const noexcept;

    read_cursor cursor_;
    std::size_t size_;
    protocol_version version_;
    std::uint32_t start_ = 0; ///< of the field read last
    std::optional<violation> fault_;
};

/// The response topic of a PUBLISH or a will is a topic name. [MQTT-3.3.2-14]
void check_response_topic(std::string_view topic, body_reader& reader) noexcept;

/// There is no authentication data without a method (3.1.2.11.10, 3.2.2.3.18, 3.15.2.2.3).
void check_authentication(property_view properties, body_reader& reader) noexcept;

} // namespace gv::mqtt
