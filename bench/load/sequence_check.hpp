// SPDX-License-Identifier: Apache-2.0
// Follows the sequence numbers that one subscriber gets from each publisher. In order costs one
// comparison; anything else takes the slow path, which remembers the gaps, so that a message that
// comes late is told apart from one that comes twice.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace gv::load {

struct sequence_counts {
    std::uint64_t unique = 0;       ///< messages seen at least once
    std::uint64_t duplicates = 0;   ///< copies beyond the first
    std::uint64_t out_of_order = 0; ///< came after a later one
};

class sequence_check {
  public:
    explicit sequence_check(std::uint32_t flows) : expected_(flows, 0) {}

    [[nodiscard]] std::uint32_t flows() const noexcept {
        return static_cast<std::uint32_t>(expected_.size());
    }

    /// Requires: flow < flows().
    void on_message(std::uint32_t flow, std::uint32_t sequence, sequence_counts& counts) {
        if (sequence == expected_[flow]) [[likely]] {
            ++expected_[flow];
            ++counts.unique;
        } else {
            on_disorder(flow, sequence, counts);
        }
    }

  private:
    /// Missing sequence numbers of a flow: first → one past the last.
    using gaps = std::map<std::uint32_t, std::uint32_t>;

    void on_disorder(std::uint32_t flow, std::uint32_t sequence, sequence_counts& counts);
    [[nodiscard]] static bool fill_gap(gaps& missing, std::uint32_t sequence);

    std::vector<std::uint32_t> expected_;
    std::vector<gaps> gaps_; ///< empty until the first disorder
};

} // namespace gv::load
