// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/property_table.hpp"

#include "base/bytes.hpp"
#include "broker/mqtt/utf8.hpp"

#include <array>

namespace gv::mqtt {

namespace {

using enum wire_type;

constexpr packet_set will = will_bit;
constexpr packet_set connect = bit_of(packet_type::connect);
constexpr packet_set connack = bit_of(packet_type::connack);
constexpr packet_set publish = bit_of(packet_type::publish);
constexpr packet_set puback = bit_of(packet_type::puback);
constexpr packet_set pubrec = bit_of(packet_type::pubrec);
constexpr packet_set pubrel = bit_of(packet_type::pubrel);
constexpr packet_set pubcomp = bit_of(packet_type::pubcomp);
constexpr packet_set subscribe = bit_of(packet_type::subscribe);
constexpr packet_set suback = bit_of(packet_type::suback);
constexpr packet_set unsubscribe = bit_of(packet_type::unsubscribe);
constexpr packet_set unsuback = bit_of(packet_type::unsuback);
constexpr packet_set disconnect = bit_of(packet_type::disconnect);
constexpr packet_set auth = bit_of(packet_type::auth);

constexpr packet_set message = publish | will;
constexpr packet_set replies =
    connack | puback | pubrec | pubrel | pubcomp | suback | unsuback | disconnect | auth;
constexpr packet_set any = message | connect | replies | subscribe | unsubscribe;

constexpr std::uint32_t u16_max = 0xffff;
constexpr std::uint32_t u32_max = 0xffff'ffff;
constexpr std::uint32_t variable_max = 268'435'455;

// clang-format off
constexpr property_row rows[] = {
    {property::payload_format_indicator, "payload_format_indicator", byte, message, 0, 0, 1},
    {property::message_expiry_interval, "message_expiry_interval", four_byte_integer, message, 0, 0, u32_max},
    {property::content_type, "content_type", utf8_string, message, 0, 0, 0},
    {property::response_topic, "response_topic", utf8_string, message, 0, 0, 0},
    {property::correlation_data, "correlation_data", binary_data, message, 0, 0, 0},
    {property::subscription_identifier, "subscription_identifier", variable_byte_integer, publish | subscribe, publish, 1, variable_max},
    {property::session_expiry_interval, "session_expiry_interval", four_byte_integer, connect | connack | disconnect, 0, 0, u32_max},
    {property::assigned_client_identifier, "assigned_client_identifier", utf8_string, connack, 0, 0, 0},
    {property::server_keep_alive, "server_keep_alive", two_byte_integer, connack, 0, 0, u16_max},
    {property::authentication_method, "authentication_method", utf8_string, connect | connack | auth, 0, 0, 0},
    {property::authentication_data, "authentication_data", binary_data, connect | connack | auth, 0, 0, 0},
    {property::request_problem_information, "request_problem_information", byte, connect, 0, 0, 1},
    {property::will_delay_interval, "will_delay_interval", four_byte_integer, will, 0, 0, u32_max},
    {property::request_response_information, "request_response_information", byte, connect, 0, 0, 1},
    {property::response_information, "response_information", utf8_string, connack, 0, 0, 0},
    {property::server_reference, "server_reference", utf8_string, connack | disconnect, 0, 0, 0},
    {property::reason_string, "reason_string", utf8_string, replies, 0, 0, 0},
    {property::receive_maximum, "receive_maximum", two_byte_integer, connect | connack, 0, 1, u16_max},
    {property::topic_alias_maximum, "topic_alias_maximum", two_byte_integer, connect | connack, 0, 0, u16_max},
    {property::topic_alias, "topic_alias", two_byte_integer, publish, 0, 1, u16_max},
    {property::maximum_qos, "maximum_qos", byte, connack, 0, 0, 1},
    {property::retain_available, "retain_available", byte, connack, 0, 0, 1},
    {property::user_property, "user_property", utf8_string_pair, any, any, 0, 0},
    {property::maximum_packet_size, "maximum_packet_size", four_byte_integer, connect | connack, 0, 1, u32_max},
    {property::wildcard_subscription_available, "wildcard_subscription_available", byte, connack, 0, 0, 1},
    {property::subscription_identifier_available, "subscription_identifier_available", byte, connack, 0, 0, 1},
    {property::shared_subscription_available, "shared_subscription_available", byte, connack, 0, 0, 1},
};
// clang-format on

constexpr std::size_t ids_end = 0x2b;

/// Row of each id, or null. Ids fit into the bits of a word, which the check for repetition uses.
constexpr auto rows_by_id = [] {
    std::array<const property_row*, ids_end> found{};
    for (const property_row& row : rows) {
        found[static_cast<std::uint8_t>(row.id)] = &row;
    }
    return found;
}();

/// Walks properties that nobody has checked yet and stops at the first fault.
class property_checker {
  public:
    property_checker(std::string_view bytes, packet_set place, std::uint32_t offset) noexcept
        : cursor_(bytes), size_(bytes.size()), place_(place), offset_(offset) {}

