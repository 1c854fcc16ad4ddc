// SPDX-License-Identifier: Apache-2.0
// Every conformance case against a running broker.
#include "tests/conformance/socket_world.hpp"
#include "tests/conformance/suite.hpp"

#include <gtest/gtest.h>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    gv::conformance::socket_source source(GRAPEVINE_CONFORMANCE_BROKER);
    gv::conformance::register_cases("ConformanceLive", source);
    return RUN_ALL_TESTS();
}
