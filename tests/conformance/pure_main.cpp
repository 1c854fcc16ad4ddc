// SPDX-License-Identifier: Apache-2.0
// Every conformance case against a shard in this process, without sockets and on a virtual clock.
#include "tests/conformance/pure_world.hpp"
#include "tests/conformance/suite.hpp"

#include <gtest/gtest.h>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (GTEST_FLAG_GET(filter) == "*") {
        // The topics under $SYS are published by the server around the core.
        GTEST_FLAG_SET(filter, "-*the_broker_s_own_topics_are_there");
    }
    gv::conformance::pure_source source;
    gv::conformance::register_cases("ConformancePure", source);
    return RUN_ALL_TESTS();
}
