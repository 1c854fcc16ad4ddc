// SPDX-License-Identifier: Apache-2.0
// Retained messages for new subscriptions, page by page, as fast as the client takes them.
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

replay_holder* core::find_holder(std::uint64_t subscriber) noexcept {
    if (client* front = find_client(subscriber)) {
        return front;
    }
    return find_home(subscriber);
}

void core::pump_replay(std::uint64_t subscriber) {
    replay_holder* holder = find_holder(subscriber);
    session::session_state* state = holder != nullptr ? holder->replay_session() : nullptr;
    while (state != nullptr && !state->replays.empty() && !state->replays.is_waiting()) {
        const std::size_t rows = std::min(holder->replay_rows(), replay_rows_max);
        if (rows == 0) {
            return;
        }
        const session::replay& current = state->replays.current();
        page_request request{.subscriber = subscriber,
                             .filter = current.filter,
                             .after = current.after,
                             .limits = {.rows_max = rows}};
        if (!is_mine(shard_id{current.shard})) {
            request.request = state->replays.ask();
            post_rare(shard_id{current.shard}, std::move(request));
            return;
        }
        deliver_page(*holder,
                     retained_.read(request.filter, request.after, request.limits, turn_.now));
    }
}

void core::on_page_request(shard_id from, const page_request& request) {
    router::retained_page page =
        retained_.read(request.filter, request.after, request.limits, turn_.now);
    for (message_ref& row : page.rows) {
        if (!row->is_shared()) {
            row = message::copy_of(row->view(), message::reach::shared);
        }
    }
    post_rare(from, page_answer{.subscriber = request.subscriber,
                                .request = request.request,
                                .page = std::move(page)});
}

void core::on_page(const page_answer& answer) {
    replay_holder* holder = find_holder(answer.subscriber);
    session::session_state* state = holder != nullptr ? holder->replay_session() : nullptr;
    if (state == nullptr || !state->replays.accept(answer.request)) {
        return; // it has gone, or was attached anew and has asked again
    }
    deliver_page(*holder, answer.page);
    pump_replay(answer.subscriber);
}

void core::deliver_page(replay_holder& holder, const router::retained_page& page) {
    session::session_state& state = *holder.replay_session();
    const std::uint32_t id = state.replays.current().subscription_id;
    const qos quality = state.replays.current().quality;
    const bool no_local = state.replays.current().no_local;
    const auto is_wanted = [&](const message& row) {
        return !state.replays.is_stale(row)
               && !(no_local && row.header().publisher == holder.client_hash())
               && holder.may_receive(row.topic());
    };
    for (const message_ref& row : page.rows) {
        if (is_wanted(*row)) {
            ++counts_.retained_sent;
            holder.replay_row(message::view_of(row),
                              {.quality = lower(row->header().quality, quality),
                               .retain = true,
                               .subscription_ids = {&id, id == 0 ? 0U : 1U}});
        }
    }
    if (page.done) {
        advance_replay(state);
    } else {
        state.replays.current().after = page.resume_after;
    }
}

// A filter with wildcards is read on every shard in turn, another on the one that has its topic.
void core::advance_replay(session::session_state& state) {
    session::replay& current = state.replays.current();
    if (has_wildcard(current.filter) && current.shard + 1U < options_.shards) {
        ++current.shard;
        current.after.clear();
    } else {
        state.replays.finish_current();
    }
}

} // namespace gv::shard
