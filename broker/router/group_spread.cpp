// SPDX-License-Identifier: Apache-2.0
#include "broker/router/group_spread.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <cmath>

namespace gv::router {

namespace {

/// 2^64 divided by the golden ratio: multiples of it fill every interval evenly, also those of
/// which only each n-th is used. Source: Knuth, "The Art of Computer Programming", 6.4.
constexpr std::uint64_t golden_step = 0x9e37'79b9'7f4a'7c15u;

struct weights {
    bool by_online;
    [[nodiscard]] std::uint32_t of(const group_candidate& each) const noexcept {
        return by_online ? each.online : each.total;
    }
};

std::optional<std::size_t> at_point(std::span<const group_candidate> among, weights weigh,
                                    std::uint64_t point) noexcept {
    std::uint64_t all = 0;
    for (const group_candidate& each : among) {
        all += weigh.of(each);
    }
    // Numbers of members are below 2^32, so the product of all with 24 bits fits.
    std::uint64_t left = ((point >> 40) * all) >> 24;
    for (std::size_t at = 0; at < among.size(); ++at) {
        const std::uint32_t weight = weigh.of(among[at]);
        if (left < weight) {
            return at;
        }
        left -= weight;
    }
    return std::nullopt;
}

/// Weighted rendezvous: who comes or goes moves only its own share. Source: Schindelhauer and
/// Schomaker, "Weighted Distributed Hash Tables" (2005).
std::optional<std::size_t> by_hash(std::span<const group_candidate> among, weights weigh,
                                   std::uint64_t key, bool is_weighted) noexcept {
    std::optional<std::size_t> best;
    double best_score = 0;
    for (std::size_t at = 0; at < among.size(); ++at) {
        const std::uint32_t weight = weigh.of(among[at]);
        if (weight == 0) {
            continue;
        }
        const auto chance =
            static_cast<double>((mix64(key ^ mix64(among[at].node.value)) >> 11) + 1);
        const double score = -std::log(chance * 0x1p-53) / (is_weighted ? weight : 1);
        if (!best || score < best_score) {
            best = at;
            best_score = score;
        }
    }
    return best;
}

} // namespace

spread_key spread_key_of(group_strategy strategy, const spread_group& of, std::uint64_t publisher,
                         std::string_view topic, std::uint64_t& turn) noexcept {
    switch (strategy) {
    case group_strategy::round_robin:
    case group_strategy::least_in_flight:
        break;
    case group_strategy::sticky:
        return {.rule = spread_rule::one_node, .key = hash64(of.name) + hash64(of.filter)};
    case group_strategy::hash_publisher:
        return {.rule = spread_rule::by_hash, .key = publisher};
    case group_strategy::hash_topic:
        return {.rule = spread_rule::by_hash, .key = hash64(topic)};
    }
    turn += golden_step;
    return {.rule = spread_rule::in_turn, .key = turn};
}

std::optional<std::size_t> choose_node(std::span<const group_candidate> among,
                                       spread_key by) noexcept {
    const weights weigh{.by_online = std::ranges::any_of(
                            among, [](const group_candidate& each) { return each.online > 0; })};
    return by.rule == spread_rule::in_turn
               ? at_point(among, weigh, by.key)
               : by_hash(among, weigh, by.key, by.rule == spread_rule::by_hash);
}

} // namespace gv::router
