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
        if (!is_mine(shard_id{current.shard})) {
            ask_for_page(subscriber, state->replays, rows);
            return;
        }
        const std::uint32_t request = state->replays.ask(0);
        deliver_page(*holder, {.subscriber = subscriber,
                               .request = request,
                               .page = retained_.read(current.filter, current.after,
                                                      {.rows_max = rows}, turn_.now)});
    }
}

// What a forgetful list has seen is in the other shard's store behind a message that went there by
// way of the shard it came from: everything between two shards stays in order.
void core::ask_for_page(std::uint64_t subscriber, session::replay_list& replays, std::size_t rows) {
    const shard_id store{replays.current().shard};
    const std::size_t errands = replays.is_forgetful() ? options_.shards - 2 : 0;
    const std::uint32_t request = replays.ask(errands);
    if (errands == 0) {
        request_page(subscriber, replays.current(), request, rows);
        return;
    }
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (shard != options_.me.value && shard != store.value) {
            post_rare(shard_id{shard}, replay_errand{.subscriber = subscriber,
                                                     .request = request,
                                                     .home = options_.me,
                                                     .store = store});
        }
    }
}

void core::request_page(std::uint64_t subscriber, const session::replay& current,
                        std::uint32_t request, std::size_t rows) {
    post_rare(shard_id{current.shard}, page_request{.subscriber = subscriber,
                                                    .request = request,
                                                    .filter = current.filter,
                                                    .after = current.after,
                                                    .limits = {.rows_max = rows}});
}

void core::on_replay_errand(const replay_errand& errand) {
    if (!is_mine(errand.home)) {
        post_rare(is_mine(errand.store) ? errand.home : errand.store, errand);
        return;
    }
    replay_holder* holder = find_holder(errand.subscriber);
    session::session_state* state = holder != nullptr ? holder->replay_session() : nullptr;
    if (state == nullptr || !state->replays.finish_errand(errand.request)) {
        return;
    }
    const std::size_t rows = std::min(holder->replay_rows(), replay_rows_max);
    if (rows == 0) {
        state->replays.give_up_page();
        return;
    }
    request_page(errand.subscriber, state->replays.current(), errand.request, rows);
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
    if (state == nullptr || !state->replays.awaits(answer.request)) {
        return; // it has gone, or does not want this page any more
    }
    deliver_page(*holder, answer);
    pump_replay(answer.subscriber);
}

// Still waiting, so that an acknowledgement of a row that cannot be sent does not begin a page
// here.
void core::deliver_page(replay_holder& holder, const page_answer& answer) {
    const router::retained_page& page = answer.page;
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
    if (!state.replays.accept(answer.request)) {
        return;
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
