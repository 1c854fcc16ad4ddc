// SPDX-License-Identifier: Apache-2.0
#include "storage/transactions.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace gv::storage {
namespace {

[[nodiscard]] part part_of(std::uint64_t names) {
    part made{.id = transaction_id{7}, .names = names, .operations = {}};
    made.operations.put(table::meta, "k", "v");
    return made;
}

// The root opens a and b; a opens c.
TEST(Transactions, AreCompleteWithTheirLastPartInWhateverOrderTheyCome) {
    constexpr std::uint64_t a = 0x1111;
    constexpr std::uint64_t b = 0x2345;
    constexpr std::uint64_t c = 0xfedc;
    std::vector<std::uint64_t> parts{a ^ b, a ^ c, b, c};
    std::ranges::sort(parts);
    do {
        transactions joined;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto done =
                joined.add(shard_id{static_cast<std::uint16_t>(i)}, part_of(parts[i]));
            ASSERT_EQ(done.has_value(), i + 1 == parts.size());
            if (done) {
                EXPECT_EQ(done->operations.size(), parts.size());
                EXPECT_EQ(done->shards.size(), parts.size());
            }
        }
        EXPECT_EQ(joined.incomplete(), 0U);
    } while (std::ranges::next_permutation(parts).found);
}

TEST(Transactions, OneWithoutBranchesIsCompleteAtOnce) {
    transactions joined;
    EXPECT_TRUE(joined.add(shard_id{0}, part_of(0)));
}

} // namespace
} // namespace gv::storage
