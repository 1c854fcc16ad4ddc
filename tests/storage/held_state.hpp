// SPDX-License-Identifier: Apache-2.0
// What a store holds, as a test looks at it; and hand-overs that put it there.
#pragma once

#include "storage/store.hpp"

#include <gmock/gmock.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

namespace gv::storage {

/// Everything that load() says.
class held_state final : public store_reader {
  public:
    void on_sessions(std::vector<stored_session> found) override {
        ++calls;
        for (stored_session& each : found) {
            sessions.emplace(each.client_id, std::move(each));
        }
    }
    void on_retained(std::string_view topic, std::string_view message) override {
        retained.emplace_back(topic, message);
    }
    void on_claim(shard_id shard, const claim_record& found) override {
        claims.emplace_back(shard, found);
    }
    void on_founding(const founding_record& found) override { founding = found; }
    void on_partition(partition_id which, const partition_record& found) override {
        partitions[which] = found;
    }
    void on_bucket(const bucket& found) override { buckets.push_back(found); }
    void on_due_will(std::string_view, will_record found) override {
        wills.push_back(std::move(found));
    }
    void on_stray(table where, std::string_view key) override { strays.emplace_back(where, key); }
    void on_spool(const spool_left& found) override { spools.push_back(found); }
    void on_route(const route_place& where, const route_row& row) override {
        routes.push_back({where.author, std::string(where.filter), std::string(where.group), row});
    }

    int calls = 0;
    std::map<std::string, stored_session> sessions; ///< by client id
    std::vector<std::pair<std::string, std::string>> retained;
    std::vector<std::pair<shard_id, claim_record>> claims;
    std::optional<founding_record> founding;
    std::map<partition_id, partition_record> partitions;
    std::vector<bucket> buckets;
    std::vector<will_record> wills;
    std::vector<std::pair<table, std::string>> strays;
    std::vector<spool_left> spools;
    struct held_route {
        node_id author;
        std::string filter;
        std::string group;
        route_row row;
    };
    std::vector<held_route> routes;
};

inline constexpr moment some_moment{.now = time_point(1'000s), .wall = wall_time(1'700'000'000s)};

/// A session of `client` in partition 3, told from others by `created`.
struct sample_session {
    std::string client = "dev";
    std::uint64_t created = 1;
    partition_id partition{3};

    [[nodiscard]] session_id id() const { return {.created = {created}, .node = node_id{9}}; }
    [[nodiscard]] session_key key() const { return key_of(partition, id()); }
    void put(batch& to) const {
        std::string value;
        encode(session_record{.id = id(), .expiry_seconds = 60, .receive_maximum = 5}, value);
        to.put(table::sessions, client_key_of(partition, client), value);
    }
    void put_row(batch& to, std::uint64_t sequence, std::string_view payload) const {
        std::string value;
        encode(queue_row{}, publication{.topic = "t", .payload = payload}, some_moment, value);
        to.put(table::queue, queue_key_of(key(), sequence).view(), value);
    }
    void put_row(batch& to, std::uint64_t sequence, const body_id& body, std::uint32_t size) const {
        std::string value;
        encode(queue_row{}, body, size, value);
        to.put(table::queue, queue_key_of(key(), sequence).view(), value);
    }
    void put_queue(batch& to, std::uint64_t reserved, std::uint64_t sent) const {
        std::string value;
        encode(queue_record{.reserved_until = reserved, .sent_until = sent}, value);
        to.put(table::queue_meta, key().view(), value);
    }
    void put_subscription(batch& to, std::string_view filter, qos quality) const {
        std::string value;
        encode(subscription_record{.quality = quality}, value);
        to.put(table::subscriptions, subscription_key_of(key(), filter), value);
    }
    void put_release(batch& to, std::uint64_t sequence, packet_id id_of_message) const {
        std::string value;
        encode(id_of_message, value);
        to.put(table::small, release_key_of(key(), sequence).view(), value);
    }
    void put_inbound(batch& to, packet_id id_of_message) const {
        to.put(table::small, inbound_key_of(key(), id_of_message).view(), {});
    }
    void put_unrouted(batch& to, packet_id id_of_message, const unrouted_record& by) const {
        std::string row;
        encode(by, row);
        to.put(table::small, inbound_key_of(key(), id_of_message).view(), row);
    }
    [[nodiscard]] read_request wants(std::uint64_t first, std::uint64_t end,
                                     std::uint32_t rows_max = 1000,
                                     std::uint32_t bytes_max = 1 << 20) const {
        return {.reader = 77,
                .partition = partition,
                .session = id(),
                .first = first,
                .end = end,
                .rows_max = rows_max,
                .bytes_max = bytes_max};
    }
};

inline void put_body(batch& to, const body_id& body, std::string_view payload) {
    std::string value;
    encode(publication{.topic = "t", .payload = payload}, some_moment, value);
    to.put(table::bodies, body_key_of(body).view(), value);
}

[[nodiscard]] inline std::string payload_of(const stored_row& row) {
    queue_row_view parts;
    publication what;
    if (!decode(row.value, parts)
        || !decode(parts.body ? std::string_view(row.body) : parts.message, some_moment, what)) {
        return "(unreadable)";
    }
    return std::string(what.payload);
}

[[nodiscard]] inline std::vector<std::string> payloads_of(const read_answer& answer) {
    std::vector<std::string> all;
    for (const stored_row& each : answer.rows) {
        all.push_back(payload_of(each));
    }
    return all;
}

/// A store that is used by one shard, whose answers may come on other threads.
class store_user {
  public:
    explicit store_user(store& of, shard_id as = {}) : store_(&of), as_(as) {
        of.listen(
            as,
            [this](progress word) {
                const std::lock_guard lock(mutex_);
                durable_ = std::max(durable_, word.durable);
                is_lost_ = is_lost_ || word.is_lost;
                changed_.notify_all();
            },
            [this](read_answer answer) {
                const std::lock_guard lock(mutex_);
                answers_.push_back(std::move(answer));
                changed_.notify_all();
            });
    }
    template <typename Fill>
    void commit(Fill&& fill) {
        hand_over what{.ticket = ++ticket_, .operations = {}, .parts = {}};
        fill(what.operations);
        store_->commit(as_, std::move(what));
    }
    template <typename Fill>
    void commit_durably(Fill&& fill) {
        commit(std::forward<Fill>(fill));
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20),
                                      [this] { return durable_ >= ticket_ || is_lost_; }));
        ASSERT_FALSE(is_lost_);
    }
    [[nodiscard]] read_answer read(const read_request& what) {
        store_->read(as_, what);
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(20),
                               [this] { return !answers_.empty(); })) {
            ADD_FAILURE() << "no answer";
            return {};
        }
        read_answer first = std::move(answers_.front());
        answers_.erase(answers_.begin());
        return first;
    }

  private:
    store* store_;
    shard_id as_;
    std::uint64_t ticket_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t durable_ = 0;
    bool is_lost_ = false;
    std::vector<read_answer> answers_;
};

} // namespace gv::storage
