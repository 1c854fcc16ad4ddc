// SPDX-License-Identifier: Apache-2.0
#include "base/log_line.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>

namespace gv::log {

namespace {

struct utf8_char {
    std::uint32_t code = 0;
    std::size_t size = 1;
    bool is_valid = false;
};

/// The first character of `text`, which is not empty. One that is not valid has size 1.
utf8_char first_char(std::string_view text) noexcept {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) {
        return {lead, 1, true};
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) {
        return {lead, 1, false};
    }
    std::uint32_t code = lead & (0x7fU >> size);
    for (std::size_t at = 1; at < size; ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if ((byte & 0xc0) != 0x80) {
            return {lead, 1, false};
        }
        code = (code << 6) | (byte & 0x3fU);
    }
    constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < smallest[size] || code > 0x10ffff || is_surrogate) {
        return {lead, 1, false};
    }
    return {code, size, true};
}

bool is_control(std::uint32_t code) noexcept {
    // C0, DEL and C1; line and paragraph separator break lines in some viewers.
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

void append_hex(std::string& out, std::string_view lead, std::uint32_t code, int digits) {
    constexpr std::string_view hex = "0123456789abcdef";
    out.append(lead);
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
        out.push_back(hex[(code >> shift) & 15]);
    }
}

/// Within quotes, valid in JSON. In text a stray byte shows as \xff; JSON has no such escape, so
/// there it becomes the replacement character.
void append_char(std::string& out, format shape, std::string_view bytes, const utf8_char& next) {
    if (!next.is_valid && shape == format::json) {
        out.append("\\ufffd");
    } else if (!next.is_valid) {
        append_hex(out, "\\x", next.code, 2);
    } else if (next.code == '"' || next.code == '\\') {
        out.append({'\\', static_cast<char>(next.code)});
    } else if (next.code == '\n') {
        out.append("\\n");
    } else if (next.code == '\t') {
        out.append("\\t");
    } else if (is_control(next.code)) {
        append_hex(out, "\\u", next.code, 4);
    } else {
        out.append(bytes);
    }
}

void append_quoted(std::string& out, format shape, std::string_view text) {
    const std::size_t start = out.size();
    out.push_back('"');
    while (!text.empty()) {
        if (out.size() - start >= text_max) {
            out.append("…");
            break;
        }
        const utf8_char next = first_char(text);
        append_char(out, shape, text.substr(0, next.size), next);
        text.remove_prefix(next.size);
    }
    out.push_back('"');
}

/// Whether a value stands alone in a text line: printable ASCII without what separates.
bool is_plain(std::string_view text) noexcept {
    if (text.empty() || text.size() > text_max) {
        return false;
    }
    for (const char c : text) {
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return true;
}

void append_text(std::string& out, format shape, std::string_view text) {
    if (shape == format::text && is_plain(text)) {
        out.append(text);
    } else {
        append_quoted(out, shape, text);
    }
}

template <typename Number>
void append_number(std::string& out, Number number) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    out.append(digits.data(), end.ptr);
}

void append_value(std::string& out, format shape, const value& content) {
    switch (content.type()) {
    case value::kind::text:
        append_text(out, shape, content.text());
        break;
    case value::kind::integer:
        append_number(out, content.integer());
        break;
    case value::kind::natural:
        append_number(out, content.natural());
        break;
    case value::kind::boolean:
        out.append(content.natural() != 0 ? "true" : "false");
        break;
    case value::kind::real:
        if (std::isfinite(content.real())) {
            append_number(out, content.real());
        } else {
            out.append("null");
        }
        break;
    }
}

void append_field(std::string& out, format shape, std::string_view key, const value& content) {
    if (shape == format::json) {
        out.append(out.size() == 1 ? "\"" : ",\"").append(key).append("\":");
    } else {
        out.append(" ").append(key).append("=");
    }
    append_value(out, shape, content);
}

void append_head(std::string& out, format shape, const line_head& head) {
    if (shape == format::json) {
        out.push_back('{');
        if (head.has_time) {
            append_field(out, shape, "time", to_iso8601(head.at));
        }
        append_field(out, shape, "level", level_name(head.severity));
        append_field(out, shape, "event", head.event);
        return;
    }
    if (head.has_time) {
        out.append(to_iso8601(head.at)).append(" ");
    }
    out.append(level_name(head.severity)).append(" ").append(head.event);
}

} // namespace

std::string_view level_name(level severity) noexcept {
    constexpr std::array<std::string_view, 5> names{"error", "warn", "info", "debug", "trace"};
    return names[static_cast<std::size_t>(severity)];
}

std::string to_iso8601(wall_time at) {
    const auto since_epoch = at.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
    const auto rest = std::chrono::floor<std::chrono::milliseconds>(since_epoch - seconds);
    const std::time_t whole = seconds.count();
    std::tm parts{};
    ::gmtime_r(&whole, &parts);
    std::array<char, 64> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text.data() + size, text.size() - size, ".%03dZ", static_cast<int>(rest.count()));
    return text.data();
}

std::string make_line(format shape, const line_head& head, const prefix& who, fields content) {
    std::string out;
    out.reserve(160);
    append_head(out, shape, head);
    if (!head.node.empty()) {
        append_field(out, shape, "node", head.node);
    }
    if (who.conn != 0) {
        append_field(out, shape, "conn", who.conn);
    }
    if (!who.client.empty()) {
        append_field(out, shape, "client", who.client);
    }
    for (const field& each : content) {
        append_field(out, shape, each.key, each.content);
    }
    if (shape == format::json) {
        out.push_back('}');
    }
    return out;
}

} // namespace gv::log
