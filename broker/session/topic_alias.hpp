// SPDX-License-Identifier: Apache-2.0
// Topic aliases of one connection (MQTT 5, 3.3.2.3.4), one table a direction.
#pragma once

#include "base/hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gv::session {

/// What the client defined. The broker announced `maximum`.
class inbound_aliases {
  public:
    enum class outcome : std::uint8_t { resolved, out_of_range, undefined };

    /// Defines the alias if `topic` is not empty, else replaces `topic` by what was defined.
    outcome apply(std::uint16_t alias, std::uint16_t maximum, std::string_view& topic) {
        if (alias == 0 || alias > maximum) {
            return outcome::out_of_range;
        }
        if (topics_.size() < alias) {
            topics_.resize(alias);
        }
        std::string& known = topics_[alias - 1U];
        if (!topic.empty()) {
            known = topic;
            return outcome::resolved;
        }
        topic = known;
        return known.empty() ? outcome::undefined : outcome::resolved;
    }

  private:
    std::vector<std::string> topics_;
};

/// What the broker defines towards the client: first come, first served.
class outbound_aliases {
  public:
    struct use {
        std::uint16_t alias = 0; ///< 0: none
        bool is_known = false;   ///< the client knows it: the topic may be left out
    };

    /// The alias that a message on `topic` may use; confirm() once it was really sent.
    [[nodiscard]] use find(std::string_view topic, std::uint16_t maximum) const {
        const auto known = numbers_.find(topic);
        if (known != numbers_.end()) {
            return {.alias = known->second, .is_known = true};
        }
        const std::size_t next = numbers_.size() + 1;
        return next <= maximum ? use{.alias = static_cast<std::uint16_t>(next)} : use{};
    }
    void confirm(std::string_view topic, use sent) {
        if (sent.alias != 0 && !sent.is_known) {
            numbers_.emplace(topic, sent.alias);
        }
    }

  private:
    boost::unordered_flat_map<std::string, std::uint16_t, string_hash, std::equal_to<>> numbers_;
};

} // namespace gv::session
