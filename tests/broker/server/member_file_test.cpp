// SPDX-License-Identifier: Apache-2.0
#include "broker/server/member_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace gv::server {
namespace {

TEST(MemberFile, AFailedWriteIsToldToWhoAsksAndMayBeTriedAgain) {
    namespace fs = std::filesystem;
    const fs::path folder =
        fs::temp_directory_path() / ("member_file_test." + std::to_string(::getpid()));
    member_file file(
        folder / "cluster.members",
        {.cluster = "garden", .wire = {1, 1}, .from = node_id{1}, .boot = boot_id{1}, .body = {}});
    const cluster::member_row other{.node = node_id{2},
                                    .boot = boot_id{3},
                                    .profile = {.name = "two",
                                                .peer_address = "two:1",
                                                .client_address = {},
                                                .wire = {1, 1},
                                                .unknown = {}}};
    EXPECT_FALSE(file.write({other})) << "there is no such folder";
    fs::create_directory(folder);
    EXPECT_TRUE(file.write({other}));
    const auto found = file.read();
    fs::remove_all(folder);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].profile.name, "two");
}

} // namespace
} // namespace gv::server
