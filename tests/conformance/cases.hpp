// SPDX-License-Identifier: Apache-2.0
// The cases on disk: tests/conformance/cases/*.json, each file a list of
//   {"name": "MQTT-3.3.4-4 overlapping filters bring one copy",
//    "statements": ["v5:MQTT-3.3.4-4"],   what it covers; "v3:" is 3.1.1
//    "versions": [4, 5],                  run once for each; 3 is MQIsdp
//    "time": true,                        lets time pass: seconds, on a running broker
//    "options": {...}, "files": {...},    what the broker is started with
//    "steps": [...]}                      script.hpp
#pragma once

#include "tests/conformance/wire.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace gv::conformance {

struct test_case {
    std::string file;
    std::string name;
    std::vector<std::string> statements;
    std::vector<protocol_level> versions;
    json options = json::object();
    json files = json::object();
    json steps;

    /// "v5_MQTT_3_3_4_4_overlapping_filters_bring_one_copy"
    [[nodiscard]] std::string test_name(protocol_level level) const;
};

/// All cases, by file name and place.
/// Errors: throws std::runtime_error with file and case for what is not a case.
[[nodiscard]] std::vector<test_case> load_cases(const std::filesystem::path& folder);

/// The identifiers of statements_v3.json and statements_v5.json, as "v3:MQTT-1.5.3-1".
[[nodiscard]] std::vector<std::string> load_statements(const std::filesystem::path& folder);

} // namespace gv::conformance
