// SPDX-License-Identifier: Apache-2.0
// Topic names and topic filters (MQTT 5, 4.7). Validity here is that of topics; that the bytes are
// UTF-8 is checked by the decoder.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace gv {

/// Walks the levels of a name or filter: "a//b" has the levels "a", "", "b".
class topic_levels {
  public:
    explicit topic_levels(std::string_view topic) noexcept : rest_(topic) {}

    [[nodiscard]] bool done() const noexcept { return done_; }
    /// Requires: not done().
    std::string_view next() noexcept {
        const std::size_t slash = rest_.find('/');
        if (slash == std::string_view::npos) {
            done_ = true;
            return rest_;
        }
        const std::string_view level = rest_.substr(0, slash);
        rest_.remove_prefix(slash + 1);
        return level;
    }

  private:
    std::string_view rest_;
    bool done_ = false;
};

[[nodiscard]] std::size_t count_levels(std::string_view topic) noexcept;

/// A name to publish to: at least one character, no wildcard, no U+0000 [MQTT-3.3.2-2, 4.7.3-1].
[[nodiscard]] bool is_valid_topic_name(std::string_view name) noexcept;

/// A filter: `#` alone as last level, `+` alone in its level [MQTT-4.7.1-1, 4.7.1-2]. Not for
/// shared filters: split them first.
[[nodiscard]] bool is_valid_topic_filter(std::string_view filter) noexcept;

[[nodiscard]] inline bool has_wildcard(std::string_view filter) noexcept {
    return filter.find_first_of("+#") != std::string_view::npos;
}

/// Topics of the server: wildcards in the first level do not match them [MQTT-4.7.2-1].
[[nodiscard]] inline bool is_dollar_topic(std::string_view topic) noexcept {
    return !topic.empty() && topic.front() == '$';
}

/// Whether the valid `filter` matches the valid `name`.
[[nodiscard]] bool topic_matches(std::string_view filter, std::string_view name) noexcept;

struct shared_filter {
    std::string_view group;
    std::string_view filter;
};

/// True for `$share/…` and `$queue/…`, well formed or not.
[[nodiscard]] bool is_shared_filter(std::string_view filter) noexcept;

/// Splits `$share/group/filter`, and `$queue/filter`, which is the group "$queue". Nothing if the
/// group is empty or holds a wildcard [MQTT-4.8.2-2], or if the filter is not valid. Lifetime: the
/// parts point into `filter`, or to static storage.
[[nodiscard]] std::optional<shared_filter> split_shared_filter(std::string_view filter) noexcept;

} // namespace gv
