// SPDX-License-Identifier: Apache-2.0
#include "base/described.hpp"
#include "base/metric.hpp"
#include "base/option.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

namespace gv {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct toy_options {
    section about{{.name = "toy", .doc = "Toys."}};
    option<byte_size> size{{.name = "toy.size", .doc = "Its size.", .def = 2_KiB, .min = 1_B}};
    option<std::string> label{{.name = "toy.label", .doc = "Its label.", .def = "duck"}};
    option<text_list> colours{{.name = "toy.colours", .doc = "Its colours.", .def = "red, blue"}};
    option<std::chrono::milliseconds> age{{.name = "toy.age", .doc = "Its age.", .def = 3h}};
};

struct toy_labels {
    enum class key : std::uint8_t { none, left, right };
    static constexpr std::string_view name = "side";
    static constexpr std::array<std::string_view, 3> values{"", "left", "right"};
};

struct toy_buckets {
    static constexpr std::array<std::uint64_t, 2> bounds{10, 100};
    static constexpr double scale = 1;
};

struct toy_metrics {
    counter<"toys_total", "Toys."> toys;
    labelled_counter<toy_labels, "turns_total", "Turns."> turns;
    gauge<"toys_out", "Toys out."> out;
    histogram<toy_buckets, "toy_grams", "Weight."> weight;
};

TEST(Described, FieldsAreWalkedInTheOrderOfTheirDeclaration) {
    const toy_options toy;
    std::vector<std::string> names;
    for_each_field(toy, [&](const auto& field) { names.emplace_back(field.row().name); });
    EXPECT_THAT(names, ElementsAre("toy", "toy.size", "toy.label", "toy.colours", "toy.age"));
}

TEST(Described, TwoStructsAreWalkedTogether) {
    toy_metrics left;
    toy_metrics right;
    right.toys.add(3);
    right.out.add(4);
    for_each_field_pair(left, right, [](auto& to, const auto& from) { to = from; });
    EXPECT_EQ(left.toys.get(), 3U);
    EXPECT_EQ(left.out.get(), 4);
}

TEST(Option, StartsWithItsDefault) {
    const toy_options toy;
    EXPECT_EQ(*toy.size, 2_KiB);
    EXPECT_EQ(*toy.label, "duck");
    EXPECT_THAT(*toy.colours, ElementsAre("red", "blue"));
    EXPECT_EQ(*toy.age, 3h);
}

TEST(Option, KeepsItsRowWhenSet) {
    toy_options toy;
    toy.size = 5_KiB;
    EXPECT_EQ(*toy.size, 5_KiB);
    EXPECT_EQ(toy.size.row().def, 2_KiB);
    EXPECT_EQ(toy.label->size(), 4U);
}

TEST(Option, RowsWithoutARangeAllowWhatTheTypeHolds) {
    const toy_options toy;
    EXPECT_EQ(toy.size.row().min, 1_B);
    EXPECT_GT(toy.size.row().max, 1'000'000_GiB);
    EXPECT_EQ(toy.age.row().min, 0ms);
    EXPECT_GT(toy.age.row().max, 24h * 365 * 50);
}

TEST(Option, ListsAreSplitAtCommas) {
    EXPECT_THAT(split_list(" a ,b,, c d "), ElementsAre("a", "b", "c d"));
    EXPECT_TRUE(split_list("").empty());
}

TEST(Metric, IsAsSmallAsANumber) {
    EXPECT_EQ(sizeof(toy_metrics), 8U * (1 + 3 + 1 + 4));
    EXPECT_TRUE(std::is_trivially_copyable_v<toy_metrics>);
}

TEST(Metric, CountsByLabel) {
    toy_metrics toy;
    toy.turns.add(toy_labels::key::right);
    toy.turns.add(toy_labels::key::right, 2);
    EXPECT_EQ(toy.turns.get(toy_labels::key::right), 3U);
    EXPECT_EQ(toy.turns.get(toy_labels::key::left), 0U);
}

TEST(Metric, GaugesGoBothWaysAndBelowZero) {
    toy_metrics toy;
    toy.out.add(2);
    toy.out.sub(5);
    EXPECT_EQ(toy.out.get(), -3);
    toy.out.set(7);
    EXPECT_EQ(toy.out.get(), 7);
}

TEST(Metric, HistogramsPutAValueIntoTheFirstBucketThatHoldsIt) {
    toy_metrics toy;
    for (const std::uint64_t grams : {0U, 10U, 11U, 100U, 101U, 5'000U}) {
        toy.weight.observe(grams);
    }
    EXPECT_EQ(toy.weight.counts[0].get(), 2U);
    EXPECT_EQ(toy.weight.counts[1].get(), 2U);
    EXPECT_EQ(toy.weight.counts[2].get(), 2U);
    EXPECT_EQ(toy.weight.sum.get(), 5'222U);
}

TEST(Metric, DescribesItself) {
    EXPECT_EQ(decltype(toy_metrics::turns)::row.name, "turns_total");
    EXPECT_EQ(decltype(toy_metrics::turns)::row.help, "Turns.");
    EXPECT_EQ(decltype(toy_metrics::turns)::row.label, "side");
    EXPECT_EQ(decltype(toy_metrics::weight)::buckets::scale, 1);
    EXPECT_EQ(decltype(toy_metrics::out)::row.kind, metric_kind::gauge);
}

} // namespace
} // namespace gv
