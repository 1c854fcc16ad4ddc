// SPDX-License-Identifier: Apache-2.0
// Comparing what a broker sent with what a case expects.
//
// An expected value is a literal ("0x8e" equals 142), or one of
//   "@name"              the first time: any value, remembered; later: that value
//   {"any": true}        any value, but present
//   {"between": [a, b]}  a number in that range
//   {"one_of": [...]}    one of these values
//   {"not": value}       present, and not that value
//   {"hex": ...} and {"repeat": ...}   text, as in wire.hpp
// A packet matches if every field named matches; fields not named are not looked at. Of
// "properties" each one named must match; "absent" lists properties that must not be there;
// "only": true allows none but those named. Subscription identifiers compare as a set.
#pragma once

#include "tests/conformance/wire.hpp"

#include <map>
#include <string>

namespace gv::conformance {

/// What "@name" stood for so far in this case.
using bindings = std::map<std::string, json>;

/// What is wrong, or nothing. Names are bound only if the whole packet matches.
[[nodiscard]] std::string mismatch(const json& expected, const json& actual, bindings& names);

/// `packet` with every "@name" replaced by its value.
/// Errors: wire_error for a name not bound yet.
[[nodiscard]] json with_names(const json& packet, const bindings& names);

/// `value` with {"v3": a, "v5": b} replaced by the one for this level; v3 is 3.1 and 3.1.1.
[[nodiscard]] json for_level(const json& value, protocol_level level);

/// What of an expectation can be seen at this level: before 5.0 there are no properties, and no
/// reasons in acknowledgements.
[[nodiscard]] json visible_at(json expected, protocol_level level);

} // namespace gv::conformance
