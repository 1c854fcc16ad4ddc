// SPDX-License-Identifier: Apache-2.0
#include "broker/server/command_line.hpp"
#include "broker/server/load.hpp"
#include "broker/server/persistence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace gv::server {
namespace {

using testing::AnyOf;
using testing::EndsWith;

std::string folder_of(const std::vector<std::string_view>& arguments) {
    return store_folder(load_options(parse_command_line(arguments), {}).values);
}

// Which of the two depends on the user that runs this.
auto folder_or_state(const std::string& port) {
    return AnyOf("/var/lib/grapevine", EndsWith("/grapevine/" + port));
}

TEST(StoreFolder, OfAPortOfTheFlagIsItsOwn) {
    EXPECT_THAT(folder_of({"-p", "1884"}), EndsWith("/grapevine/1884"));
    EXPECT_THAT(folder_of({"-p", "1885", "-p", "1884"}), EndsWith("/grapevine/1885"));
}

TEST(StoreFolder, OfTheDefaultPortAndOfConfiguredListenersIsThatOfTheSystem) {
    EXPECT_THAT(folder_of({}), folder_or_state("1883"));
    EXPECT_THAT(folder_of({"-p", "1883"}), folder_or_state("1883"));
    const std::string configured = folder_of({"--listeners.0.port", "8883", "-p", "1884"});
    EXPECT_THAT(configured, folder_or_state("8883"));
}

TEST(StoreFolder, ThatIsNamedIsTaken) {
    EXPECT_EQ(folder_of({"-p", "1884", "--storage.folder", "/x"}), "/x");
}

} // namespace
} // namespace gv::server
