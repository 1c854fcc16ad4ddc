// SPDX-License-Identifier: Apache-2.0
// A peer that says anything: values of every field from a few that are near the edges. Under the
// sanitizers this finds what is used before it is checked.
#include "cluster/route_exchange.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace gv::cluster {
namespace {

constexpr route_exchange::identity self{node_id{1}, boot_id{1}};
constexpr route_exchange::identity peer{node_id{2}, boot_id{1}};

struct nobody final : route_effects {
    void filter_changed(std::string_view) override {}
    void all_changed() override {}
    void send(std::span<const node_id>, const route_message& message) override {
        if (const auto* asked = std::get_if<page_request>(&message)) {
            number = asked->number;
        }
    }
    void on_known(wait_token, route_known) override {}
    void on_routes_ready() override {}
    std::uint64_t number = 0;
};

class anything {
  public:
    explicit anything(std::uint64_t seed) : random_(seed) {}

    route_message message(std::uint64_t page_number) {
        switch (below(8)) {
        case 0:
            return digests();
        case 1:
            return route_deltas{.stream = stream(),
                                .of = generation(),
                                .first_seq = number(),
                                .latest_seq = number(),
                                .changes = rows()};
        case 2: {
            route_applied made{.boot = boot_id{below(3)}};
            made.positions.push_back({stream(), generation(), number(), number()});
            return made;
        }
        case 3:
            return resend_request{stream(), generation(), number()};
        case 4:
            return hashes_request{stream()};
        case 5: {
            stream_hashes made{.stream = stream(), .of = generation(), .seq = number()};
            for (std::uint64_t& each : made.hashes) {
                each = below(2);
            }
            return made;
        }
        case 6:
            return page_request{stream(), generation(), number(), random_(), small(), small()};
        default:
            return route_page{.stream = stream(),
                              .of = generation(),
                              .number = below(3) == 0 ? number() : page_number,
                              .seq = number(),
                              .next_cursor = small(),
                              .is_last = below(2) == 0,
                              .rows = rows()};
        }
    }

  private:
    std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
    std::uint64_t number() {
        static constexpr std::array<std::uint64_t, 8> some = {0, 1, 2, 3, 4, 5, ~0ull - 1, ~0ull};
        return some[below(some.size())];
    }
    std::uint32_t small() {
        const std::uint64_t made = number();
        return static_cast<std::uint32_t>(made);
    }
    route_destination stream() {
        static constexpr std::array<std::uint64_t, 6> some = {1, 2, 0, 255, 256, ~0ull};
        route_destination made;
        made.kind = static_cast<destination_kind>(below(10) == 0 ? 3 : below(3));
        made.number = some[below(some.size())];
        return made;
    }
    route_generation generation() {
        return {.epoch = below(3), .author = node_id{2 - below(2)}, .boot = boot_id{below(3)}};
    }
    route_digests digests() {
        route_digests made{.boot = boot_id{below(3)},
                           .lists_all = below(2) == 0,
                           .wants_them = below(2) == 0,
                           .streams = {}};
        made.streams.push_back({stream(), generation(), number(), below(2), below(2), true});
        return made;
    }
    std::vector<route_change> rows() {
        static const std::array<std::string, 8> filters = {
            "a", "a/#", "#", "+/b", "a/#/b", "", std::string(1, '\0'), std::string(70'000, 'x')};
        std::vector<route_change> made;
        for (std::uint32_t count = below(4); count > 0; --count) {
            made.push_back({.filter = filters[below(10) == 0 ? below(8) : below(4)],
                            .group = below(3) == 0 ? "g" : ""});
            if (below(3) == 0) {
                made.back().is_removal = true;
            } else if (!made.back().group.empty()) {
                made.back().value = {.online = below(3), .total = 1 + below(3)};
            } else {
                made.back().value.quality = static_cast<std::uint8_t>(below(10) == 0 ? 200 : 1);
            }
        }
        return made;
    }

    std::mt19937_64 random_;
};

TEST(RouteMalformed, NothingThatAPeerSaysBreaksTheMachine) {
    std::uint64_t taken = 0;
    std::uint64_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        time_point now{100s};
        nobody out;
        anything says(seed);
        route_exchange routes(self, {}, now);
        routes.on_peer(peer, peer_state::alive, now, out);
        for (const std::uint16_t each : {std::uint16_t{0}, std::uint16_t{255}}) {
            if (seed % 2 == each % 2) {
                routes.open_partition(partition_id{each}, 1);
                routes.start_partition(partition_id{each}, now, out);
            }
        }
        for (int i = 0; i < 300; ++i) {
            const bool is_fine =
                routes.on_message(peer.node, says.message(out.number), now, out).has_value();
            (is_fine ? taken : refused) += 1;
            now += 300ms;
            routes.on_deadline(now, out);
            route_matches found;
            routes.match("a/b", found);
        }
        EXPECT_LT(routes.index().size(), 100u);
    }
    EXPECT_GT(taken, 5'000u);
    EXPECT_GT(refused, 5'000u);
}

} // namespace
} // namespace gv::cluster
