// SPDX-License-Identifier: Apache-2.0
#include "bench/load/sequence_check.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace gv::load {
namespace {

sequence_counts counts_of(std::initializer_list<std::uint32_t> sequences) {
    sequence_check check(1);
    sequence_counts counts;
    for (const std::uint32_t sequence : sequences) {
        check.on_message(0, sequence, counts);
    }
    return counts;
}

TEST(SequenceCheck, InOrderCountsOnlyUnique) {
    const sequence_counts counts = counts_of({0, 1, 2, 3});
    EXPECT_EQ(counts.unique, 4U);
    EXPECT_EQ(counts.duplicates, 0U);
    EXPECT_EQ(counts.out_of_order, 0U);
}

TEST(SequenceCheck, AGapIsNeitherDuplicateNorDisorder) {
    const sequence_counts counts = counts_of({0, 5, 6});
    EXPECT_EQ(counts.unique, 3U);
    EXPECT_EQ(counts.duplicates, 0U);
    EXPECT_EQ(counts.out_of_order, 0U);
}

TEST(SequenceCheck, ARepeatedMessageIsADuplicate) {
    const sequence_counts counts = counts_of({0, 1, 1, 0, 2});
    EXPECT_EQ(counts.unique, 3U);
    EXPECT_EQ(counts.duplicates, 2U);
}

TEST(SequenceCheck, ALateMessageIsOutOfOrderOnceAndThenADuplicate) {
    const sequence_counts counts = counts_of({0, 5, 3, 3, 1, 4, 2, 6});
    EXPECT_EQ(counts.unique, 7U);
    EXPECT_EQ(counts.out_of_order, 4U);
    EXPECT_EQ(counts.duplicates, 1U);
}

TEST(SequenceCheck, SeveralGapsAreKeptApart) {
    const sequence_counts counts = counts_of({2, 5, 9, 6, 4, 0, 2, 5});
    EXPECT_EQ(counts.unique, 6U);
    EXPECT_EQ(counts.out_of_order, 3U);
    EXPECT_EQ(counts.duplicates, 2U);
}

TEST(SequenceCheck, FlowsAreIndependent) {
    sequence_check check(2);
    sequence_counts counts;
    check.on_message(0, 0, counts);
    check.on_message(1, 0, counts);
    check.on_message(1, 3, counts);
    check.on_message(0, 1, counts);
    check.on_message(0, 1, counts);
    EXPECT_EQ(counts.unique, 4U);
    EXPECT_EQ(counts.duplicates, 1U);
    EXPECT_EQ(counts.out_of_order, 0U);
}

} // namespace
} // namespace gv::load
