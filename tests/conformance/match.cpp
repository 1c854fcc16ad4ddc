// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/match.hpp"

#include <algorithm>

namespace gv::conformance {
namespace {

bool is_name(const json& value) {
    return value.is_string() && value.get_ref<const std::string&>().starts_with('@');
}

bool is_text_form(const json& value) {
    return value.is_object() && (value.contains("hex") || value.contains("repeat"));
}

bool equal_literal(const json& expected, const json& actual) {
    if (actual.is_string()) {
        return (expected.is_string() || is_text_form(expected))
               && text_of(expected) == actual.get_ref<const std::string&>();
    }
    if (actual.is_number() && expected.is_string()) {
        return number_of(expected) == actual;
    }
    return expected == actual;
}

bool equal_name(const std::string& name, const json& actual, bindings& names) {
    const auto [at, is_new] = names.try_emplace(name, actual);
    return is_new || at->second == actual;
}

bool equal(const json& expected, const json& actual, bindings& names);

bool equal_condition(const json& expected, const json& actual, bindings& names) {
    if (expected.contains("any")) {
        return true;
    }
    if (expected.contains("between")) {
        const auto& range = expected.at("between");
        return actual.is_number() && actual >= range.at(0) && actual <= range.at(1);
    }
    if (expected.contains("one_of")) {
        return std::ranges::any_of(expected.at("one_of"),
                                   [&](const json& one) { return equal(one, actual, names); });
    }
    if (expected.contains("not")) {
        return !equal(expected.at("not"), actual, names);
    }
    return equal_literal(expected, actual);
}

bool equal_list(const json& expected, const json& actual, bindings& names) {
    return expected.size() == actual.size()
           && std::ranges::equal(expected, actual, [&](const json& left, const json& right) {
                  return equal(left, right, names);
              });
}

bool equal(const json& expected, const json& actual, bindings& names) {
    if (is_name(expected)) {
        return equal_name(expected.get<std::string>(), actual, names);
    }
    if (expected.is_array() && actual.is_array()) {
        return equal_list(expected, actual, names);
    }
    if (expected.is_object()) {
        return equal_condition(expected, actual, names);
    }
    return equal_literal(expected, actual);
}

/// Subscription identifiers as the set they are: a number, or a list in any order.
json sorted_identifiers(const json& value) {
    auto list = value.is_array() ? value : json::array({value});
    std::sort(list.begin(), list.end());
    return list;
}

std::string property_mismatch(const std::string& name, const json& expected, const json& properties,
                              bindings& names) {
    if (!properties.contains(name)) {
        return "property " + name + " is missing";
    }
    const auto& actual = properties.at(name);
    const bool is_set = name == "subscription_identifier" && !expected.is_object();
    const bool holds = is_set ? sorted_identifiers(expected) == sorted_identifiers(actual)
                              : equal(expected, actual, names);
    return holds ? "" : "property " + name + " is " + printable(actual);
}

std::string properties_mismatch(const json& expected, const json& actual, bindings& names) {
    const auto wanted = expected.value("properties", json::object());
    const auto properties = actual.value("properties", json::object());
    for (const auto& [name, value] : wanted.items()) {
        if (auto problem = property_mismatch(name, value, properties, names); !problem.empty()) {
            return problem;
        }
    }
    for (const auto& name : expected.value("absent", json::array())) {
        if (properties.contains(name.get<std::string>())) {
            return "property " + name.get<std::string>() + " must not be there";
        }
    }
    const bool is_closed_list = expected.value("only", false);
    for (const auto& [name, value] : properties.items()) {
        if (is_closed_list && !wanted.contains(name)) {
            return "property " + name + " was not expected";
        }
    }
    return {};
}

bool is_directive(const std::string& field) {
    return field == "properties" || field == "absent" || field == "only";
}

std::string field_mismatch(const std::string& field, const json& value, const json& actual,
                           bindings& names) {
    if (!actual.contains(field)) {
        return "there is no field " + field;
    }
    const auto& found = actual.at(field);
    return equal(value, found, names) ? "" : field + " is " + printable(found);
}

} // namespace

std::string mismatch(const json& expected, const json& actual, bindings& names) {
    auto bound = names;
    for (const auto& [field, value] : expected.items()) {
        if (is_directive(field)) {
            continue;
        }
        if (auto problem = field_mismatch(field, value, actual, bound); !problem.empty()) {
            return problem;
        }
    }
    if (auto problem = properties_mismatch(expected, actual, bound); !problem.empty()) {
        return problem;
    }
    names = std::move(bound);
    return {};
}

json with_names(const json& packet, const bindings& names) {
    if (is_name(packet)) {
        const auto at = names.find(packet.get<std::string>());
        if (at == names.end()) {
            throw wire_error("nothing was called " + packet.get<std::string>() + " yet");
        }
        return at->second;
    }
    auto replaced = packet;
    if (packet.is_structured()) {
        for (auto& item : replaced) {
            item = with_names(item, names);
        }
    }
    return replaced;
}

json for_level(const json& value, protocol_level level) {
    if (value.is_object() && value.contains("v3") && value.contains("v5")) {
        return for_level(value.at(level == 5 ? "v5" : "v3"), level);
    }
    auto chosen = value;
    if (value.is_structured()) {
        for (auto& item : chosen) {
            item = for_level(item, level);
        }
    }
    return chosen;
}

json visible_at(json expected, protocol_level level) {
    if (level == 5) {
        return expected;
    }
    for (const char* field : {"properties", "absent", "only"}) {
        expected.erase(field);
    }
    const auto packet = expected.value("packet", "");
    if (packet != "connack") {
        expected.erase("reason");
    }
    if (packet == "unsuback") {
        expected.erase("reasons");
    }
    return expected;
}

} // namespace gv::conformance
