// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/body_reader.hpp"

#include "base/topic.hpp"
#include "broker/mqtt/property_table.hpp"
#include "broker/mqtt/utf8.hpp"

namespace gv::mqtt {

namespace {

constexpr rule_pair utf8_rule{.v3 = "MQTT-1.5.3-1", .v5 = "MQTT-1.5.4-1"};
constexpr rule_pair nul_rule{.v3 = "MQTT-1.5.3-2", .v5 = "MQTT-1.5.4-2"};
constexpr rule_pair id_rule{.v3 = "MQTT-2.3.1-1", .v5 = "MQTT-2.2.1-3"};
constexpr rule_pair variable_rule{.v3 = "", .v5 = "MQTT-1.5.5-1"};
constexpr rule_pair empty_topic_rule{.v3 = "MQTT-4.7.3-1", .v5 = "MQTT-4.7.3-1"};
constexpr rule_pair response_topic_rule{.v3 = "", .v5 = "MQTT-3.3.2-14"};
constexpr rule_pair no_rule{};

} // namespace

std::uint8_t body_reader::u8() noexcept {
    start_field();
    const std::uint8_t value = cursor_.u8();
    expect_whole();
    return value;
}

std::uint16_t body_reader::u16() noexcept {
    start_field();
    const std::uint16_t value = cursor_.u16();
    expect_whole();
    return value;
}

std::string_view body_reader::binary() noexcept {
    start_field();
    const std::string_view value = cursor_.prefixed();
    expect_whole();
    return fault_ ? std::string_view() : value;
}

std::string_view body_reader::text() noexcept {
    const std::string_view value = binary();
    switch (check_utf8(value).fault) {
    case utf8_fault::none:
        return value;
    case utf8_fault::ill_formed:
        reject(reason_code::malformed_packet, utf8_rule, "A string is not valid UTF-8");
        break;
    case utf8_fault::nul:
        reject(reason_code::malformed_packet, nul_rule, "A string holds the character U+0000");
        break;
    }
    return {};
}

std::string_view body_reader::topic_name(rule_pair wildcard_rule) noexcept {
    const std::string_view topic = text();
    reject_unless(!topic.empty(), reason_code::topic_name_invalid, empty_topic_rule,
                  "The topic name is empty");
    reject_unless(!has_wildcard(topic), reason_code::topic_name_invalid, wildcard_rule,
                  "The topic name holds a wildcard");
    return topic;
}

packet_id body_reader::id() noexcept {
    const std::uint16_t value = u16();
    reject_unless(value != 0, reason_code::protocol_error, id_rule, "The packet identifier is 0");
    return packet_id{value};
}

property_view body_reader::properties(packet_set place) noexcept {
    if (!is_v5()) {
        return {};
    }
    start_field();
    const std::size_t before = cursor_.remaining();
    const std::uint32_t length = cursor_.variable();
    expect_whole();
    reject_unless(before - cursor_.remaining() <= variable_size(length),
                  reason_code::malformed_packet, variable_rule,
                  "The property length takes more bytes than it need");
    const std::uint32_t offset = position();
    const std::string_view bytes = cursor_.bytes(length);
    expect_whole();
    if (fault_) {
        return {};
    }
    const auto checked = check_properties(bytes, place, offset);
    if (!checked) {
        fault_ = checked.error();
        return {};
    }
    return *checked;
}

std::string_view body_reader::rest() noexcept {
    start_field();
    return fault_ ? std::string_view() : cursor_.rest();
}

void body_reader::expect_end() noexcept {
    start_field();
    reject_unless(cursor_.at_end(), reason_code::malformed_packet, no_rule,
                  "The packet goes on after its last field");
}

void body_reader::reject(reason_code reason, rule_pair rule, std::string_view text) noexcept {
    if (!fault_) {
        fault_ = {
            .reason = reason, .rule = is_v5() ? rule.v5 : rule.v3, .text = text, .offset = start_};
    }
}

void body_reader::start_field() noexcept { start_ = position(); }

void body_reader::expect_whole() noexcept {
    reject_unless(!cursor_.failed(), reason_code::malformed_packet, no_rule,
                  "The packet ends within a field");
}

std::uint32_t body_reader::position() const noexcept {
    return static_cast<std::uint32_t>(size_ - cursor_.remaining());
}

void check_response_topic(std::string_view topic, body_reader& reader) noexcept {
    reader.reject_unless(!topic.empty() && !has_wildcard(topic), reason_code::protocol_error,
                         response_topic_rule, "The response topic is empty or holds a wildcard");
}

void check_authentication(property_view properties, body_reader& reader) noexcept {
    reader.reject_unless(!properties.has(property::authentication_data)
                             || properties.has(property::authentication_method),
                         reason_code::protocol_error, no_rule,
                         "There is authentication data without an authentication method");
}

} // namespace gv::mqtt
