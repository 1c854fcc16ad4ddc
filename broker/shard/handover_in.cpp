// SPDX-License-Identifier: Apache-2.0
// The new home's side of a hand-over (handover.hpp).
#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using step = handover::step;
using phase = arriving_partition::phase;
using storage::table;

namespace {

/// A row as it came: views into the page.
struct row_view {
    table where{};
    std::string_view key;
    std::string_view value;
};

/// Nothing if the page is not what an old home sends.
std::optional<std::vector<row_view>> rows_of(std::string_view page) {
    std::vector<row_view> found;
    read_cursor in(page);
    while (!in.at_end() && !in.failed()) {
        row_view each{.where = static_cast<table>(in.u8())};
        each.key = in.prefixed();
        each.value = in.bytes(in.u32());
        const bool is_known = std::ranges::find(storage::session_tables, each.where)
                              != std::end(storage::session_tables);
        if (!is_known) {
            return std::nullopt;
        }
        found.push_back(each);
    }
    return in.failed() ? std::nullopt : std::optional(std::move(found));
}

/// Where the session is named in keys of a table.
constexpr std::size_t session_at(table where) noexcept { return where == table::small ? 1 : 0; }

std::string_view session_of(const row_view& row) {
    constexpr std::size_t size = sizeof(storage::session_key);
    const std::size_t at = session_at(row.where);
    return row.key.size() < at + size ? std::string_view() : row.key.substr(at, size);
}

bool decode_id(std::string_view value) {
    packet_id id;
    return storage::decode(value, id);
}

/// Of a row that is not of the table of sessions.
bool is_sound(const row_view& row) {
    const std::size_t rest = row.key.size() - session_at(row.where) - sizeof(storage::session_key);
    storage::queue_record queue;
    storage::queue_row_view parts;
    if (row.where == table::queue_meta) {
        return rest == 0 && decode(row.value, queue);
    }
    if (row.where == table::queue) {
        return rest == 8 && decode(row.value, parts) && !parts.body;
    }
    storage::unrouted_record unrouted;
    return row.key.front() == 'R' ? rest == 8 && decode_id(row.value)
                                  : row.key.front() == 'I' && rest == 2
                                        && (row.value.empty() || decode(row.value, unrouted));
}

} // namespace

// --- what is set aside

arriving_session::arriving_session(arriving_partition& in, std::string_view client_id_,
                                   std::shared_ptr<const auth::access_view> access)
    : client_id(client_id_), in_(&in), client_hash_(hash64(client_id_)),
      access_(std::move(access)) {}

void arriving_session::deliver(const publication& what, const router::grant& how) {
    const session::delivery given = delivery_of(what, how);
    if (given.quality == qos::at_most_once) {
        return; // nobody is connected
    }
    kept_delivery& kept = aside.emplace_back();
    kept.what = message::copy_of(what, message::reach::local);
    kept.subscription_ids.assign(given.subscription_ids.begin(), given.subscription_ids.end());
    kept.how = given;
    kept.how.subscription_ids = {};
    in_->aside_bytes += kept.what->weight();
}

bool arriving_session::may_receive(std::string_view topic) const {
    return !access_ || access_->check(auth::action::receive, topic).allowed;
}

// --- words

void core::on_handover(shard_id from, const handover& word) {
    if (!moves_) {
        return;
    }
    if (word.what >= step::more) {
        on_answer_of_new_home(from, word);
        return;
    }
    if (word.what == step::offer) {
        on_offer(from, word);
        return;
    }
    arriving_partition* to = find_arrival(from, word.which, word.number);
    if (to == nullptr) {
        if (word.what != step::stop && word.what != step::erased) {
            post_rare(from,
                      handover{.which = word.which, .number = word.number, .what = step::refused});
        }
        return;
    }
    if (word.what == step::join && to->at == phase::filling) {
        to->at = phase::joining;
        on_applied(to->operation);
    } else if (word.what == step::finish && to->at == phase::sending) {
        to->cut = word.cut;
        finish_arrival(*to);
    } else if (word.what == step::late) {
        to->is_late_complete = true;
        close_arrival(*to);
    } else if (word.what == step::stop && to->at < phase::loading) {
        discard_arrival(word.which);
    } else if (word.what == step::erased && to->at == phase::taken) {
        forget_arrival(*to);
    }
}

