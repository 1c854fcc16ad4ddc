// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_import.hpp"

#include "base/hash.hpp"

namespace gv::server {

namespace {

using storage::table;

constexpr shard_id importer{0};
/// Larger: fewer writes. Smaller: less memory.
constexpr std::size_t batch_bytes = std::size_t{1} << 20;
constexpr std::uint64_t batches_ahead_max = 8;

} // namespace

store_import::store_import(storage::store& to, const storage::table_source& before)
    : to_(to), before_(before) {
    to_.listen(
        importer, [this](const storage::progress& word) { on_progress(word); },
        [](const storage::read_answer&) {});
}

store_import::session* store_import::find(std::string_view client_id) {
    const auto found = sessions_.find(std::string(client_id));
    return found == sessions_.end() ? nullptr : &found->second;
}

store_import::outcome store_import::add_session(std::string_view client_id,
                                                const storage::session_record& record,
                                                const storage::queue_record& queue) {
    const partition_id partition = partition_of(client_id);
    const std::string key = storage::client_key_of(partition, client_id);
    const bool is_there = find(client_id) != nullptr || before_.get(table::sessions, key, scratch_);
    const auto [added, is_new] = sessions_.try_emplace(std::string(client_id));
    if (is_there) {
        added->second.is_kept = added->second.is_kept || is_new;
        leave_out("sessions that are there already");
        return outcome::kept;
    }
    added->second.key = storage::key_of(partition, record.id);
    scratch_.clear();
    encode(record, scratch_);
    put(table::sessions, key, scratch_);
    scratch_.clear();
    encode(queue, scratch_);
    put(table::queue_meta, added->second.key.view(), scratch_);
    ++summary_.sessions;
    return outcome::added;
}

store_import::outcome store_import::add_subscription(std::string_view client_id,
                                                     std::string_view filter,
                                                     const storage::subscription_record& record) {
    const session* owner = find(client_id);
    if (owner == nullptr || owner->is_kept) {
        return why_not(owner);
    }
    scratch_.clear();
    encode(record, scratch_);
    put(table::subscriptions, storage::subscription_key_of(owner->key, filter), scratch_);
    ++summary_.subscriptions;
    return outcome::added;
}

// Two messages in flight under one identifier could not be told apart.
bool store_import::take_id(session& owner, packet_id id) {
    if (id.value == 0 || owner.ids.insert(id.value).second) {
        return true;
    }
    ++summary_.changed["messages with a packet identifier that another has: they get a new one"];
    return false;
}

store_import::outcome store_import::add_row(std::string_view client_id, std::uint64_t sequence,
                                            storage::queue_row row, const publication& what) {
    session* owner = find(client_id);
    if (owner == nullptr || owner->is_kept) {
        return why_not(owner);
    }
    row.id = take_id(*owner, row.id) ? row.id : packet_id{};
    scratch_.clear();
    encode(row, what, clock, scratch_);
    put(table::queue, queue_key_of(owner->key, sequence).view(), scratch_);
    ++summary_.queued;
    return outcome::added;
}

store_import::outcome store_import::add_row(std::string_view client_id, std::uint64_t sequence,
                                            storage::queue_row row, const storage::body_id& body,
                                            std::uint32_t size) {
    session* owner = find(client_id);
    if (owner == nullptr || owner->is_kept) {
        return why_not(owner);
    }
    row.id = take_id(*owner, row.id) ? row.id : packet_id{};
    scratch_.clear();
    encode(row, body, size, scratch_);
    put(table::queue, queue_key_of(owner->key, sequence).view(), scratch_);
    ++summary_.queued;
    return outcome::added;
}

store_import::outcome store_import::add_release(std::string_view client_id, std::uint64_t sequence,
                                                packet_id id) {
    session* owner = find(client_id);
    if (owner == nullptr || owner->is_kept) {
        return why_not(owner);
    }
    if (id.value == 0 || !owner->ids.insert(id.value).second) {
        leave_out("releases without a packet identifier of their own");
        return outcome::kept;
    }
    scratch_.clear();
    storage::encode(id, scratch_);
    put(table::small, release_key_of(owner->key, sequence).view(), scratch_);
    ++summary_.released;
    return outcome::added;
}

store_import::outcome store_import::add_inbound(std::string_view client_id, packet_id id) {
    const session* owner = find(client_id);
    if (owner == nullptr || owner->is_kept) {
        return why_not(owner);
    }
    put(table::small, inbound_key_of(owner->key, id).view(), {});
    ++summary_.inbound;
    return outcome::added;
}

void store_import::add_body(const storage::body_id& name, const publication& what) {
    scratch_.clear();
    encode(what, clock, scratch_);
    put(table::bodies, body_key_of(name).view(), scratch_);
}

store_import::outcome store_import::add_retained(const publication& what) {
    publication there;
    if (before_.get(table::retained, what.topic, scratch_) && decode(scratch_, clock, there)
        && there.header.stamp >= what.header.stamp) {
        leave_out("retained messages of topics that have a newer one");
        return outcome::kept;
    }
    const auto [at, is_first] = retained_.try_emplace(std::string(what.topic), what.header.stamp);
    if (!is_first && at->second >= what.header.stamp) {
        leave_out("retained messages of topics that have a newer one");
        return outcome::kept;
    }
    at->second = what.header.stamp;
    scratch_.clear();
    encode(what, clock, scratch_);
    put(table::retained, what.topic, scratch_);
    summary_.retained += is_first ? 1U : 0U;
    return outcome::added;
}

void store_import::add_due_will(const storage::will_record& due) {
    publication what;
    if (!decode(due.message, clock, what)) {
        return;
    }
    scratch_.clear();
    encode(due, scratch_);
    put(table::small, storage::due_will_key_of(what.header.stamp, shard_id{due_wills_++}).view(),
        scratch_);
}

void store_import::add_spooled(const storage::spool_place& where, const storage::spooled_row& row) {
    scratch_.clear();
    encode(row, scratch_);
    put(table::spool, spool_key_of(where).view(), scratch_);
}

void store_import::add_route(const storage::route_place& where, const storage::route_row& row) {
    const std::string key = route_key_of(where);
    if (std::string there; before_.get(table::routes, key, there)) {
        return;
    }
    scratch_.clear();
    encode(row, scratch_);
    put(table::routes, key, scratch_);
}

void store_import::set_boot(boot_id boot) {
    if (boot > to_.node().boot) {
        storage::node_record node = to_.node();
        node.boot = boot;
        scratch_.clear();
        encode(node, scratch_);
        put(table::meta, storage::node_key, scratch_);
    }
}

void store_import::put(table where, std::string_view key, std::string_view value) {
    open_.put(where, key, value);
    if (open_.bytes() >= batch_bytes) {
        hand_over();
    }
}

void store_import::hand_over() {
    to_.commit(importer,
               {.ticket = ++ticket_, .operations = std::exchange(open_, {}), .parts = {}});
    std::unique_lock lock(mutex_);
    has_progress_.wait(lock,
                       [this] { return is_lost_ || durable_ + batches_ahead_max >= ticket_; });
}

void store_import::on_progress(const storage::progress& word) {
    const std::lock_guard lock(mutex_);
    durable_ = std::max(durable_, word.durable);
    is_lost_ = is_lost_ || word.is_lost || word.is_stalled; // nobody waits for room here
    has_progress_.notify_one();
}

result<import_summary, problem> store_import::finish() {
    hand_over();
    std::unique_lock lock(mutex_);
    has_progress_.wait(lock, [this] { return is_lost_ || durable_ == ticket_; });
    if (is_lost_) {
        return failure(problem{.place = "import",
                               .what = "the store could not be written to the end",
                               .remedy = "make room on the disk or mend it, remove what is in the "
                                         "folder, and import again"});
    }
    return std::move(summary_);
}

} // namespace gv::server
