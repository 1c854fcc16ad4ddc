// SPDX-License-Identifier: Apache-2.0
#include "broker/server/process.hpp"

#include <gtest/gtest.h>

namespace gv::server {
namespace {

TEST(Descriptors, OfTheStoreAreNotGivenToConnections) {
    for (const std::uint64_t limit : {512U, 1'024U, 20'000U, 1'000'000U}) {
        const descriptor_shares shares = share_descriptors(limit, 512);
        EXPECT_GE(shares.store_files, 48U);
        EXPECT_LE(shares.connections + shares.store_files + 100U, limit);
    }
    EXPECT_GE(share_descriptors(20'000, 512).connections, 19'000U);
    EXPECT_GE(share_descriptors(64, 512).connections, 1U);
    EXPECT_EQ(share_descriptors(std::uint64_t{1} << 40, 512).connections, 0xffff'ffffU);
}

TEST(Descriptors, TheirNumberLimitsConnectionsEvenIfMoreAreConfigured) {
    EXPECT_EQ(connections_limit(1, 512), 1U);
    EXPECT_EQ(connections_limit(0xffff'ffff, 512), connections_limit(0, 512));
    EXPECT_LT(connections_limit(0, 512), descriptor_limit());
}

} // namespace
} // namespace gv::server
