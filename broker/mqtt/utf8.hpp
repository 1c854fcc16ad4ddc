// SPDX-License-Identifier: Apache-2.0
// UTF-8 as MQTT wants it (MQTT 5, 1.5.4): well formed, without surrogates and without U+0000.
// Control characters and non-characters are let through, which the specification leaves open.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gv::mqtt {

namespace detail {

inline constexpr std::uint64_t each_byte = 0x0101'0101'0101'0101;

[[nodiscard]] inline std::uint64_t load_word(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// The up to seven bytes at `at` in one word, some of them twice, filled up with a plain one. No
/// copy of variable size, which would be a call.
[[nodiscard]] inline std::uint64_t load_short(const char* at, std::size_t size) noexcept {
    if (size >= 4) {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        std::memcpy(&first, at, sizeof first);
        std::memcpy(&last, at + size - 4, sizeof last);
        return (std::uint64_t{first} << 32) | last;
    }
    std::uint64_t word = each_byte * 'a';
    for (std::size_t i = 0; i < size; ++i) {
        word = (word << 8) | static_cast<unsigned char>(at[i]);
    }
    return word;
}

/// Zero if none of the eight bytes is NUL, `+`, `#` or beyond ASCII. `#` and `+` differ in one bit
/// only, so one comparison finds both; adding 0x7f sets the top bit of all but a zero byte.
[[nodiscard]] constexpr std::uint64_t unusual_in_topic(std::uint64_t word) noexcept {
    constexpr std::uint64_t low_bits = each_byte * 0x7f;
    const std::uint64_t wildcards = (word & ~(each_byte * ('#' ^ '+'))) ^ (each_byte * '#');
    return (word | ~(word + low_bits) | ~(wildcards + low_bits)) & (each_byte * 0x80);
}

} // namespace detail

/// True if `topic` holds nothing but ASCII, no NUL and no wildcard: the common case, eight bytes
/// at a time. False asks for a closer look.
[[nodiscard]] inline bool is_plain_topic(std::string_view topic) noexcept {
    const char* at = topic.data();
    const std::size_t size = topic.size();
    if (size >= 8) {
        std::uint64_t unusual = detail::unusual_in_topic(detail::load_word(at + size - 8));
        for (std::size_t done = 0; done + 8 < size; done += 8) {
            unusual |= detail::unusual_in_topic(detail::load_word(at + done));
        }
        return unusual == 0;
    }
    return detail::unusual_in_topic(detail::load_short(at, size)) == 0;
}

enum class utf8_fault : std::uint8_t {
    none,
    ill_formed, ///< cut off, overlong, a surrogate, beyond U+10FFFF, or no UTF-8 at all
    nul         ///< U+0000
};

struct utf8_check {
    utf8_fault fault = utf8_fault::none;
    std::uint32_t offset = 0; ///< of the first byte of the faulty character
};

/// The first fault of `text`.
[[nodiscard]] utf8_check check_utf8(std::string_view text) noexcept;

[[nodiscard]] inline bool is_valid_utf8(std::string_view text) noexcept {
    return check_utf8(text).fault == utf8_fault::none;
}

} // namespace gv::mqtt
