// SPDX-License-Identifier: Apache-2.0
#include "broker/router/topic_order.hpp"

#include "base/topic.hpp"

namespace gv::router {

filter_guide::filter_guide(std::string_view filter) {
    for (topic_levels levels(filter); !levels.done();) {
        levels_.push_back(levels.next());
    }
}

auto filter_guide::judge(std::string_view topic) -> verdict {
    if (is_dollar_topic(topic) && has_wildcard(levels_.front())) {
        return leap("%", {}, {}); // the byte after '$'
    }
    topic_levels given(topic);
    std::size_t begin = 0;          // of the present level within the topic
    std::size_t plus_end = no_plus; // end of the last level that a `+` took
    for (const std::string_view wanted : levels_) {
        if (wanted == "#") {
            return verdict::match;
        }
        if (given.done()) {
            // Matches, if any, are under this topic, and so right after it.
            return wanted == "+" ? verdict::next : leap(topic, "/", wanted);
        }
        const std::string_view level = given.next();
        if (wanted == "+") {
            plus_end = begin + level.size();
        } else if (level != wanted) {
            return compare_topics(level, wanted) < 0 ? leap(topic.substr(0, begin), wanted, {})
                                                     : leap_past(topic, plus_end);
        }
        begin += level.size() + 1;
    }
    return given.done() ? verdict::match : leap_past(topic, plus_end);
}

auto filter_guide::leap(std::string_view a, std::string_view b, std::string_view c) -> verdict {
    leap_to_.assign(a).append(b).append(c);
    return verdict::leap;
}

/// Nothing more under the present value of the last `+` can match, so on to its next value: U+0001
/// is the byte next to '/' in tree order, U+0000 being in no topic.
auto filter_guide::leap_past(std::string_view topic, std::size_t end) -> verdict {
    return end == no_plus ? verdict::finished : leap(topic.substr(0, end), "\x01", {});
}

} // namespace gv::router
