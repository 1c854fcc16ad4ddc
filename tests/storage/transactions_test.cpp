// SPDX-License-Identifier: Apache-2.0
#include "storage/transactions.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

namespace gv::storage {
namespace {

/// A transaction as shards made it. The first part begins it, each other was announced by one
/// before it, and comes after that one: so much is promised by those who give parts.
struct made_by {
    const char* name;
    std::vector<std::size_t> announced_by; ///< of each part but the first
    std::vector<std::uint16_t> shards;     ///< of each part
};

const std::vector<made_by>& shapes() {
    static const std::vector<made_by> all{
        {.name = "alone", .announced_by = {}, .shards = {0}},
        {.name = "two", .announced_by = {0}, .shards = {0, 1}},
        {.name = "star of three", .announced_by = {0, 0}, .shards = {0, 1, 2}},
        {.name = "chain of three", .announced_by = {0, 1}, .shards = {0, 1, 2}},
        {.name = "there and back", .announced_by = {0, 1}, .shards = {0, 1, 0}},
        {.name = "star of four", .announced_by = {0, 0, 0}, .shards = {0, 1, 2, 3}},
        {.name = "chain of four", .announced_by = {0, 1, 2}, .shards = {0, 1, 2, 3}},
        {.name = "tree of four", .announced_by = {0, 0, 1}, .shards = {0, 1, 2, 3}},
    };
    return all;
}

[[nodiscard]] part part_of(const made_by& shape, std::size_t which, std::uint64_t id = 1) {
    part made{.id = transaction_id{id},
              .expects = static_cast<std::uint32_t>(std::ranges::count(shape.announced_by, which)),
              .operations = {}};
    made.operations.put(table::small, "part " + std::to_string(which), {});
    return made;
}

/// Every order in which the parts may come.
[[nodiscard]] std::vector<std::vector<std::size_t>> orders_of(const made_by& shape) {
    std::vector<std::vector<std::size_t>> all;
    std::vector<std::size_t> order(shape.shards.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    do {
        std::vector<std::size_t> place(order.size());
        for (std::size_t i = 0; i < order.size(); ++i) {
            place[order[i]] = i;
        }
        bool is_causal = true;
        for (std::size_t i = 1; i < order.size(); ++i) {
            is_causal = is_causal && place[shape.announced_by[i - 1]] < place[i];
        }
        if (is_causal) {
            all.push_back(order);
        }
    } while (std::ranges::next_permutation(order).found);
    return all;
}

[[nodiscard]] std::vector<std::string> keys_of(const std::vector<batch>& all) {
    std::vector<std::string> keys;
    for (const batch& each : all) {
        each.for_each([&](const batch::operation& what) { keys.emplace_back(what.key); });
    }
    std::ranges::sort(keys);
    return keys;
}

TEST(Transactions, AreCompleteWithTheirLastPartAndNotBefore) {
    for (const made_by& shape : shapes()) {
        for (const std::vector<std::size_t>& order : orders_of(shape)) {
            SCOPED_TRACE(std::string(shape.name) + ": " + testing::PrintToString(order));
            transactions joining;
            for (std::size_t i = 0; i + 1 < order.size(); ++i) {
                ASSERT_FALSE(
                    joining.add(shard_id{shape.shards[order[i]]}, part_of(shape, order[i])))
                    << "after " << i + 1 << " parts";
                EXPECT_EQ(joining.incomplete(), 1U);
            }
            const auto done =
                joining.add(shard_id{shape.shards[order.back()]}, part_of(shape, order.back()));
            ASSERT_TRUE(done);
            EXPECT_EQ(joining.incomplete(), 0U);
            EXPECT_EQ(keys_of(done->operations).size(), order.size());
            std::vector<std::uint16_t> shards;
            for (const shard_id each : done->shards) {
                shards.push_back(each.value);
            }
            EXPECT_THAT(shards, testing::UnorderedElementsAreArray(shape.shards));
        }
    }
}

TEST(Transactions, OfOneShapeHaveSeveralOrders) {
    EXPECT_EQ(orders_of(shapes()[2]).size(), 2U) << "star of three";
    EXPECT_EQ(orders_of(shapes()[3]).size(), 1U) << "chain of three";
    EXPECT_EQ(orders_of(shapes()[5]).size(), 6U) << "star of four";
    EXPECT_EQ(orders_of(shapes()[7]).size(), 3U) << "tree of four";
}

TEST(Transactions, AreKeptApart) {
    const made_by& two = shapes()[1];
    transactions joining;
    EXPECT_FALSE(joining.add(shard_id{0}, part_of(two, 0, 7)));
    EXPECT_FALSE(joining.add(shard_id{0}, part_of(two, 0, 8)));
    EXPECT_EQ(joining.incomplete(), 2U);
    EXPECT_TRUE(joining.add(shard_id{1}, part_of(two, 1, 8)));
    EXPECT_EQ(joining.incomplete(), 1U);
    EXPECT_TRUE(joining.add(shard_id{1}, part_of(two, 1, 7)));
    EXPECT_EQ(joining.incomplete(), 0U);
}

} // namespace
} // namespace gv::storage