arriving_partition* core::find_arrival(shard_id from, partition_id which, std::uint64_t number) {
    const auto found = moves_->arrivals.find(which);
    const bool is_it = found != moves_->arrivals.end() && found->second.number == number
                       && found->second.from == from;
    return is_it ? &found->second : nullptr;
}

void core::answer(const arriving_partition& of, step what) {
    post_rare(of.from, handover{.which = of.which, .number = of.number, .what = what});
}

void core::on_offer(shard_id from, const handover& word) {
    const shard_id home = homes_at_[word.which.value];
    const bool is_mine_already = !is_node(home);
    if (const auto old = moves_->arrivals.find(word.which);
        old != moves_->arrivals.end()
        && (old->second.from == from || old->second.at == phase::taken)) {
        discard_arrival(word.which); // of another time
    }
    const bool is_refused = !journal_.is_on() || journal_.is_lost() || journal_.is_stalled()
                            || room_to_keep() != store_room::plenty || is_leaving_
                            || moves_->departures.contains(word.which)
                            || moves_->arrivals.contains(word.which)
                            || (!is_mine_already && home != from)
                            || (!is_mine_already && stored_in_[word.which.value] > 0);
    if (is_refused) {
        post_rare(from,
                  handover{.which = word.which, .number = word.number, .what = step::refused});
        return;
    }
    arriving_partition& made = moves_->arrivals[word.which];
    made.which = word.which;
    made.from = from;
    made.number = word.number;
    made.is_merging = is_mine_already;
    made.operation = ++next_operation_;
    begin(made.operation, {.remaining = 1, .arriving = word.which});
}

// --- rows

void core::on_handover_rows(shard_id from, const handover_rows& word) {
    arriving_partition* to = moves_ ? find_arrival(from, word.which, word.number) : nullptr;
    if (to == nullptr) {
        post_rare(from,
                  handover{.which = word.which, .number = word.number, .what = step::refused});
        return;
    }
    const auto rows = rows_of(word.rows);
    bool is_sound = rows.has_value();
    for (std::size_t i = 0; is_sound && i < rows->size(); ++i) {
        const row_view& each = (*rows)[i];
        is_sound = each.where == table::sessions ? take_session(*to, each.key, each.value)
                   : each.where == table::subscriptions
                       ? take_filter(*to, each.key, each.value)
                       : take_row(*to, each.where, each.key, each.value, word.are_late);
    }
    if (!is_sound) {
        log::warn("handover_unreadable",
                  {{"partition", word.which.value},
                   {"remedy", "one of the nodes is not what it says: look at their versions"}});
        answer(*to, step::refused);
        discard_arrival(word.which);
        return;
    }
    if (to->at < phase::loading && to->aside_bytes > moves_->options.aside_bytes_max) {
        answer(*to, step::refused);
        discard_arrival(word.which);
        return;
    }
    answer(*to, step::more);
}

bool core::take_session(arriving_partition& to, std::string_view key, std::string_view value) {
    storage::session_record record;
    if (to.at != phase::filling || key.size() <= 2 || load_u16(key.data()) != to.which.value
        || hash64(key.substr(2)) % partition_count != to.which.value || !decode(value, record)
        || record.id.created.value == 0) {
        return false;
    }
    const std::string_view client_id = key.substr(2);
    const storage::session_key session = key_of(to.which, record.id);
    auto& made = to.sessions[std::string(session.view())];
    if (made != nullptr) {
        return false;
    }
    made = std::make_unique<arriving_session>(
        to, client_id,
        access_of(client_id, record.username ? std::optional<std::string_view>(*record.username)
                                             : std::nullopt));
    made->is_here = to.is_merging && homes_.contains(client_id);
    if (made->is_here) {
        note_if_later(*made, record);
    } else {
        log_arriving(to, session.view());
        journal_.put(table::sessions, key, value, durability::interval);
    }
    return true;
}

