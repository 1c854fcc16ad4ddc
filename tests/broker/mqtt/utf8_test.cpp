// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gv::mqtt {
namespace {

using namespace std::string_view_literals;

/// The text at every distance from the ends of the eight bytes that are looked at together.
template <typename Check>
void at_every_offset(std::string_view text, Check check) {
    for (std::size_t before = 0; before < 18; ++before) {
        for (std::size_t after = 0; after < 18; ++after) {
            check(std::string(before, 'a') + std::string(text) + std::string(after, 'z'), before);
        }
    }
}

TEST(Utf8, AcceptsTheEndsOfEveryRange) {
    for (const auto valid : {
             "\x01"sv, "\x7f"sv,                         // controls, which are let through
             "\xc2\x80"sv, "\xdf\xbf"sv,                 // U+0080, U+07FF
             "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,         // U+0800, U+D7FF
             "\xee\x80\x80"sv, "\xef\xbf\xbf"sv,         // U+E000, U+FFFF
             "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv, // U+10000, U+10FFFF
             "\xef\xbb\xbf"sv,                           // U+FEFF [MQTT-1.5.4-3]
         }) {
        at_every_offset(valid, [](const std::string& text, std::size_t) {
            EXPECT_EQ(check_utf8(text).fault, utf8_fault::none) << testing::PrintToString(text);
        });
    }
}

TEST(Utf8, RejectsWhatIsIllFormed) {
    for (const auto broken : {
             "\x80"sv,
             "\xbf"sv, // no lead byte
             "\xc0\x80"sv,
             "\xc1\xbf"sv, // overlong, two bytes
             "\xe0\x9f\xbf"sv,
             "\xf0\x8f\xbf\xbf"sv, // overlong, three and four
             "\xed\xa0\x80"sv,
             "\xed\xbf\xbf"sv, // surrogates
             "\xf4\x90\x80\x80"sv,
             "\xf5\x80\x80\x80"sv, // beyond U+10FFFF
             "\xff"sv,
             "\xfe"sv,
             "\xc2"sv,
             "\xe2\x82"sv,
             "\xf0\x9f\x98"sv, // cut off
             "\xe2\x28\xa1"sv,
             "\xf0\x9f\x28\x80"sv,
         }) {
        at_every_offset(broken, [](const std::string& text, std::size_t offset) {
            const utf8_check found = check_utf8(text);
            EXPECT_EQ(found.fault, utf8_fault::ill_formed) << testing::PrintToString(text);
            EXPECT_EQ(found.offset, offset);
        });
    }
}

TEST(Utf8, FindsNul) {
    at_every_offset("\0"sv, [](const std::string& text, std::size_t offset) {
        const utf8_check found = check_utf8(text);
        EXPECT_EQ(found.fault, utf8_fault::nul);
        EXPECT_EQ(found.offset, offset);
    });
}

TEST(PlainTopic, IsAsciiWithoutNulAndWildcards) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const bool is_plain = byte != 0 && byte < 0x80 && c != '+' && c != '#';
        at_every_offset({&c, 1}, [&](const std::string& text, std::size_t) {
            EXPECT_EQ(is_plain_topic(text), is_plain) << byte << " in " << text;
        });
    }
}

} // namespace
} // namespace gv::mqtt
