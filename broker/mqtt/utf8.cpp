// SPDX-License-Identifier: Apache-2.0
// Well-formed sequences (Unicode 15, table 3-7): the lead byte says how many bytes follow, and what
// the first of them may be; the rest are 80..BF.
//   00..7F              C2..DF 80..BF        E0 A0..BF x      E1..EC 80..BF x
//   ED 80..9F x         EE..EF 80..BF x      F0 90..BF x x    F1..F3 80..BF x x    F4 80..8F x x
#include "broker/mqtt/utf8.hpp"

namespace gv::mqtt {

namespace {

struct sequence {
    unsigned followers; ///< 0: not a lead byte
    unsigned second_min;
    unsigned second_max;
};

constexpr sequence sequence_of(unsigned lead) noexcept {
    if (lead < 0xc2 || lead > 0xf4) {
        return {0, 0, 0};
    }
    if (lead < 0xe0) {
        return {1, 0x80, 0xbf};
    }
    if (lead < 0xf0) {
        return {2, lead == 0xe0 ? 0xa0U : 0x80U, lead == 0xed ? 0x9fU : 0xbfU};
    }
    return {3, lead == 0xf0 ? 0x90U : 0x80U, lead == 0xf4 ? 0x8fU : 0xbfU};
}

unsigned byte_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<unsigned char>(text[at]);
}

/// Bytes of the character beyond ASCII at `at`; 0 if it is ill formed.
std::size_t long_character(std::string_view text, std::size_t at) noexcept {
    const auto [followers, second_min, second_max] = sequence_of(byte_at(text, at));
    if (followers == 0 || text.size() - at <= followers) {
        return 0;
    }
    const unsigned second = byte_at(text, at + 1);
    if (second < second_min || second > second_max) {
        return 0;
    }
    for (std::size_t i = 2; i <= followers; ++i) {
        if ((byte_at(text, at + i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    return followers + 1;
}

/// Whether the eight bytes at `at` are ASCII without NUL.
bool is_plain_word(std::string_view text, std::size_t at) noexcept {
    constexpr std::uint64_t top_bits = detail::each_byte * 0x80;
    const std::uint64_t word = detail::load_word(text.data() + at);
    return ((word | ~(word + detail::each_byte * 0x7f)) & top_bits) == 0;
}

} // namespace

utf8_check check_utf8(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        if (text.size() - at >= 8 && is_plain_word(text, at)) {
            at += 8;
            continue;
        }
        const unsigned lead = byte_at(text, at);
        if (lead == 0) {
            return {utf8_fault::nul, static_cast<std::uint32_t>(at)};
        }
        const std::size_t size = lead < 0x80 ? 1 : long_character(text, at);
        if (size == 0) {
            return {utf8_fault::ill_formed, static_cast<std::uint32_t>(at)};
        }
        at += size;
    }
    return {};
}

} // namespace gv::mqtt