    std::optional<violation> run() noexcept {
        while (!cursor_.at_end()) {
            start_ = position();
            // Ids are variable byte integers, but all defined ones take one byte.
            const property_row* row = find_property(cursor_.u8());
            if (auto fault = check_row(row)) {
                return fault;
            }
            if (auto fault = check_value(*row)) {
                return fault;
            }
        }
        return std::nullopt;
    }

  private:
    std::optional<violation> check_row(const property_row* row) noexcept {
        if (row == nullptr) {
            return fault(reason_code::malformed_packet, "", "There is no property with this id");
        }
        if ((row->packets & place_) == 0) {
            return fault(reason_code::malformed_packet, "",
                         "A property does not belong into this packet");
        }
        const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(row->id);
        if ((seen_ & bit) != 0 && (row->repeatable & place_) == 0) {
            return fault(reason_code::protocol_error, "",
                         "A property that may stand only once is repeated");
        }
        seen_ |= bit;
        return std::nullopt;
    }

    std::optional<violation> check_value(const property_row& row) noexcept {
        switch (row.type) {
        case byte:
            return check_range(row, cursor_.u8());
        case two_byte_integer:
            return check_range(row, cursor_.u16());
        case four_byte_integer:
            return check_range(row, cursor_.u32());
        case variable_byte_integer:
            return check_variable(row);
        case utf8_string:
            return check_text();
        case binary_data:
            cursor_.prefixed();
            return check_complete();
        case utf8_string_pair: {
            auto fault = check_text();
            return fault ? fault : check_text();
        }
        }
        return std::nullopt;
    }

    std::optional<violation> check_complete() noexcept {
        if (!cursor_.failed()) {
            return std::nullopt;
        }
        return fault(reason_code::malformed_packet, "",
                     "A property goes beyond the property length");
    }

    std::optional<violation> check_range(const property_row& row, std::uint32_t value) noexcept {
        if (auto fault = check_complete()) {
            return fault;
        }
        if (value >= row.min && value <= row.max) {
            return std::nullopt;
        }
        if (row.id == property::topic_alias) {
            return fault(reason_code::topic_alias_invalid, "MQTT-3.3.2-8", "The topic alias is 0");
        }
        return fault(reason_code::protocol_error, "",
                     "The value of a property is out of its range");
    }

    std::optional<violation> check_variable(const property_row& row) noexcept {
        const std::size_t before = cursor_.remaining();
        const std::uint32_t value = cursor_.variable();
        if (cursor_.failed() || before - cursor_.remaining() == variable_size(value)) {
            return check_range(row, value);
        }
        return fault(reason_code::malformed_packet, "MQTT-1.5.5-1",
                     "A variable byte integer is longer than it need be");
    }

    std::optional<violation> check_text() noexcept {
        const std::string_view text = cursor_.prefixed();
        if (auto fault = check_complete()) {
            return fault;
        }
        switch (check_utf8(text).fault) {
        case utf8_fault::none:
            return std::nullopt;
        case utf8_fault::ill_formed:
            return fault(reason_code::malformed_packet, "MQTT-1.5.4-1",
                         "A string property is not valid UTF-8");
        case utf8_fault::nul:
            return fault(reason_code::malformed_packet, "MQTT-1.5.4-2",
                         "A string property holds the character U+0000");
        }
        return std::nullopt;
    }

    std::uint32_t position() const noexcept {
        return offset_ + static_cast<std::uint32_t>(size_ - cursor_.remaining());
    }

    violation fault(reason_code reason, std::string_view rule,
                    std::string_view text) const noexcept {
        return {.reason = reason, .rule = rule, .text = text, .offset = start_};
    }

    read_cursor cursor_;
    std::size_t size_;
    packet_set place_;
    std::uint32_t offset_;
    std::uint32_t start_ = 0; ///< of the property being read
    std::uint64_t seen_ = 0;
};

} // namespace

std::span<const property_row> property_rows() noexcept { return rows; }

const property_row* find_property(std::uint32_t id) noexcept {
    return id < ids_end ? rows_by_id[id] : nullptr;
}

std::string_view property_name(property id) noexcept {
    const property_row* row = find_property(static_cast<std::uint32_t>(id));
    return row != nullptr ? row->name : "unknown";
}

result<property_view, violation> check_properties(std::string_view bytes, packet_set place,
                                                  std::uint32_t offset) {
    if (auto fault = property_checker(bytes, place, offset).run()) {
        return failure(*fault);
    }
    return property_view(bytes);
}

} // namespace gv::mqtt
