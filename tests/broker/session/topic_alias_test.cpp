// SPDX-License-Identifier: Apache-2.0
#include "broker/session/topic_alias.hpp"

#include <gtest/gtest.h>

namespace gv::session {
namespace {

using outcome = inbound_aliases::outcome;

TEST(InboundAliases, DefineUseAndRedefine) {
    inbound_aliases known;
    std::string_view topic = "a";
    EXPECT_EQ(known.apply(1, 10, topic), outcome::resolved);
    topic = {};
    EXPECT_EQ(known.apply(1, 10, topic), outcome::resolved);
    EXPECT_EQ(topic, "a");
    topic = "b";
    EXPECT_EQ(known.apply(1, 10, topic), outcome::resolved);
    topic = {};
    EXPECT_EQ(known.apply(1, 10, topic), outcome::resolved);
    EXPECT_EQ(topic, "b");
}

TEST(InboundAliases, RefuseWhatWasNotAnnouncedOrDefined) {
    inbound_aliases known;
    std::string_view topic = "a";
    EXPECT_EQ(known.apply(0, 10, topic), outcome::out_of_range);
    EXPECT_EQ(known.apply(11, 10, topic), outcome::out_of_range);
    topic = {};
    EXPECT_EQ(known.apply(3, 10, topic), outcome::undefined);
}

TEST(OutboundAliases, FirstComeFirstServed) {
    outbound_aliases known;
    const auto first = known.find("a", 2);
    EXPECT_EQ(first.alias, 1);
    EXPECT_FALSE(first.is_known);
    known.confirm("a", first);
    EXPECT_TRUE(known.find("a", 2).is_known);
    known.confirm("b", known.find("b", 2));
    EXPECT_EQ(known.find("c", 2).alias, 0);
    EXPECT_EQ(known.find("b", 2).alias, 2);
}

TEST(OutboundAliases, WhatWasNotSentIsNotKnown) {
    outbound_aliases known;
    static_cast<void>(known.find("a", 2));
    EXPECT_FALSE(known.find("a", 2).is_known);
    EXPECT_EQ(known.find("b", 2).alias, 1);
}

} // namespace
} // namespace gv::session
