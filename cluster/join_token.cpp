// SPDX-License-Identifier: Apache-2.0
#include "cluster/join_token.hpp"

#include "cluster/certificate_authority.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gv::cluster {

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::string_view version = "GV1";
constexpr std::size_t number_bytes = 8;
constexpr std::size_t secret_bytes = 16;
constexpr std::size_t fingerprint_bytes = 32;
constexpr std::size_t address_bytes_max = 255;
/// The last second that a wall_time can be.
constexpr std::int64_t seconds_max =
    std::chrono::floor<std::chrono::seconds>(wall_time::max().time_since_epoch()).count();

[[nodiscard]] std::string hex(std::string_view bytes) {
    std::string out;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        out.append({digits[byte >> 4], digits[byte & 15]});
    }
    return out;
}

[[nodiscard]] bool is_hex(std::string_view text, std::size_t bytes) {
    return text.size() == 2 * bytes
           && std::ranges::all_of(text, [](char each) { return digits.contains(each); });
}

/// What is before the next dot; takes it off.
[[nodiscard]] std::string_view next_part(std::string_view& text) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::string_view part = text.substr(0, dot);
    text.remove_prefix(std::min(dot + 1, text.size()));
    return part;
}

[[nodiscard]] std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blank);
    return first == std::string_view::npos
               ? std::string_view()
               : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

} // namespace

join_token make_join_token(const std::string& authority, wall_time until,
                           const std::string& address) {
    return {.number = hex(random_bytes(number_bytes)),
            .secret = hex(random_bytes(secret_bytes)),
            .authority = authority,
            .until = until,
            .address = address};
}

std::string text_of(const join_token& token) {
    std::array<char, 16> seconds{};
    const auto [end, failed] = std::to_chars(
        seconds.data(), seconds.data() + seconds.size(),
        static_cast<std::uint64_t>(std::chrono::system_clock::to_time_t(token.until)), 16);
    static_cast<void>(failed);
    return std::string(version) + "." + token.number + "." + token.secret + "." + token.authority
           + "." + std::string(seconds.data(), end) + "." + token.address;
}

result<join_token, std::string> parse_join_token(std::string_view text) {
    std::string_view rest = trimmed(text);
    if (next_part(rest) != version) {
        return failure(std::string("is not a token: it begins with GV1"));
    }
    const std::string_view number = next_part(rest);
    const std::string_view secret = next_part(rest);
    const std::string_view authority = next_part(rest);
    const std::string_view until = next_part(rest);
    std::int64_t seconds = 0;
    const auto [end, failed] =
        std::from_chars(until.data(), until.data() + until.size(), seconds, 16);
    if (!is_hex(number, number_bytes) || !is_hex(secret, secret_bytes)
        || !is_hex(authority, fingerprint_bytes) || failed != std::errc{}
        || end != until.data() + until.size() || seconds < 0 || seconds > seconds_max
        || rest.empty() || rest.size() > address_bytes_max
        || rest.find_first_of(" \t\r\n/") != std::string_view::npos) {
        return failure(std::string("is not a whole token: copy all of it"));
    }
    return join_token{.number = std::string(number),
                      .secret = std::string(secret),
                      .authority = std::string(authority),
                      .until = std::chrono::system_clock::from_time_t(seconds),
                      .address = std::string(rest)};
}

} // namespace gv::cluster