void core::log_arriving(const arriving_partition& of, std::string_view session) {
    storage::arriving_record record{.cut = of.cut};
    record.state = of.at >= phase::marking ? storage::arriving_state::at_home
                   : of.is_merging         ? storage::arriving_state::merging
                                           : storage::arriving_state::on_its_way;
    std::string value;
    encode(record, value);
    std::string key("A");
    key.append(session);
    journal_.put(table::small, key, value, durability::interval);
}

bool core::take_filter(arriving_partition& to, std::string_view key, std::string_view value) {
    constexpr std::size_t size = sizeof(storage::session_key);
    const auto found = to.sessions.find(key.substr(0, size));
    storage::subscription_record record;
    if (to.at != phase::filling || key.size() <= size || found == to.sessions.end()
        || !decode(value, record)) {
        return false;
    }
    arriving_session& session = *found->second;
    const std::string_view filter = key.substr(size);
    const bool is_valid = is_shared_filter(filter) ? split_shared_filter(filter).has_value()
                                                   : is_valid_topic_filter(filter);
    if (!is_valid || (session.is_here && !session.later)) {
        return is_valid;
    }
    if (session.later) {
        session.later->wanted.push_back(subscription_of(filter, record));
    } else {
        journal_.put(table::subscriptions, key, value, durability::interval);
    }
    if (is_shared_filter(filter)) {
        return true; // until it is at home here, the group gives to its members at the old one
    }
    session.filters.emplace_back(filter);
    operations_.at(to.operation).remaining +=
        tell_added(filter, taker_kind::kept,
                   router_.subscribe(session, filter,
                                     {.quality = record.quality,
                                      .no_local = record.no_local,
                                      .retain_as_published = record.retain_as_published,
                                      .newest_only = record.newest_only,
                                      .subscription_id = record.subscription_id}),
                   to.operation);
    return true;
}

bool core::take_row(arriving_partition& to, table where, std::string_view key,
                    std::string_view value, bool is_late) {
    const row_view row{.where = where, .key = key, .value = value};
    const auto found = to.sessions.find(session_of(row));
    if (found == to.sessions.end() || !is_sound(row)
        || (is_late ? to.at < phase::waiting : to.at != phase::sending)) {
        return false;
    }
    arriving_session& session = *found->second;
    if (!session.is_here && !is_late) {
        journal_.put(where, key, value, durability::interval);
        return true;
    }
    storage::queue_row_view parts;
    publication what;
    if (where != table::queue || !decode(value, parts) || !decode(parts.message, moment(), what)) {
        return where != table::queue;
    }
    const auto cut = moves_->cuts.find(found->first);
    if (session.is_here && cut != moves_->cuts.end()
        && (!parts.row.by_group || what.header.stamp <= cut->second)) {
        return true; // has come to the session before, in one way or the other
    }
    kept_delivery kept{
        .what = message::copy_of(what, message::reach::local),
        .how = {.quality = parts.row.quality, .retain = parts.row.retain, .topic = parts.row.topic},
        .subscription_ids = std::move(parts.subscription_ids)};
    if (to.at < phase::marking) {
        session.sent.push_back(std::move(kept));
    } else {
        give(session, kept);
    }
    return true;
}

/// To the session that is here now, if it is.
void core::give(const arriving_session& to, const kept_delivery& what) {
    const auto found = homes_.find(std::string_view(to.client_id));
    if (found == homes_.end() || (*found)->home_.session() == nullptr) {
        return; // its client has given it up
    }
    session::delivery how = what.how;
    how.subscription_ids = what.subscription_ids;
    (*found)->home_.on_delivery(message::view_of(what.what), how);
}

