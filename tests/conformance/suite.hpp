// SPDX-License-Identifier: Apache-2.0
// Registers every case with GoogleTest, once per version, against one kind of world. To run the
// cases against another world, write a program of four lines:
//
//   int main(int argc, char** argv) {
//       testing::InitGoogleTest(&argc, argv);
//       my_world_source source;
//       gv::conformance::register_cases("pure", source);
//       return RUN_ALL_TESTS();
//   }
#pragma once

#include "tests/conformance/cases.hpp"
#include "tests/conformance/world.hpp"

#include <functional>

namespace gv::conformance {

/// Tests are named suite.v5_MQTT_3_3_4_4_…; the cases are read from the source tree, and those that
/// are not wanted left out.
/// Lifetime: `source` outlives RUN_ALL_TESTS().
void register_cases(
    const char* suite, world_source& source,
    const std::function<bool(const test_case&)>& is_wanted = [](const test_case&) { return true; });

} // namespace gv::conformance
