// SPDX-License-Identifier: Apache-2.0
// What other shards say, each to its function.
#include "broker/shard/core.hpp"

namespace gv::shard {

namespace {

template <typename... Cases>
struct overloaded : Cases... {
    using Cases::operator()...;
};

} // namespace

void core::on_batch(shard_id from, std::vector<shard_message>& batch) {
    for (shard_message& message : batch) {
        on_message(from, message);
    }
}

// Each may lead to others.
void core::hear_own_words() {
    while (!own_words_.empty()) {
        std::vector<shard_message> heard = std::exchange(own_words_, {});
        for (shard_message& each : heard) {
            on_message(options_.me, each);
        }
    }
}

void core::on_message(shard_id from, shard_message& message) {
    std::visit(overloaded{
                   [&](const routed& m) { on_routed(from, m); },
                   [&](const group_delivery& m) { on_group_delivery(from, m); },
                   [&](const taken& m) { on_taken(m); },
                   [&](const credit& m) { on_credit(from, m.bytes); },
                   [&](const shard::push& m) { on_push(from, m); },
                   [&](const shard::push_pubrel& m) {
                       if (client* front = find_held(m.connection, from)) {
                           front->front_.on_push_pubrel(m.id);
                           touch(*front);
                       }
                   },
                   [&](const home_ack& m) {
                       if (home_entry* home = find_home(m.home)) {
                           on_home_ack(*home, {.shard = from, .connection = m.connection}, m.ack);
                       }
                   },
                   [&](const group_ack& m) {
                       router_.acknowledged({.shard = from, .subscriber = m.subscriber});
                   },
                   [&](const group_push& m) { on_group_push(from, m); },
                   [&](const group_outcome& m) { on_group_outcome(from, m); },
                   [&](const std::unique_ptr<rare>& m) { on_rare(from, *m); },
               },
               message);
}

void core::on_rare(shard_id from, rare& message) {
    std::visit(
        overloaded{
            [&](const shard::kick& m) { on_kick(from, m); },
            [&](attach_answer& m) { on_attached(m.connection, from, m.home, std::move(m.answer)); },
            [&](const settled& m) {
                if (client* front = find_client(m.connection)) {
                    front->front_.on_settled(m.ack, m.outcome);
                    touch(*front);
                }
            },
            [&](shard::attach& m) {
                on_attach({.shard = from, .connection = m.connection},
                          m.username ? std::optional<std::string_view>(*m.username) : std::nullopt,
                          std::move(m.request));
            },
            [&](const detach& m) { on_detach(m); },
            [&](const inbound_change& m) {
                const bool is_part = m.branch.transaction.value != 0;
                if (is_part) {
                    journal_.begin_part(m.branch);
                }
                if (home_entry* home = find_home(m.home, {from, m.connection})) {
                    note_unrouted(*home, from, m.id, m.is_held);
                    on_inbound_change(*home, m.id, m.is_held, m.level);
                }
                if (is_part) {
                    journal_.end_part();
                }
            },
            [&](const shard::confirm& m) {
                home_entry* home = find_home(m.home, {from, m.connection});
                if (home == nullptr && is_node(from)) {
                    return; // what it is about was not done either
                }
                if (home != nullptr && home->unrouted_ && m.what.type == mqtt::packet_type::pubrec
                    && home->unrouted_->ids.erase(m.what.id.value) != 0) {
                    note_routed(*home, m.what.id);
                }
                on_confirm({.shard = from, .connection = m.connection}, m.what);
            },
            [&](const confirmed& m) {
                answer_confirm({.shard = options_.me, .connection = m.connection}, m.what);
            },
            [&](const room& m) {
                if (home_entry* home = find_home(m.home, {from, m.connection})) {
                    home->bytes_pushed_ = 0;
                    home->home_.on_room();
                    tell_room(*home);
                    pump_replay(m.home);
                }
            },
            [&](shard::subscribe& m) {
                on_home_subscribe(m.home, {.shard = from, .connection = m.connection}, m.id,
                                  std::move(m.filters));
            },
            [&](const shard::unsubscribe& m) {
                on_home_unsubscribe(m.home, {.shard = from, .connection = m.connection}, m.id,
                                    m.filters);
            },
            [&](subscribed& m) {
                answer_subscribe({.shard = options_.me, .connection = m.connection}, m.id,
                                 m.is_removal, std::move(m.reasons));
            },
            [&](const route_change& m) { on_route_change(from, m); },
            [&](const applied& m) { on_applied(m.operation); },
            [&](group_change& m) { on_group_change(from, std::move(m)); },
            [&](const group_errand& m) { on_group_errand(from, m); },
            [&](const page_request& m) { on_page_request(from, m); },
            [&](const replay_errand& m) { on_replay_errand(m); },
            [&](const page_answer& m) { on_page(m); },
            [&](const publisher_hold& m) { on_publisher_hold(m); },
            [&](const front_load& m) { on_front_load(from, m); },
            [&](const detached_all& m) { on_detached_all(from, m.home_shard); },
            [&](const word_of_node& m) { on_word_of_node(m); },
            [&](const shard::handover& m) { on_handover(from, m); },
            [&](const handover_rows& m) { on_handover_rows(from, m); },
            [&](const fence& m) { on_fence(from, m); },
            [&](const fenced& m) { on_fenced(from, m); },
            [&](const shard::flush& m) { on_flush(from, m); },
            [&](const member_change& m) { on_member_change(from, m); },
            [&](const member_known& m) { on_member_known(from, m); },
        },
        message);
}

// Null as well if a home elsewhere is not the one that keeps its session: it has been given up.
client* core::find_held(std::uint64_t connection, shard_id home) noexcept {
    client* found = find_client(connection);
    const bool is_held =
        found != nullptr
        && (!is_node(home) || (found->home_at_ == home && found->front_.is_held_by_home()));
    return is_held ? found : nullptr;
}

void core::on_push(shard_id home, const shard::push& message) {
    if (message.quality == qos::at_most_once && !is_node(home)) {
        credit_owed_[home.value] += message.what->weight();
    }
    client* front = find_held(message.connection, home);
    if (front == nullptr) {
        return;
    }
    session::delivery how{
        .quality = message.quality, .retain = message.retain, .dup = message.dup, .id = message.id};
    if (message.subscription_ids) {
        how.subscription_ids = *message.subscription_ids;
    }
    front->front_.on_push(message::view_of(message.what), how);
    if (message.wants_room) {
        if (front->front_.output().size() < replay_output_bytes) {
            post_rare(home, room{.home = front->home_, .connection = front->number_});
        } else {
            front->wants_room_ = true;
        }
    }
    touch(*front);
}

// What the other shard has worked off may be sent again.
void core::on_credit(shard_id from, std::size_t bytes) {
    credit_used_[from.value] -= bytes;
    if (credit_used_[from.value] * 2 <= options_.pressure.credit_bytes_max) {
        set_free(credit_waiters_[from.value]);
    }
}

} // namespace gv::shard
