// SPDX-License-Identifier: Apache-2.0
// Messages between nodes with random content that every check lets pass.
#pragma once

#include "cluster/peer_transport.hpp"

#include <algorithm>
#include <random>

namespace gv::cluster {

class random_messages {
  public:
    explicit random_messages(std::uint64_t seed) : random_(seed) {}

    static constexpr node_id sender{5};

    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
    /// Small or anything up to `most`.
    [[nodiscard]] std::uint64_t number(std::uint64_t most = ~std::uint64_t{0}) {
        const std::uint64_t any = random_() >> below(64);
        return most == ~std::uint64_t{0} ? any : any % (most + 1);
    }
    [[nodiscard]] std::uint32_t number32() {
        return static_cast<std::uint32_t>(number(0xffff'ffff));
    }
    [[nodiscard]] bool coin() { return below(2) == 0; }
    /// Any bytes, also such as are not UTF-8, from `first` to `last`.
    [[nodiscard]] std::string text(std::size_t least, std::size_t most, char first = '\x20',
                                   char last = '\x7e') {
        std::string out(least + below(most - least + 1), ' ');
        std::ranges::generate(out, [&] {
            return static_cast<char>(
                first + static_cast<int>(below(1 + static_cast<std::uint64_t>(last - first))));
        });
        return out;
    }
    [[nodiscard]] std::string address(std::size_t least) { return text(least, 255, '!', '~'); }
    [[nodiscard]] wire_range wire() {
        const auto min = static_cast<std::uint16_t>(number(65'535));
        return {.min = min, .max = static_cast<std::uint16_t>(min + below(65'536u - min))};
    }

    /// Fields of numbers that no message has, as on the wire: numbers, of fixed length, and text.
    [[nodiscard]] std::string unknown() {
        std::string out;
        for (std::uint64_t fields = coin() ? 0 : below(4); fields > 0; --fields) {
            switch (below(3)) {
            case 0:
                out += std::string("\xc0\x3e") + static_cast<char>(below(128));
                break;
            case 1:
                out += "\xc9\x3e" + text(8, 8, '\x01', '\x7f');
                break;
            default:
                const std::string content = text(0, 30);
                out += "\xd2\x3e" + std::string(1, static_cast<char>(content.size())) + content;
            }
        }
        return out;
    }
    [[nodiscard]] member_row row() {
        return {.node = node_id{random_() | 1},
                .boot = boot_id{number32() | 1},
                .incarnation = incarnation_number{static_cast<std::uint32_t>(number(1U << 31))},
                .state = static_cast<member_state>(below(6)),
                .accuser = node_id{coin() ? 0 : random_()},
                .profile = {.name = text(1, 60) + (coin() ? "\xff\xfe" : "é"),
                            .peer_address = address(1),
                            .client_address = address(0),
                            .wire = wire(),
                            .features = coin() ? 0 : random_(),
                            .unknown = unknown()},
                .unknown = unknown()};
    }
    [[nodiscard]] std::vector<member_row> rows(std::size_t most) {
        std::vector<member_row> out(below(most + 1));
        std::ranges::generate(out, [this] { return row(); });
        return out;
    }
    [[nodiscard]] message_body body(std::size_t kind) {
        switch (kind) {
        case 0:
            return probe{random_()};
        case 1:
            return probe_request{random_(), node_id{random_()}};
        case 2:
            return ack{random_(), node_id{random_()}, coin()};
        case 3:
            return nack{random_()};
        case 4:
            return push_pull{random_(), rows(20)};
        case 5:
            return push_pull_answer{random_(), rows(20)};
        case 6:
            return notice{};
        default:
            return refusal{static_cast<refusal_cause>(below(3)), node_id{random_()}};
        }
    }
    [[nodiscard]] envelope message(std::size_t kind) {
        return {.cluster = text(1, 64),
                .wire = wire(),
                .from = node_id{random_() | 1},
                .boot = boot_id{number32() | 1},
                .to = node_id{coin() ? 0 : random_()},
                .sent_at = {random_()},
                .gossip = rows(2),
                .body = body(kind)};
    }

    [[nodiscard]] route_destination stream(bool is_node) {
        if (is_node) {
            return coin() ? route_destination(sender) : route_destination::kept_of(sender);
        }
        return route_destination(partition_id{static_cast<std::uint16_t>(below(256))});
    }
    [[nodiscard]] route_generation generation(const route_destination& stream) {
        return {.epoch = stream.kind == destination_kind::partition ? number() : 0,
                .author = sender,
                .boot = boot_id{number32()}};
    }
    [[nodiscard]] route_change change(bool may_be_removal) {
        route_change out{.filter = coin() ? "ä/+/" + text(1, 20, 'a', 'z') : "#"};
        if (coin()) {
            out.group = text(1, 20, 'a', 'z');
        }
        out.is_removal = may_be_removal && below(4) == 0;
        if (out.is_removal) {
            return out;
        }
        out.value.quality = static_cast<std::uint8_t>(below(3));
        if (out.group.empty()) {
            out.value.no_local_only = coin();
        } else {
            out.value.total = static_cast<std::uint32_t>(number(0xffff'fffe)) + 1;
            out.value.online = static_cast<std::uint32_t>(number(out.value.total));
        }
        return out;
    }
    [[nodiscard]] std::vector<route_change> changes(std::size_t least, bool may_be_removals) {
        std::vector<route_change> out(least + below(30));
        std::ranges::generate(out, [&] { return change(may_be_removals); });
        return out;
    }
    [[nodiscard]] route_message route(std::size_t kind) {
        const route_destination of = stream(coin());
        switch (kind) {
        case 0:
            return digests();
        case 1:
            return deltas(of);
        case 2:
            return applied();
        case 3:
            return resend_request{of, generation(of), number()};
        case 4:
            return hashes_request{of};
        case 5: {
            stream_hashes out{.stream = of, .of = generation(of), .seq = number() | 1};
            std::ranges::generate(out.hashes, [this] { return number(); });
            return out;
        }
        case 6:
            return page_request{of, generation(of), number(), number(), number32(), number32()};
        default:
            return route_page{of,         generation(of), number(),         number(),
                              number32(), coin(),         changes(0, false)};
        }
    }

  private:
    [[nodiscard]] route_digests digests() {
        route_digests out{.boot = boot_id{number32()}, .lists_all = coin(), .wants_them = coin()};
        for (std::uint64_t i = below(30); i > 0; --i) {
            const route_destination of = stream(coin());
            out.streams.push_back({of, generation(of), number() | 1, number(), number(), coin()});
        }
        return out;
    }
    [[nodiscard]] route_deltas deltas(const route_destination& of) {
        const std::uint64_t first = 2 + number(1'000'000);
        route_deltas out{
            .stream = of, .of = generation(of), .first_seq = first, .changes = changes(1, true)};
        out.latest_seq = first + out.changes.size() - 1 + number(1'000);
        return out;
    }
    [[nodiscard]] route_applied applied() {
        route_applied out{.boot = boot_id{number32()}};
        for (std::uint64_t i = below(30); i > 0; --i) {
            const route_destination of = stream(coin());
            const std::uint64_t applied = number();
            out.positions.push_back({of, generation(of), number(applied), applied});
        }
        return out;
    }

    std::mt19937_64 random_;
};

} // namespace gv::cluster
