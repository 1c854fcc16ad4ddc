// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_status.hpp"
#include "tests/cluster/membership_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {
namespace {

using cluster::member_row;
using cluster::member_state;
using cluster::membership_script;
using testing::HasSubstr;

class FindToForget : public testing::Test {
  protected:
    void tell(std::uint64_t node, member_state state, const std::string& name) {
        member_row row = membership_script::row_of(node, state, 5, 1, 9);
        row.profile.name = name;
        script.hear_from(2, cluster::notice{}, {row});
    }
    [[nodiscard]] std::uint64_t found(const std::string& which) {
        const auto row = find_to_forget(*script.machine, which);
        return row ? row->node.value : 0;
    }
    [[nodiscard]] std::string refusal(const std::string& which) {
        const auto row = find_to_forget(*script.machine, which);
        return row ? std::string() : row.error().what;
    }
    membership_script script;
};

TEST_F(FindToForget, ByNameOrById) {
    tell(2, member_state::alive, "two");
    tell(3, member_state::dead, "three");
    EXPECT_EQ(found("three"), 3U);
    EXPECT_EQ(found("0000000000000003"), 3U);
    EXPECT_THAT(refusal("four"), HasSubstr("no member has this name"));
    EXPECT_THAT(refusal("two"), HasSubstr("is alive"));
    EXPECT_THAT(refusal("0000000000000002"), HasSubstr("is alive"));
    EXPECT_THAT(refusal("node-1"), HasSubstr("this node itself"));
    EXPECT_THAT(refusal("0000000000000001"), HasSubstr("this node itself"));
}

TEST_F(FindToForget, OfSeveralOfANameTheOneThatIsNotThere) {
    tell(2, member_state::alive, "two");
    tell(3, member_state::dead, "two");
    tell(4, member_state::gone, "two");
    EXPECT_EQ(found("two"), 3U);
    tell(5, member_state::left, "two");
    EXPECT_THAT(refusal("two"), HasSubstr("0000000000000003 (node-3:7883), 0000000000000005"));
    EXPECT_EQ(found("0000000000000005"), 5U);
}

TEST_F(FindToForget, AForgottenOneIsFoundIfThereIsNoOther) {
    tell(3, member_state::gone, "three");
    EXPECT_EQ(found("three"), 3U);
}

} // namespace
} // namespace gv::server
