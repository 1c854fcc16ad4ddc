// SPDX-License-Identifier: Apache-2.0
#include "bench/load/latency.hpp"

#include <gtest/gtest.h>

namespace gv::load {
namespace {

TEST(LatencyHistogram, EmptyHasNoQuantiles) {
    const latency_histogram histogram;
    EXPECT_EQ(histogram.at(0.5), 0U);
    EXPECT_EQ(histogram.max(), 0U);
}

TEST(LatencyHistogram, QuantilesAreRightWithinTwoPercent) {
    latency_histogram histogram;
    for (nanoseconds us = 1; us <= 1'000; ++us) {
        histogram.record(us * 1'000);
    }
    EXPECT_EQ(histogram.count(), 1'000U);
    EXPECT_NEAR(static_cast<double>(histogram.at(0.5)), 500e3, 10e3);
    EXPECT_NEAR(static_cast<double>(histogram.at(0.9)), 900e3, 18e3);
    EXPECT_NEAR(static_cast<double>(histogram.at(0.99)), 990e3, 20e3);
    EXPECT_EQ(histogram.at(1), 1'000'000U);
}

TEST(LatencyHistogram, SmallAndHugeValuesFit) {
    latency_histogram histogram;
    histogram.record(0);
    histogram.record(63);
    EXPECT_EQ(histogram.at(0.5), 0U);
    EXPECT_EQ(histogram.at(1), 63U);
    histogram.record(~nanoseconds{0});
    EXPECT_EQ(histogram.at(1), ~nanoseconds{0});
}

TEST(LatencyHistogram, ResetForgets) {
    latency_histogram histogram;
    histogram.record(5);
    histogram.reset();
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.max(), 0U);
}

} // namespace
} // namespace gv::load
