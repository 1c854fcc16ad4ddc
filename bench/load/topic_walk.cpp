// SPDX-License-Identifier: Apache-2.0
#include "bench/load/topic_walk.hpp"

#include <string_view>

namespace gv::load {

namespace {

constexpr std::array<std::string_view, filters_per_topic> filter_tails{
    "+/b/c", "a/+/c", "a/b/+", "+/+/c", "+/b/+", "a/+/+", "+/+/+", "#", "a/#", "a/b/#"};

std::string digits_of(std::uint32_t group) {
    const auto digits = group_digits(group);
    return {digits.begin(), digits.end()};
}

} // namespace

std::string wildcard_topic(std::uint32_t group) { return "w/" + digits_of(group) + "/a/b/c"; }

std::vector<std::string> wildcard_layout::filters_of(std::uint32_t client) const {
    std::vector<std::string> found;
    for (std::uint32_t group = client / filters_per_topic; group < groups(); group += blocks()) {
        found.push_back("w/" + digits_of(group) + "/"
                        + std::string(filter_tails[client % filters_per_topic]));
    }
    return found;
}

} // namespace gv::load
