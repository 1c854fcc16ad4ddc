// SPDX-License-Identifier: Apache-2.0
// Every conformance case that has more than one client, with the clients at different nodes.
#include "tests/conformance/cluster_world.hpp"
#include "tests/conformance/suite.hpp"

#include <gtest/gtest.h>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    gv::conformance::cluster_source source(GRAPEVINE_CONFORMANCE_BROKER);
    gv::conformance::register_cases("ConformanceCluster", source,
                                    gv::conformance::cluster_source::is_for);
    return RUN_ALL_TESTS();
}