// --- the steps

void core::on_joined(partition_id which) {
    const auto found = moves_->arrivals.find(which);
    if (found == moves_->arrivals.end()) {
        return;
    }
    if (found->second.at == phase::joining) {
        found->second.at = phase::sending;
        answer(found->second, step::joined);
    } else if (found->second.at >= phase::loading) {
        answer(found->second, step::here);
    }
}

void core::finish_arrival(arriving_partition& of) {
    for (const auto& [key, each] : of.sessions) {
        if (!each->is_here) {
            log_arriving(of, key);
        }
    }
    write_all(of, phase::writing);
}

void core::write_all(arriving_partition& of, phase then) {
    of.at = then;
    journal_.want(durability::fsync);
    of.write = next_handover_number();
    of.to_write = journal_.is_lost()
                      ? 0
                      : journal_.wait_for_all({.what = waiter::kind::arrival, .number = of.write});
    if (of.to_write == 0) {
        on_written(of);
    }
}

void core::on_arrival_written(std::uint64_t write) {
    for (auto& [which, each] : moves_->arrivals) {
        if (each.write == write && each.to_write > 0) {
            if (--each.to_write == 0) {
                on_written(each);
            }
            return;
        }
    }
}

void core::on_written(arriving_partition& of) {
    const bool is_full = of.aside_bytes > moves_->options.aside_bytes_max;
    if (of.at == phase::writing && (journal_.is_lost() || is_full)) {
        answer(of, step::refused);
        discard_arrival(of.which);
    } else if (of.at == phase::writing) {
        of.at = phase::waiting;
        answer(of, step::arrived);
        look_if_home(of);
    } else if (of.at == phase::marking) {
        of.at = phase::serving;
        attach_parked(std::exchange(of.parked, {}));
        close_arrival(of);
    } else if (of.at == phase::closing && !journal_.is_lost()) {
        of.at = phase::taken;
        of.due = turn_.now + moves_->options.patience;
        answer(of, step::taken);
    }
}

// Its answer, or the question, may have been lost with a process. One that is gone for good has no
// copy, and nothing of it comes any more.
void core::look_at_arrivals() {
    std::vector<arriving_partition*> ended;
    for (auto& [which, each] : moves_->arrivals) {
        refuse_late_parked(each.parked);
        const peer_lane* lane = lanes_->find_sessions(slot_of(each.from));
        if (lane == nullptr || lane->presence == peer_presence::gone) {
            if (each.at >= phase::serving) {
                ended.push_back(&each);
            }
        } else if (each.at == phase::taken && each.due <= turn_.now) {
            each.due = turn_.now + moves_->options.patience;
            answer(each, step::taken);
        }
    }
    for (arriving_partition* each : ended) {
        forget_arrival(*each);
    }
}

void core::look_if_home(arriving_partition& of) {
    if (of.at == phase::waiting && !is_node(homes_at_[of.which.value])) {
        of.at = phase::loading;
        options_.store->read(options_.me, {.reader = of.number,
                                           .partition = of.which,
                                           .session = {},
                                           .whole = storage::partition_read::sessions});
    }
}

/// The table has it here, and its sessions are about to be.
bool core::is_being_read(partition_id which) const {
    if (!moves_) {
        return false;
    }
    const auto found = moves_->arrivals.find(which);
    return found != moves_->arrivals.end() && found->second.at == phase::loading;
}

