// SPDX-License-Identifier: Apache-2.0
// Random topic names and filters over few levels, so that they meet often; from a seed.
#pragma once

#include "base/topic.hpp"

#include <array>
#include <random>
#include <string>

namespace gv::router {

class random_topics {
  public:
    explicit random_topics(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t end) { return random_() % end; }

    std::string name() {
        static constexpr std::array<const char*, 12> words = {
            "a", "b", "", "ab", "a b", "$x", "a\x01", "longer than twelve", "0", "~", "%", "a\x02"};
        std::string made;
        const std::size_t levels = 1 + below(4);
        for (std::size_t level = 0; level < levels; ++level) {
            made.append(level == 0 ? "" : "/").append(words[below(words.size())]);
        }
        return made.empty() ? "a" : made;
    }

    std::string filter() {
        const std::string base = name();
        std::string made;
        for (topic_levels levels(base); !levels.done();) {
            const std::string_view level = levels.next();
            made.append(made.empty() && level.data() == base.data() ? "" : "/");
            if (below(8) == 0) {
                return made + "#";
            }
            made.append(below(4) == 0 ? "+" : level);
        }
        return made;
    }

  private:
    std::mt19937 random_;
};

} // namespace gv::router
