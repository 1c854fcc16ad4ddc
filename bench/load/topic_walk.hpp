// SPDX-License-Identifier: Apache-2.0
// The topics and filters of the wildcard scenario. There are groups of topics `w/<group>/a/b/c`;
// each has ten different filters that match it, all with wildcards, and each filter of a group
// belongs to another client. Clients come in blocks of ten that share all their groups, so that a
// block receives one gapless sequence from each publisher.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gv::load {

inline constexpr std::uint32_t filters_per_topic = 10;

/// How many groups and clients there are. Requires: clients is a multiple of ten, filters one of
/// clients, at most 100,000 filters.
struct wildcard_layout {
    std::uint32_t clients = 1'000;
    std::uint32_t filters = 100'000;

    [[nodiscard]] std::uint32_t groups() const noexcept { return filters / filters_per_topic; }
    [[nodiscard]] std::uint32_t blocks() const noexcept { return clients / filters_per_topic; }
    /// The filters of a client.
    [[nodiscard]] std::vector<std::string> filters_of(std::uint32_t client) const;
};

/// Four decimal digits.
[[nodiscard]] constexpr std::array<char, 4> group_digits(std::uint32_t group) noexcept {
    const auto digit = [group](std::uint32_t unit) {
        return static_cast<char>('0' + group / unit % 10);
    };
    return {digit(1'000), digit(100), digit(10), digit(1)};
}

[[nodiscard]] std::string wildcard_topic(std::uint32_t group);

/// Walks over all groups in an order that jumps between blocks, and numbers what each block gets.
class topic_walk {
  public:
    static constexpr std::size_t group_at = 2; ///< offset of the digits in the topic

    topic_walk(const wildcard_layout& layout, std::uint32_t start)
        : groups_(layout.groups()), group_(start % groups_), sequences_(layout.blocks(), 0) {}

    struct step {
        std::array<char, 4> digits; ///< of the topic
        std::uint32_t sequence;     ///< for the subscribers of this topic
    };
    [[nodiscard]] step next() noexcept {
        group_ = (group_ + stride) % groups_;
        std::uint32_t& sequence = sequences_[group_ % sequences_.size()];
        return {group_digits(group_), sequence++};
    }

  private:
    static constexpr std::uint32_t stride = 7'919; // prime, so that every group is visited

    std::uint32_t groups_;
    std::uint32_t group_;
    std::vector<std::uint32_t> sequences_; ///< by block
};

} // namespace gv::load
