// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_waits.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {
namespace {

using tokens = std::vector<wait_token>;

TEST(RouteWaits, ConfirmsWhatIsAppliedAndNotBeingFetched) {
    route_waits waits;
    for (std::uint64_t seq = 1; seq <= 5; ++seq) {
        waits.add(seq, wait_token{seq}, time_point(1s));
    }
    EXPECT_EQ(waits.confirm(2, 4), (tokens{wait_token{3}, wait_token{4}}));
    EXPECT_EQ(waits.confirm(2, 4), tokens{});
    EXPECT_EQ(waits.confirm(0, 4), (tokens{wait_token{1}, wait_token{2}}));
    EXPECT_FALSE(waits.empty());
}

TEST(RouteWaits, RunOutInTheOrderOfArrival) {
    route_waits waits;
    waits.add(9, wait_token{1}, time_point(1s));
    waits.add(3, wait_token{2}, time_point(2s));
    waits.add(3, wait_token{3}, time_point(3s));
    EXPECT_EQ(waits.next_deadline(), time_point(1s));
    EXPECT_EQ(waits.confirm(0, 8), (tokens{wait_token{2}, wait_token{3}}));
    EXPECT_EQ(waits.expire(time_point(2s)), tokens{wait_token{1}});
    EXPECT_EQ(waits.expire(time_point(5s)), tokens{});
    EXPECT_TRUE(waits.empty());
    EXPECT_EQ(waits.next_deadline(), never);
}

} // namespace
} // namespace gv::cluster