// In one turn: from here on the sessions themselves take what was set aside for them so far.
void core::on_sessions_loaded(const storage::read_answer& answer) {
    const auto found = moves_->arrivals.find(answer.partition);
    if (found == moves_->arrivals.end() || found->second.number != answer.reader
        || found->second.at != phase::loading) {
        return;
    }
    arriving_partition& of = found->second;
    of.is_broken = answer.is_broken;
    if (answer.is_broken) {
        log::error("stored_messages_unreadable", {{"partition", of.which.value}});
    }
    of.operation = ++next_operation_;
    begin(of.operation, {.remaining = 1, .arriving = of.which});
    for (const storage::stored_session& each : answer.sessions) {
        const auto session = of.sessions.find(key_of(of.which, each.record.id).view());
        if (session != of.sessions.end() && !session->second->is_here) {
            forget_volatile(each.client_id);
            restore(each, false);
            tell_of_groups(each.client_id, of.operation);
        }
    }
    of.at = phase::marking;
    for (const auto& [key, each] : of.sessions) {
        move_in(of, key, *each);
    }
    ++moves_->counts.taken;
    log::info("partition_taken", {{"partition", of.which.value}, {"sessions", of.sessions.size()}});
    on_applied(of.operation);
    write_all(of, phase::marking);
}

/// All nodes are to know that the group has its member here before it has none at the old home.
void core::tell_of_groups(std::string_view client_id, std::uint64_t number) {
    home_entry& home = **homes_.find(client_id);
    for (const auto& [name, each] : home.home_.session()->subscriptions) {
        if (!is_shared_filter(name) || has_queues(home)) {
            continue;
        }
        const shared_filter parts = *split_shared_filter(name);
        operations_.at(number).remaining += join_group({.what = group_change::kind::join,
                                                        .is_online = false,
                                                        .is_queue = home.group_ != nullptr,
                                                        .subscriber = home.number(),
                                                        .operation = number,
                                                        .group = std::string(parts.group),
                                                        .filter = std::string(parts.filter),
                                                        .options = router_options_of(each)},
                                                       options_.me);
    }
}

/// A registration without a session that a moved client has left behind.
void core::forget_volatile(std::string_view client_id) {
    const auto found = homes_.find(client_id);
    if (found == homes_.end()) {
        return;
    }
    (*found)->successor_.reset();
    if ((*found)->home_.front()) {
        on_detach(
            {.home = (*found)->number(),
             .epoch = (*found)->home_.epoch(),
             .notice = {.cause = session::close_cause::client_disconnect, .session_expiry = {}}});
    }
}

void core::move_in(const arriving_partition& of, const std::string& key, arriving_session& which) {
    if (!which.is_here) {
        moves_->cuts.insert_or_assign(key, of.cut);
        log_arriving(of, key);
        for (const kept_delivery& each : which.aside) {
            if (each.what->header().stamp > of.cut) {
                give(which, each);
            }
        }
    }
    for (const kept_delivery& each : which.sent) {
        give(which, each);
    }
    if (which.later) {
        unite(of, which);
    }
    which.aside.clear();
    which.sent.clear();
    unsubscribe_all(which);
}

// One that its client had when it was lost is not dated, and does not count as the later one.
void core::note_if_later(arriving_session& which, const storage::session_record& record) {
    const auto found = homes_.find(std::string_view(which.client_id));
    if (found == homes_.end() || (*found)->home_.session() == nullptr) {
        return;
    }
    const std::uint64_t left_at = (*found)->left_at_;
    if (left_at != 0 && !record.is_attached && record.left_at > left_at) {
        which.later =
            std::make_unique<arriving_session::later_session>(arriving_session::later_session{
                .left_before = left_at, .record = record, .wanted = {}});
    }
}

