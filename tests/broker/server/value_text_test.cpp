// SPDX-License-Identifier: Apache-2.0
#include "broker/server/value_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

namespace gv::server {
namespace {

using namespace std::chrono_literals;

std::uint64_t bytes_of(std::string_view text) { return parse_size(text).value().value; }
std::string size_error(std::string_view text) { return parse_size(text).error().what; }

TEST(ValueText, SizesHaveUnits) {
    EXPECT_EQ(bytes_of("0"), 0U);
    EXPECT_EQ(bytes_of("1500"), 1500U);
    EXPECT_EQ(bytes_of("128B"), 128U);
    EXPECT_EQ(bytes_of("64KiB"), 65'536U);
    EXPECT_EQ(bytes_of("16MiB"), 16'777'216U);
    EXPECT_EQ(bytes_of("16 mib"), 16'777'216U);
    EXPECT_EQ(bytes_of("1GiB"), 1'073'741'824U);
    EXPECT_EQ(bytes_of("2TiB"), 2'199'023'255'552U);
    EXPECT_EQ(bytes_of("3kB"), 3'000U);
    EXPECT_EQ(bytes_of("3MB"), 3'000'000U);
    EXPECT_EQ(bytes_of("3GB"), 3'000'000'000U);
}

TEST(ValueText, WhatIsNoSizeIsRefused) {
    for (const char* text : {"", "MiB", "-1", "1.5MiB", "16M", "16MiBs", "16MiB 2", " 1", "0x10",
                             "99999999999999999999", "9000000000TiB"}) {
        EXPECT_EQ(size_error(text), "\"" + std::string(text) + "\" is not a size");
    }
    EXPECT_EQ(parse_size("16M").error().remedy,
              "write a whole number with a unit, such as 512B, 64KiB or 16MiB");
}

TEST(ValueText, TimesHaveUnits) {
    EXPECT_EQ(parse_time("0").value(), 0ms);
    EXPECT_EQ(parse_time("90").value(), 90s);
    EXPECT_EQ(parse_time("100ms").value(), 100ms);
    EXPECT_EQ(parse_time("10s").value(), 10s);
    EXPECT_EQ(parse_time("5min").value(), 5min);
    EXPECT_EQ(parse_time("5m").value(), 5min);
    EXPECT_EQ(parse_time("2h").value(), 2h);
    EXPECT_EQ(parse_time("30d").value(), 720h);
}

TEST(ValueText, WhatIsNoTimeIsRefused) {
    for (const char* text : {"", "s", "-10s", "10 years", "1h30min", "9223372036854775807d"}) {
        const auto parsed = parse_time(text);
        ASSERT_FALSE(parsed.has_value()) << text;
        EXPECT_EQ(parsed.error().what, "\"" + std::string(text) + "\" is not a time");
        EXPECT_EQ(parsed.error().remedy,
                  "write a whole number with a unit, such as 100ms, 10s or 30d");
    }
}

TEST(ValueText, NumbersFractionsAndBooleansAreExact) {
    EXPECT_EQ(parse_number("65536").value(), 65'536U);
    EXPECT_EQ(parse_number("1,000").error().what, "\"1,000\" is not a whole number");
    EXPECT_EQ(parse_fraction("0.25").value(), 0.25);
    EXPECT_EQ(parse_fraction("half").error().what, "\"half\" is not a number");
    EXPECT_EQ(parse_fraction("inf").error().what, "\"inf\" is not a number");
    EXPECT_TRUE(parse_boolean("True").value());
    EXPECT_FALSE(parse_boolean("false").value());
    EXPECT_EQ(parse_boolean("yes").error().what, "\"yes\" is neither true nor false");
}

TEST(ValueText, ChoicesSayWhatThereIs) {
    constexpr std::array<std::string_view, 3> names{"drop_newest", "drop_oldest", "disconnect"};
    EXPECT_EQ(parse_choice("Drop_Oldest", names).value(), 1U);
    EXPECT_EQ(parse_choice("drop_oldst", names).error().remedy,
              "did you mean 'drop_oldest'? (write one of: drop_newest, drop_oldest, disconnect)");
    EXPECT_EQ(parse_choice("block", names).error().remedy,
              "write one of: drop_newest, drop_oldest, disconnect");
}

TEST(ValueText, PrintsTheLargestUnitThatIsWhole) {
    EXPECT_EQ(to_text(byte_size{0}), "0");
    EXPECT_EQ(to_text(byte_size{1536}), "1536B");
    EXPECT_EQ(to_text(64_MiB), "64MiB");
    EXPECT_EQ(to_text(byte_size{5'000'000'000}), "5000000000B");
    EXPECT_EQ(to_text(0ms), "0");
    EXPECT_EQ(to_text(1500ms), "1500ms");
    EXPECT_EQ(to_text(std::chrono::milliseconds(90s)), "90s");
    EXPECT_EQ(to_text(std::chrono::milliseconds(24h * 365)), "365d");
    EXPECT_EQ(to_text(0.5), "0.5");
    EXPECT_EQ(to_text(1.0), "1.0");
}

TEST(ValueText, WhatIsPrintedIsReadBack) {
    for (const std::uint64_t value : {0ULL, 1ULL, 1023ULL, 1024ULL, 1'000'000ULL, 1ULL << 40}) {
        EXPECT_EQ(bytes_of(to_text(byte_size{value})), value);
        const std::chrono::milliseconds time{static_cast<std::int64_t>(value)};
        EXPECT_EQ(parse_time(to_text(time)).value(), time);
    }
}

TEST(ValueText, TomlStringsAreEscaped) {
    EXPECT_EQ(toml_quoted("a\"b\\c\n\x7f ä"), "\"a\\\"b\\\\c\\u000A\\u007F ä\"");
}

TEST(ValueText, FindsTheNameThatWasMeant) {
    const std::vector<std::string_view> names{"mqtt.packet_size_max", "mqtt.qos_max", "admin.port",
                                              "listeners.port", "log.level"};
    const auto meant = [&](std::string_view text) { return did_you_mean(text, names); };
    EXPECT_EQ(meant("mqtt.paket_size_max"), "did you mean 'mqtt.packet_size_max'?");
    EXPECT_EQ(meant("mqtt.packet_szie_max"), "did you mean 'mqtt.packet_size_max'?");
    EXPECT_EQ(meant("packet_size_max"), "did you mean 'mqtt.packet_size_max'?");
    EXPECT_EQ(meant("limits.qos_max"), "did you mean 'mqtt.qos_max'?");
    EXPECT_EQ(meant("logs.levle"), "did you mean 'log.level'?");
    EXPECT_EQ(meant("mqtt.packet_size"), "did you mean 'mqtt.packet_size_max'?");
    EXPECT_EQ(meant("mqtt.qos"), "did you mean 'mqtt.qos_max'?");
    EXPECT_EQ(meant("something_else_entirely"), "");
}

} // namespace
} // namespace gv::server
