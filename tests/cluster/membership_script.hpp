// SPDX-License-Identifier: Apache-2.0
// One membership machine, and others that exist only as what a test lets them say.
#pragma once

#include "cluster/membership.hpp"

#include <optional>
#include <utility>

namespace gv::cluster {

class membership_script final : public membership_effects {
  public:
    explicit membership_script(membership_options how = {}, std::vector<member_row> remembered = {})
        : options(std::move(how)) {
        options.cluster = "garden";
        machine.emplace(
            options,
            own_identity{
                .node = node_id{1}, .boot = boot_id{1}, .profile = profile_of(1), .chance = 1},
            remembered, *this, metrics, at());
    }

    struct sent_message {
        node_id to;
        std::string address;
        envelope message;
    };
    struct change {
        node_id node;
        member_change what;
        friend bool operator==(const change&, const change&) = default;
    };

    membership_options options;
    membership_metrics metrics;
    std::optional<membership> machine;
    time_point now{1'000s};
    wall_time wall{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)};
    std::vector<sent_message> sent;
    std::vector<change> changes;
    std::vector<membership_alarm> alarms;
    std::vector<wire_levels> levels;
    std::size_t snapshots = 0;
    std::size_t absorbed = 0;
    std::optional<agreed_time> agreed;
    std::size_t forgotten_count = 0;

    [[nodiscard]] moment at() const { return {now, wall}; }

    [[nodiscard]] static member_profile profile_of(std::uint64_t node) {
        return {.name = "node-" + std::to_string(node),
                .peer_address = "node-" + std::to_string(node) + ":7883"};
    }
    [[nodiscard]] static member_row row_of(std::uint64_t node,
                                           member_state state = member_state::alive,
                                           std::uint32_t incarnation = 0, std::uint32_t boot = 1,
                                           std::uint64_t accuser = 0) {
        return {.node = node_id{node},
                .boot = boot_id{boot},
                .incarnation = incarnation_number{incarnation},
                .state = state,
                .accuser = node_id{accuser},
                .profile = profile_of(node)};
    }
    [[nodiscard]] envelope from(std::uint64_t node, message_body body,
                                std::vector<member_row> gossip = {}) const {
        const auto stamp =
            std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch());
        return {.cluster = "garden",
                .from = node_id{node},
                .boot = boot_id{1},
                .to = node_id{1},
                .sent_at = {static_cast<std::uint64_t>(stamp.count()) << 16},
                .gossip = std::move(gossip),
                .body = std::move(body)};
    }
    result<void, message_fault> hear(const envelope& message) {
        return machine->on_message(message, at());
    }
    void hear_from(std::uint64_t node, message_body body, std::vector<member_row> gossip = {}) {
        static_cast<void>(hear(from(node, std::move(body), std::move(gossip))));
    }
    /// Nodes 2 to `last` are there, and nothing is left to be said of it.
    void know(std::uint64_t last) {
        for (std::uint64_t node = 2; node <= last; ++node) {
            hear_from(2, notice{}, {row_of(node)});
        }
        while (machine->gossip_waiting() > 0) {
            static_cast<void>(machine->take_gossip(node_id{999}, 4'096));
        }
        sent.clear();
        changes.clear();
    }
    /// The owner wakes in time.
    void run_for(duration span, bool others_answer = false) {
        const time_point end = now + span;
        while (machine->next_deadline() <= end) {
            now = std::max(now, machine->next_deadline());
            machine->on_deadline(at());
            if (others_answer) {
                answer_all();
            }
        }
        now = end;
    }
    /// Until it sends such a message.
    template <typename Body>
    void run_to() {
        while (sent_of<Body>().empty() && machine->next_deadline() != never) {
            now = machine->next_deadline();
            machine->on_deadline(at());
        }
    }
    void answer_all() {
        const auto questions = std::exchange(sent, {});
        for (const auto& each : questions) {
            if (const auto* question = std::get_if<probe>(&each.message.body)) {
                hear_from(each.to.value, ack{question->sequence, each.to});
            }
        }
    }
    /// Messages of that kind, with who gets them.
    template <typename Body>
    [[nodiscard]] std::vector<std::pair<node_id, Body>> sent_of() const {
        std::vector<std::pair<node_id, Body>> found;
        for (const auto& each : sent) {
            if (const auto* body = std::get_if<Body>(&each.message.body)) {
                found.emplace_back(each.to, *body);
            }
        }
        return found;
    }
    [[nodiscard]] member_state state_of(std::uint64_t node) const {
        return machine->members().find(node_id{node})->row.state;
    }

    void send(const destination& to, const envelope& message) override {
        sent.push_back({to.node, std::string(to.address), message});
    }
    void member_changed(const member& what, member_change how) override {
        changes.push_back({what.row.node, how});
    }
    void snapshot_changed() override { ++snapshots; }
    void absorb(hybrid_time) override { ++absorbed; }
    void clock_agreed(const std::optional<agreed_time>& told) override { agreed = told; }
    void alarm(const membership_alarm& what) override { alarms.push_back(what); }
    void levels_changed(const wire_levels& now_spoken) override { levels.push_back(now_spoken); }
    void forgotten() override { ++forgotten_count; }
};

} // namespace gv::cluster