// Of what is dated after the cut the session here has had what it was subscribed to before.
void core::unite(const arriving_partition& of, const arriving_session& which) {
    const auto found = homes_.find(std::string_view(which.client_id));
    home_entry* home = found == homes_.end() ? nullptr : *found;
    if (home == nullptr || home->home_.session() == nullptr || home->home_.front()
        || home->left_at_ != which.later->left_before) {
        return; // its client has come here since
    }
    session::session_state& state = *home->home_.session();
    for (const kept_delivery& each : which.aside) {
        const bool has_come = std::ranges::any_of(state.subscriptions, [&each](const auto& own) {
            return !is_shared_filter(own.first)
                   && topic_matches(own.first, message::view_of(each.what).topic);
        });
        if (!has_come && each.what->header().stamp > of.cut) {
            give(which, each);
        }
    }
    const auto& [left_before, record, wanted] = *which.later;
    std::vector<std::string> unwanted;
    for (const auto& [filter, each] : state.subscriptions) {
        if (std::ranges::find(wanted, filter, &session::subscription::filter) == wanted.end()) {
            unwanted.push_back(filter);
        }
    }
    static_cast<void>(remove_subscriptions(*home, home->number(), state, unwanted));
    for (const std::string& each : unwanted) {
        log_unsubscription(*home, each);
    }
    for (const session::subscription& each : wanted) {
        if (!is_shared_filter(each.filter) || !state.subscriptions.contains(each.filter)) {
            resubscribe(*home, each);
            log_subscription(*home, each);
        }
    }
    home->username_ = record.username ? std::make_unique<std::string>(*record.username) : nullptr;
    home->home_.set_user(record.username ? std::string_view(*record.username) : std::string_view());
    home->access_ = which.access();
    home->left_at_ = record.left_at;
    home->home_.adopt(record.expiry_seconds, moment().from_stored(record.left_at));
    log_session(*home);
    settle_home(*home);
}

void core::unsubscribe_all(arriving_session& which) {
    for (const std::string& each : which.filters) {
        tell_removed(each, taker_kind::kept, router_.unsubscribe(which, each));
    }
    which.filters.clear();
}

void core::close_arrival(arriving_partition& of) {
    if (of.at == phase::serving && of.is_late_complete && !of.is_broken) {
        write_all(of, phase::closing);
    }
}

/// The old home has no copy any more.
void core::forget_arrival(arriving_partition& of) {
    for (const auto& [key, each] : of.sessions) {
        moves_->cuts.erase(key);
        journal_.erase(table::small, "A" + key);
    }
    const partition_id which = of.which;
    moves_->arrivals.erase(which);
}

/// The old home goes on; nothing if the sessions are here already.
void core::discard_arrival(partition_id which) {
    const auto found = moves_->arrivals.find(which);
    if (found == moves_->arrivals.end()) {
        return;
    }
    arriving_partition& gone = found->second;
    const bool is_on_its_way = gone.at < phase::loading;
    if (!is_on_its_way && gone.at < phase::serving) {
        return;
    }
    for (const auto& [key, each] : gone.sessions) {
        unsubscribe_all(*each);
        if (is_on_its_way && !each->is_here) {
            erase_session(key, each->client_id);
        }
    }
    if (operations_.contains(gone.operation)) {
        static_cast<void>(end_operation(gone.operation));
    }
    std::vector<parked_attach> parked = std::move(gone.parked);
    moves_->arrivals.erase(found);
    attach_parked(std::move(parked));
}

/// All rows of one session.
void core::erase_session(std::string_view key, std::string_view client_id) {
    const partition_id partition{load_u16(key.data())};
    journal_.erase(table::sessions, storage::client_key_of(partition, client_id));
    journal_.erase(table::queue_meta, key);
    std::string end(key);
    end.append(9, '\xff'); // longer than what follows in a key, but for filters, which are UTF-8
    journal_.erase_range(table::subscriptions, key, end);
    journal_.erase_range(table::queue, key, end);
    for (const char kind : {'A', 'I', 'R'}) {
        journal_.erase_range(table::small, std::string(1, kind).append(key),
                             std::string(1, kind).append(end));
    }
}

void core::discard(const storage::stored_session& left) {
    erase_session(key_of(left.partition, left.record.id).view(), left.client_id);
}

void core::lose_arrivals(shard_id party) {
    std::vector<partition_id> lost;
    for (const auto& [which, each] : moves_->arrivals) {
        if (each.from == party && each.at < phase::loading) {
            lost.push_back(which);
        }
    }
    for (const partition_id each : lost) {
        discard_arrival(each);
    }
}

} // namespace gv::shard
