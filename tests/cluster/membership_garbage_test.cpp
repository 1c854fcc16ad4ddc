// SPDX-License-Identifier: Apache-2.0
// A peer that says anything at all: no input may break the machine or make it grow.
#include "tests/cluster/membership_script.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace gv::cluster {
namespace {

class babbler {
  public:
    explicit babbler(std::uint64_t seed) : random_(seed) {}

    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
    [[nodiscard]] std::uint32_t some_number() {
        constexpr std::array<std::uint32_t, 6> edges{0, 1, 2, 1U << 31, (1U << 31) + 1, ~0U};
        return below(3) == 0 ? edges[below(edges.size())] : static_cast<std::uint32_t>(below(4));
    }
    [[nodiscard]] std::string some_text() {
        constexpr std::array<std::string_view, 5> texts{"", "node", "a\x01", "x y", "n:1"};
        return below(30) == 0 ? std::string(below(2'000), 'x')
                              : std::string(texts[below(40) == 0 ? below(5) : 1]);
    }
    [[nodiscard]] member_row some_row() {
        return {.node = node_id{below(30)},
                .boot = boot_id{some_number()},
                .incarnation = incarnation_number{some_number()},
                .state = static_cast<member_state>(below(50) == 0 ? below(256) : below(6)),
                .accuser = node_id{below(30)},
                .profile = {.name = some_text(),
                            .peer_address = some_text(),
                            .client_address = below(2) == 0 ? "" : some_text(),
                            .wire = {static_cast<std::uint16_t>(below(2)), 1}}};
    }
    [[nodiscard]] std::vector<member_row> some_rows(std::size_t most) {
        std::vector<member_row> rows(below(most));
        std::ranges::generate(rows, [this] { return some_row(); });
        return rows;
    }
    [[nodiscard]] message_body some_body() {
        const std::uint64_t sequence = below(60);
        switch (below(8)) {
        case 0:
            return probe{sequence};
        case 1:
            return probe_request{sequence, node_id{below(30)}};
        case 2:
            return ack{sequence, node_id{below(30)}, below(2) == 0};
        case 3:
            return nack{sequence};
        case 4:
            return push_pull{sequence, some_rows(6)};
        case 5:
            return push_pull_answer{sequence, some_rows(6)};
        case 6:
            return notice{};
        default:
            return refusal{static_cast<refusal_cause>(below(4)), node_id{below(30)}};
        }
    }
    [[nodiscard]] envelope some_message() {
        return {.cluster = below(20) == 0 ? some_text() : "garden",
                .wire = {1, static_cast<std::uint16_t>(below(20) == 0 ? 0 : 1)},
                .from = node_id{below(30)},
                .boot = boot_id{some_number()},
                .to = node_id{below(10) == 0 ? below(30) : 1},
                .sent_at = {random_()},
                .gossip = some_rows(4),
                .body = some_body()};
    }

  private:
    std::mt19937_64 random_;
};

TEST(MembershipGarbage, BreaksNothingAndFillsNothing) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        membership_options options;
        options.limits.rows_max = 20;
        options.relayed_max = 10;
        membership_script node(options);
        babbler other(seed);
        incarnation_number last;
        for (int i = 0; i < 3'000; ++i) {
            static_cast<void>(node.hear(other.some_message()));
            if (other.below(4) == 0) {
                node.run_for(std::chrono::milliseconds(other.below(700)));
            }
            if (other.below(20) == 0) {
                node.machine->on_refused(node_id{other.below(30)}, node.at());
            }
            ASSERT_LE(node.machine->members().size(), 20U);
            ASSERT_LE(node.machine->gossip_waiting(), 20U);
            ASSERT_LE(node.machine->probes_open(), 60U);
            ASSERT_GE(node.machine->self().incarnation, last);
            last = node.machine->self().incarnation;
            ASSERT_LE(last, incarnation_max);
            node.sent.clear();
            if (node.machine->is_forgotten()) {
                break;
            }
        }
        EXPECT_GT(node.metrics.malformed.get(), 0U);
    }
}

} // namespace
} // namespace gv::cluster
