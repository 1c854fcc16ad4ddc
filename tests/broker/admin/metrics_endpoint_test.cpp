// SPDX-License-Identifier: Apache-2.0
#include "broker/admin/metrics_endpoint.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace gv::admin {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

TEST(MetricsText, ShowsACounterAndAGauge) {
    const std::array families{
        metric_family{.row = {"gv_turns_total", "Turns.", metric_kind::counter, {}},
                      .samples = {{"", 7}},
                      .buckets = {}},
        metric_family{.row = {"gv_sessions", "Sessions.", metric_kind::gauge, {}},
                      .samples = {{"", -2}},
                      .buckets = {}}};
    EXPECT_EQ(metrics_text(families), "# HELP gv_turns_total Turns.\n"
                                      "# TYPE gv_turns_total counter\n"
                                      "gv_turns_total 7\n"
                                      "# HELP gv_sessions Sessions.\n"
                                      "# TYPE gv_sessions gauge\n"
                                      "gv_sessions -2\n");
}

TEST(MetricsText, LabelsEverySample) {
    const std::array families{
        metric_family{.row = {"gv_drops_total", "Drops.", metric_kind::counter, "reason"},
                      .samples = {{"queue_full", 3}, {"expired", 0}},
                      .buckets = {}}};
    EXPECT_EQ(metrics_text(families), "# HELP gv_drops_total Drops.\n"
                                      "# TYPE gv_drops_total counter\n"
                                      "gv_drops_total{reason=\"queue_full\"} 3\n"
                                      "gv_drops_total{reason=\"expired\"} 0\n");
}

TEST(MetricsText, ShowsAHistogramWithCountAndSum) {
    const std::array families{
        metric_family{.row = {"gv_connect_seconds", "Time.", metric_kind::histogram, {}},
                      .samples = {},
                      .buckets = {{0.5, 1}, {infinite, 3}},
                      .sum = 2.5}};
    EXPECT_EQ(metrics_text(families), "# HELP gv_connect_seconds Time.\n"
                                      "# TYPE gv_connect_seconds histogram\n"
                                      "gv_connect_seconds_count 3\n"
                                      "gv_connect_seconds_sum 2.5\n"
                                      "gv_connect_seconds_bucket{le=\"0.5\"} 1\n"
                                      "gv_connect_seconds_bucket{le=\"+Inf\"} 3\n");
}

TEST(MetricsText, AFamilyThatNeverOccurredStillHasItsHelp) {
    const std::array families{
        metric_family{.row = {"gv_faults_total", "Faults.", metric_kind::counter, "code"},
                      .samples = {},
                      .buckets = {}}};
    EXPECT_EQ(metrics_text(families), "# HELP gv_faults_total Faults.\n"
                                      "# TYPE gv_faults_total counter\n");
}

TEST(MetricsText, BigNumbersKeepTheirDigits) {
    const std::array families{
        metric_family{.row = {"gv_bytes_total", "Bytes.", metric_kind::counter, {}},
                      .samples = {{"", 9'007'199'254'740'991.0}},
                      .buckets = {}}};
    EXPECT_NE(metrics_text(families).find("gv_bytes_total 9007199254740991\n"), std::string::npos);
}

} // namespace
} // namespace gv::admin
