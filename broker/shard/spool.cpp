// SPDX-License-Identifier: Apache-2.0
// The spools of lanes to other nodes, as rows of the store. What is put and erased goes through the
// journal, so a read waits until all of that is there.
#include "base/log.hpp"
#include "broker/shard/core.hpp"
#include "cluster/lane_format.hpp"

#include <algorithm>

namespace gv::shard {

using storage::table;

namespace {

/// Each range that is erased costs later reads a little, each row a row.
constexpr cluster::lane_seq erased_singly_max = 256;
constexpr std::uint32_t rows_of_a_read_max = 65'536;

[[nodiscard]] std::uint64_t milliseconds_of(wall_time when) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count());
}

[[nodiscard]] storage::spool_key key_of(const peer_lane& lane, cluster::lane_seq seq) {
    return storage::spool_key_of({.of = lane.place(), .sequence = seq});
}

} // namespace

void core::restore_spool(const storage::spool_left& left) {
    if (lanes_) {
        lanes_->restore(left);
    }
}

// Whatever else of the message under way is waited for stays what it is.
void core::spool_put(peer_lane& lane, cluster::lane_seq seq, std::string_view bytes,
                     cluster::lane_waiter waiter) {
    const session::commit_mark outer = journal_.last_mark();
    const durability level = cluster::level_of(bytes);
    std::string value;
    value.reserve(bytes.size() + 12);
    encode(storage::spooled_row{.put_at = milliseconds_of(turn_.wall),
                                .life = lane.life,
                                .message = bytes},
           value);
    const storage::spool_key key = key_of(lane, seq);
    const session::commit_mark mark = journal_.put(table::spool, key.view(), value, level).mark;
    journal_.set_mark(outer);
    if (is_of_group(waiter)) {
        waiter = stop_group_wait(waiter).value;
    }
    if (waiter == 0) {
        return;
    }
    if (journal_.is_lost() || is_leaving_) {
        lane.answers.push_back({waiter, static_cast<cluster::lane_reason>(session::not_stored)});
    } else if (level == durability::memory) {
        lane.answers.push_back({waiter, 0});
    } else {
        journal_.wait(mark, {.what = waiter::kind::take, .number = waiter}, level);
    }
}

void core::spool_erase(peer_lane& lane, cluster::lane_seq first, cluster::lane_seq last) {
    if (last - first < erased_singly_max) {
        for (cluster::lane_seq each = first; each <= last; ++each) {
            journal_.erase(table::spool, key_of(lane, each).view());
        }
        return;
    }
    journal_.erase_range(table::spool, key_of(lane, first).view(), key_of(lane, last + 1).view());
}

void core::spool_read(peer_lane& lane) {
    const session::commit_mark newest = journal_.newest_mark();
    if (!journal_.is_lost() && !journal_.is_durable(newest)) {
        journal_.wait(newest, {.what = waiter::kind::spool, .number = lane.key().packed()},
                      durability::memory);
        return;
    }
    options_.store->read(options_.me,
                         {.reader = lane.key().packed(),
                          .partition = {},
                          .session = {},
                          .first = lane.wanted.from,
                          .end = ~std::uint64_t{0},
                          .rows_max = rows_of_a_read_max,
                          .bytes_max = static_cast<std::uint32_t>(lane.wanted.bytes_max),
                          .spool = lane.place()});
}

// A row that cannot be decoded is for the lane to count and to erase.
void core::on_spool_rows(const storage::read_answer& answer) {
    peer_lane* lane = lanes_->find(lane_key::of(answer.reader));
    if (lane == nullptr) {
        return;
    }
    if (answer.is_broken) {
        log::error("spooled_messages_unreadable", {{"lane", lane->key().number.value}});
    }
    std::vector<cluster::lane_spool_row> rows;
    rows.reserve(answer.rows.size());
    for (const storage::stored_row& each : answer.rows) {
        storage::spooled_row row;
        if (!decode(each.value, row)) {
            rows.push_back({.seq = each.sequence});
            continue;
        }
        const std::uint64_t now = std::max(milliseconds_of(turn_.wall), row.put_at);
        rows.push_back({.seq = each.sequence,
                        .bytes = row.message,
                        .age = std::chrono::milliseconds(now - row.put_at),
                        .is_of_former_life = row.life.value != 0 && row.life < lane->life});
    }
    lane->on_rows(rows, turn_.now);
    settle_lane(*lane);
}

} // namespace gv::shard
