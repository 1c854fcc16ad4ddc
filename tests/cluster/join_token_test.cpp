// SPDX-License-Identifier: Apache-2.0
#include "cluster/join_token.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {

namespace {

const std::string authority(64, 'a');
constexpr wall_time until{std::chrono::seconds(1'800'000'000)};

TEST(JoinToken, IsOneWordAndReadAgain) {
    for (const char* address : {"node1.home:7883", "[fd00::2]:7883", "10.0.0.1:1"}) {
        const join_token made = make_join_token(authority, until, address);
        const std::string text = text_of(made);
        EXPECT_EQ(text.find_first_of(" \n"), std::string::npos);
        EXPECT_EQ(parse_join_token(text), made) << text;
        EXPECT_EQ(parse_join_token("  " + text + "\r\n"), made);
    }
}

TEST(JoinToken, NoTwoAreAlike) {
    const join_token one = make_join_token(authority, until, "a:1");
    const join_token two = make_join_token(authority, until, "a:1");
    EXPECT_NE(one.number, two.number);
    EXPECT_NE(one.secret, two.secret);
}

TEST(JoinToken, WhatIsCutOrChangedIsNone) {
    const std::string text = text_of(make_join_token(authority, until, "node1.home:7883"));
    for (std::size_t size = 0; size + 15 <= text.size(); ++size) {
        EXPECT_FALSE(parse_join_token(text.substr(0, size))) << size;
    }
    EXPECT_EQ(parse_join_token("hello").error(), "is not a token: it begins with GV1");
    std::string changed = text;
    changed[10] = 'X';
    EXPECT_EQ(parse_join_token(changed).error(), "is not a whole token: copy all of it");
    EXPECT_FALSE(parse_join_token(text + " more"));
    EXPECT_FALSE(parse_join_token(text + std::string(300, 'x')));
}

// The clock counts nanoseconds in 64 bits: it ends in the year 2262.
TEST(JoinToken, OfADayThatThereIsNotIsNone) {
    const std::string before =
        "GV1.0011223344556677." + std::string(32, 'b') + '.' + authority + '.';
    EXPECT_TRUE(parse_join_token(before + "225c17d04.node1.home:7883"));
    EXPECT_FALSE(parse_join_token(before + "225c17d05.node1.home:7883"));
    EXPECT_FALSE(parse_join_token(before + "7fffffffffffffff.node1.home:7883"));
    EXPECT_FALSE(parse_join_token(before + "-1.node1.home:7883"));
}

} // namespace

} // namespace gv::cluster
