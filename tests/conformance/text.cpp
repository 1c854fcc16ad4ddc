// SPDX-License-Identifier: Apache-2.0
// The scalar fields of the symbolic form.
#include "tests/conformance/wire.hpp"

#include <charconv>

namespace gv::conformance {

std::string bytes_of_hex(std::string_view hex) {
    std::string digits;
    for (const char digit : hex) {
        if (digit != ' ') {
            digits.push_back(digit);
        }
    }
    std::string bytes;
    for (std::size_t at = 0; at < digits.size(); at += 2) {
        unsigned value = 0;
        const char* begin = digits.data() + at;
        const char* end = begin + (at + 1 < digits.size() ? 2 : 1);
        if (std::from_chars(begin, end, value, 16).ptr != begin + 2) {
            throw wire_error("not hexadecimal: \"" + std::string(hex) + "\"");
        }
        bytes.push_back(static_cast<char>(value));
    }
    return bytes;
}

std::string text_of(const json& field) {
    if (field.is_string()) {
        return field.get<std::string>();
    }
    if (field.is_object() && field.contains("hex")) {
        return bytes_of_hex(field.at("hex").get<std::string>());
    }
    if (field.is_object() && field.contains("repeat")) {
        const auto unit = field.at("repeat").get<std::string>();
        std::string text;
        for (auto left = field.at("times").get<std::size_t>(); left > 0; --left) {
            text += unit;
        }
        return text;
    }
    throw wire_error("not a text field: " + printable(field));
}

std::uint32_t number_of(const json& field) {
    if (field.is_number_integer()) {
        return field.get<std::uint32_t>();
    }
    if (field.is_boolean()) {
        return field.get<bool>() ? 1 : 0;
    }
    if (field.is_string() && field.get_ref<const std::string&>().starts_with("0x")) {
        const auto& text = field.get_ref<const std::string&>();
        std::uint32_t value = 0;
        const char* end = text.data() + text.size();
        if (std::from_chars(text.data() + 2, end, value, 16).ptr == end) {
            return value;
        }
    }
    throw wire_error("not a number: " + printable(field));
}

std::string printable(const json& value) {
    auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 600) {
        text = text.substr(0, 600) + "… (" + std::to_string(text.size()) + " characters)";
    }
    return text;
}

namespace {

/// Length of the well-formed sequence at the start, 0 if there is none (RFC 3629, section 4).
std::size_t sequence_length(std::string_view bytes) {
    const auto at = [&](std::size_t index) {
        return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0U;
    };
    const auto follows = [&](std::size_t index, unsigned low = 0x80, unsigned high = 0xbf) {
        return at(index) >= low && at(index) <= high;
    };
    const unsigned lead = at(0);
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return follows(1) ? 2 : 0;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        const bool second = follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
        return second && follows(2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const bool second = follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
        return second && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

} // namespace

bool is_mqtt_text(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto length = sequence_length(bytes);
        if (length == 0 || bytes.front() == '\0') {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

} // namespace gv::conformance
