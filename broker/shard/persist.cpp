// SPDX-License-Identifier: Apache-2.0
// What of homes and retained messages is written down, and how it comes back at start.
#include "base/log.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

namespace {

using storage::table;

/// A body as small as that is cheaper in each row than a reference and a row of its own.
constexpr std::size_t inline_payload_max = 32;
/// Of a row that was handed over before: it cannot be withdrawn.
constexpr std::uint32_t not_open = 0xffff'ffff;

[[nodiscard]] bool is_of_broker(std::string_view topic) { return topic.starts_with("$SYS/"); }

[[nodiscard]] storage::will_record record_of(const session::will_message& will,
                                             const storage::moment& at) {
    storage::will_record made{.delay_seconds = static_cast<std::uint32_t>(will.delay.count())};
    publication what = message::view_of(will.content);
    if (what.header.expires != never) {
        // Of a will, time to live from its publication on.
        made.expiry_seconds = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::seconds>(what.header.expires.time_since_epoch())
                .count());
        what.header.expires = never;
    }
    encode(what, at, made.message);
    return made;
}

[[nodiscard]] storage::will_record record_of_due(const publication& what, time_point now,
                                                 const storage::moment& at) {
    storage::will_record made;
    publication lasting = what;
    if (what.header.expires != never) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(what.header.expires - now);
        made.expiry_seconds = static_cast<std::uint32_t>(std::max<long long>(left.count(), 1));
        lasting.header.expires = never;
    }
    encode(lasting, at, made.message);
    return made;
}

[[nodiscard]] std::optional<session::will_message> will_of(const storage::will_record& record,
                                                           const storage::moment& at) {
    publication what;
    if (!decode(record.message, at, what)) {
        return std::nullopt;
    }
    if (record.expiry_seconds != 0) {
        what.header.expires = time_point(std::chrono::seconds(record.expiry_seconds));
    }
    return session::will_message{.content = message::copy_of(what, message::reach::local),
                                 .delay = std::chrono::seconds(record.delay_seconds)};
}

[[nodiscard]] storage::subscription_record record_of(const session::subscription& wanted) {
    return {.quality = wanted.quality,
            .no_local = wanted.no_local,
            .retain_as_published = wanted.retain_as_published,
            .newest_only = wanted.newest_only,
            .retain_handling = static_cast<std::uint8_t>(wanted.handling),
            .subscription_id = wanted.subscription_id};
}

} // namespace

// Rows of a session's queue.

session::written_row core::log_row(const storage::session_key& session, std::uint64_t sequence,
                                   const publication& what, const session::delivery& how) {
    const storage::queue_row row{.quality = how.quality,
                                 .retain = how.retain,
                                 .id = how.id,
                                 .subscription_ids = how.subscription_ids,
                                 .topic = how.topic,
                                 .by_group = how.group.value != 0};
    const durability level = what.header.level;
    bodies::index in = 0;
    if (shares_body_ && what.payload.size() > inline_payload_max) {
        if (!body_) {
            body_ = bodies_.next(turn_.wall);
            scratch_.clear();
            encode(what, moment(), scratch_);
            journal_.put(table::bodies, body_key_of(body_->id).view(), scratch_, level);
        }
        in = body_->in;
        bodies_.hold(in);
    }
    scratch_.clear();
    if (in != 0) {
        encode(row, body_->id,
               static_cast<std::uint32_t>(what.topic.size() + what.properties.size()
                                          + what.payload.size()),
               scratch_);
    } else {
        encode(row, what, moment(), scratch_);
    }
    // At QoS 1 the message goes out before it is on disk, and may be acknowledged by then; it may
    // also come twice. At QoS 2 it is there with the identifier under which it came, or not at all.
    const storage::queue_key key = queue_key_of(session, sequence);
    session::written_row where =
        how.quality == qos::exactly_once
            ? journal_.put_in_part(table::queue, key.view(), scratch_, level)
            : journal_.put(table::queue, key.view(), scratch_, level);
    where.body = in;
    return where;
}

void core::forget_body(bodies::index in) {
    if (in == 0) {
        return;
    }
    if (const auto gone = bodies_.release(in)) {
        erase_bucket(*gone);
    }
}

void core::erase_bucket(const storage::bucket& gone) {
    const storage::bucket_key begin = bucket_key_of(gone);
    std::string end(begin.view());
    end.append(sizeof(storage::body_key) - sizeof(storage::bucket_key) + 1, '\xff');
    journal_.erase_range(table::bodies, begin.view(), end);
}

session::written_row home_entry::row_added(std::uint64_t sequence, const publication& what,
                                           const session::delivery& how) {
    return core_->log_row(key(), sequence, what, how);
}

session::written_row home_entry::row_changed(std::uint64_t sequence,
                                             const session::written_row& where,
                                             const publication& what,
                                             const session::delivery& how) {
    const bool is_shared = std::exchange(core_->shares_body_, false);
    session::written_row again = core_->log_row(key(), sequence, what, how);
    core_->shares_body_ = is_shared;
    core_->forget_body(where.body);
    again.operation = not_open; // the older one may be on disk by now
    return again;
}

session::commit_mark home_entry::row_done(std::uint64_t sequence,
                                          const session::written_row& where) {
    const storage::queue_key row = queue_key_of(key(), sequence);
    const session::commit_mark mark = where.operation == not_open
                                          ? core_->journal_.erase_in_part(table::queue, row.view())
                                          : core_->journal_.undo(where, table::queue, row.view());
    core_->forget_body(where.body);
    return mark;
}

bool home_entry::may_replace(const session::written_row& where) const {
    return core_->journal_.may_replace(where);
}

void home_entry::run_done(const session::stored_run& run) {
    for (std::uint64_t each = run.first; each < run.end; ++each) {
        core_->journal_.erase(table::queue, queue_key_of(key(), each).view());
    }
    forget_run(run);
}

void home_entry::forget_run(const session::stored_run& run) {
    for (std::uint32_t i = 0; i < run.bodies; ++i) {
        core_->forget_body(run.body);
    }
}

void home_entry::rows_done(std::uint64_t first, std::uint64_t end) {
    core_->journal_.erase_range(table::queue, queue_key_of(key(), first).view(),
                                queue_key_of(key(), end).view());
}

void home_entry::read_rows(const session::row_range& range) {
    core_->options_.store->read(core_->options_.me, {.reader = number_,
                                                     .partition = partition(),
                                                     .session = session_id_,
                                                     .first = range.first,
                                                     .end = range.end,
                                                     .rows_max = range.rows_max,
                                                     .bytes_max = range.bytes_max});
}

session::commit_mark home_entry::released(std::uint64_t sequence, const session::written_row& where,
                                          std::uint64_t release, packet_id id) {
    row_done(sequence, where);
    std::string value;
    storage::encode(id, value);
    return core_->journal_.put(table::small, release_key_of(key(), release).view(), value).mark;
}

void home_entry::release_done(std::uint64_t release) {
    core_->journal_.erase(table::small, release_key_of(key(), release).view());
}

void home_entry::reserve(std::uint64_t until, std::uint64_t sent_until) {
    core_->log_queue(key(), {.reserved_until = until, .sent_until = sent_until});
}

session::commit_mark home_entry::sending_begins(std::uint64_t reserved_until) {
    if (session_id_.created.value == 0) {
        return {}; // a new session, of which nothing can have been sent
    }
    return core_->log_queue(key(),
                            {.reserved_until = reserved_until, .sent_until = session::in_doubt});
}

bool home_entry::is_durable(session::commit_mark mark) const {
    return core_->journal_.is_durable(mark);
}

void home_entry::wake_when(session::commit_mark mark) {
    if (!is_waking_) {
        is_waking_ = true;
        core_->journal_.wait(mark, {.what = waiter::kind::home, .number = number_},
                             durability::memory); // its rows say what they want
    }
}

// Sessions.

void core::log_session(home_entry& home) {
    session::session_state* state = home.home_.session();
    if (!journal_.is_on() || state == nullptr) {
        return;
    }
    if (home.session_id_.created.value == 0) {
        home.session_id_ = {.created = clock_.next_name(), .node = options_.node};
    }
    const bool is_attached = home.home_.front().has_value();
    if (is_attached) {
        home.left_at_ = 0;
    } else if (home.left_at_ == 0) {
        home.left_at_ = moment().to_stored(turn_.now);
    }
    storage::session_record record{
        .id = home.session_id_,
        .epoch = home.home_.epoch(),
        .is_attached = is_attached,
        .expiry_seconds = home.home_.session_expiry(),
        .left_at = home.left_at_,
        .receive_maximum = state->out.receive_maximum(),
    };
    if (home.username_) {
        record.username = *home.username_;
    }
    if (const session::will_message* will = home.home_.will()) {
        record.will = record_of(*will, moment());
        if (const auto wait = home.home_.will_wait()) {
            record.will->delay_seconds = static_cast<std::uint32_t>(wait->count());
        }
    }
    scratch_.clear();
    encode(record, scratch_);
    journal_.put(table::sessions, storage::client_key_of(home.partition(), home.client_id()),
                 scratch_);
    log_queue(home.key(),
              {.reserved_until = state->out.reserved_until(),
               .sent_until = is_attached ? session::in_doubt : state->out.sent_until()});
}

void core::log_due_will(const storage::due_will_key& key, const publication& what) {
    scratch_.clear();
    encode(record_of_due(what, turn_.now, moment()), scratch_);
    journal_.put(table::small, key.view(), scratch_);
}

void core::restore_will(std::string_view key, const storage::will_record& found) {
    if (auto will = will_of(found, moment())) {
        restored_wills_.emplace_back(key, *std::move(will));
    }
}

session::commit_mark core::log_queue(const storage::session_key& session,
                                     const storage::queue_record& record) {
    std::string value;
    encode(record, value);
    return journal_.put(table::queue_meta, session.view(), value).mark;
}

void core::forget_session(home_entry& home, session::session_state& state) {
    if (!journal_.is_on() || home.session_id_.created.value == 0) {
        return;
    }
    state.out.erase_all();
    for (const auto& [filter, each] : state.subscriptions) {
        log_unsubscription(home, filter);
    }
    for (const std::uint16_t id : state.inbound) {
        log_inbound(home, packet_id{id}, false, durability::memory);
    }
    journal_.erase(table::queue_meta, home.key().view());
    journal_.erase(table::sessions, storage::client_key_of(home.partition(), home.client_id()));
    home.session_id_ = {};
    journal_.want(durability::fsync);
    forget_durable_ends();
    last_end_ = journal_.open_mark();
    if (!journal_.is_lost()) {
        ends_.insert_or_assign(std::string(home.client_id()), last_end_);
    }
}

void core::log_inbound(const home_entry& home, packet_id id, bool is_held, durability level) {
    if (!journal_.is_on()) {
        return;
    }
    const storage::inbound_key key = inbound_key_of(home.key(), id);
    if (is_held) {
        scratch_.clear();
        if (home.unrouted_ && home.unrouted_->ids.contains(id.value)) {
            encode(home.unrouted_->by, scratch_);
        }
        journal_.put_in_part(table::small, key.view(), scratch_, level);
    } else {
        journal_.erase(table::small, key.view());
    }
}

void core::log_subscription(const home_entry& home, const session::subscription& wanted) {
    if (journal_.is_on()) {
        scratch_.clear();
        encode(record_of(wanted), scratch_);
        journal_.put(table::subscriptions, storage::subscription_key_of(home.key(), wanted.filter),
                     scratch_);
    }
}

void core::log_unsubscription(const home_entry& home, std::string_view filter) {
    if (journal_.is_on()) {
        journal_.erase(table::subscriptions, storage::subscription_key_of(home.key(), filter));
    }
}

// Retained messages. What the broker says of itself is said anew after every start.

void core::log_retained(const publication& what, bool is_removed) {
    if (!journal_.is_on() || is_of_broker(what.topic)) {
        return;
    }
    if (is_removed) {
        bury_retained(what);
        // Whoever cleared it counts on it as on a message.
        journal_.set_mark(journal_.open_mark());
        return;
    }
    scratch_.clear();
    encode(what, moment(), scratch_);
    // At QoS 0 nobody waits for it.
    journal_.put(table::retained, what.topic, scratch_,
                 what.header.quality == qos::at_most_once ? durability::memory : what.header.level);
}

/// In a cluster a removal has a row of its own until all members know of it.
void core::bury_retained(const publication& tombstone) {
    if (!retained_.is_clustered()) {
        journal_.erase(table::retained, tombstone.topic);
        return;
    }
    scratch_.clear();
    encode(tombstone, moment(), scratch_);
    journal_.put(table::retained, tombstone.topic, scratch_, durability::memory);
}

router::retained_options core::retained_options_of(const core_options& given) {
    router::retained_options made = given.retained;
    made.latest = &clock_.latest();
    if (given.store != nullptr) {
        made.on_aged = [this](std::string_view topic, const message* tombstone) {
            tombstone != nullptr ? bury_retained(tombstone->view())
                                 : journal_.erase(table::retained, topic);
        };
    }
    return made;
}

router::put_outcome core::retain_row(const retained_row& row) {
    clock_.absorb(row.what->header().stamp);
    const router::put_outcome outcome = retained_.put_row(row, retained_clocks());
    if (is_change(outcome, retained_.is_clustered())) {
        const publication kept = router::publication_of(row, retained_clocks());
        log_retained(kept, kept.payload.empty());
    }
    return outcome;
}

/// A message that is not newer than a claim counts as removed: none is dated so, also if the clock
/// was set back.
void core::begin_claim(const retained_claim& claim) {
    retained_.set_claim(claim);
    clock_.stay_after(std::max(claim.from, claim.to));
}

void core::claim_retained(const retained_claim& claim) {
    begin_claim(claim);
    if (journal_.is_on()) {
        scratch_.clear();
        encode(storage::claim_record{.from = claim.from,
                                     .to = claim.to,
                                     .shards = static_cast<std::uint16_t>(options_.shards)},
               scratch_);
        journal_.put(table::small, storage::claim_key_of(options_.me).view(), scratch_,
                     durability::memory);
    }
}

// Start.

void core::restore(storage::stored_session found, bool counts_bodies) {
    auto made = std::make_unique<home_entry>(*this, home_context_, found.client_id, ++next_number_);
    home_entry& home = *made;
    homes_by_number_.emplace(home.number(), &home);
    homes_.insert(made.release());
    const storage::session_record& record = found.record;
    if (found.arriving && moves_) {
        moves_->cuts.insert_or_assign(std::string(key_of(found.partition, record.id).view()),
                                      found.arriving->cut);
    }
    home.session_id_ = record.id;
    home.left_at_ = record.is_attached ? moment().to_stored(turn_.now) : record.left_at;
    home.username_ = record.username ? std::make_unique<std::string>(*record.username) : nullptr;
    home.access_ = access_of(found.client_id,
                             record.username ? std::optional<std::string_view>(*record.username)
                                             : std::nullopt);
    home.home_.set_user(record.username ? std::string_view(*record.username) : std::string_view());
    clock_.absorb_name(record.id.created);
    home.home_.restore(
        {.epoch = record.epoch,
         .session_expiry = record.expiry_seconds,
         .left_at = record.is_attached ? never : moment().from_stored(record.left_at),
         .will = record.will ? will_of(*record.will, moment()) : std::nullopt});
    if (options_.shares_sessions) {
        home.home_.await_clients(options_.will_grace + 2s); // and longer: see begin_serving()
    }
    restore_queue(home.home_.session()->out, found, counts_bodies);
    for (const packet_id id : found.inbound) {
        home.home_.session()->inbound.insert(id.value);
    }
    for (const auto& [id, by] : found.unrouted) { // all of its last connection
        if (!home.unrouted_) {
            home.unrouted_ = std::make_unique<home_entry::unrouted>();
        }
        home.unrouted_->by = by;
        home.unrouted_->ids.insert(id.value);
    }
    for (const auto& [filter, each] : found.subscriptions) {
        resubscribe(home, subscription_of(filter, each));
    }
    settle_home(home);
}

// Which rows had been sent is known exactly if the client had left. If not, as many as it could
// have in flight are in doubt, and go out as if they had.
void core::restore_queue(session::outbound& out, const storage::stored_session& found,
                         bool counts_bodies) {
    std::uint64_t until = found.queue.reserved_until;
    until = found.rows.empty() ? until : std::max(until, found.rows.back().end);
    until = found.releases.empty() ? until : std::max(until, found.releases.back().first + 1);
    out.restore_reservation(until);
    for (const auto& [release, id] : found.releases) {
        out.restore_release(release, id);
    }
    if (found.queue.sent_until == session::in_doubt) {
        out.restore_doubt(0, found.record.receive_maximum);
    } else {
        out.restore_doubt(found.queue.sent_until, 0);
    }
    for (const storage::stored_rows& each : found.rows) {
        bodies::index body = 0;
        for (std::uint32_t i = 0; i < each.bodies && counts_bodies; ++i) {
            body = bodies_.hold(each.bucket);
        }
        out.restore_run({.first = each.first,
                         .end = each.end,
                         .bytes = each.size + each.rows * sizeof(message),
                         .rows = each.rows,
                         .body = body,
                         .bodies = counts_bodies ? each.bodies : 0});
    }
    for (const storage::stored_newest& each : found.newest) {
        out.restore_newest(
            each.topic, each.sequence,
            {.operation = not_open, .body = each.bucket ? bodies_.find_held(*each.bucket) : 0},
            each.size + sizeof(message));
    }
}

bool core::keep_rows(const storage::batch& rows) {
    if (journal_.is_stalled() && journal_.is_behind()) {
        return false;
    }
    const session::commit_mark outer = journal_.last_mark();
    rows.for_each([this](const storage::batch::operation& each) {
        switch (each.what) {
        case storage::batch::kind::put:
            journal_.put(each.where, each.key, each.value, durability::interval);
            break;
        case storage::batch::kind::erase:
            journal_.erase(each.where, each.key);
            break;
        case storage::batch::kind::erase_range:
            journal_.erase_range(each.where, each.key, each.value);
            break;
        }
    });
    if (!rows.empty()) {
        journal_.want(durability::interval);
    }
    journal_.set_mark(outer);
    return true;
}

void core::on_rows(const storage::read_answer& answer) {
    if (answer.spool) {
        on_spool_rows(answer);
        return;
    }
    if (answer.whole != storage::partition_read::none) {
        on_partition_rows(answer);
        return;
    }
    home_entry* home = find_home(answer.reader);
    if (home == nullptr || home->session_id_ != answer.session) {
        return; // the session has ended meanwhile
    }
    if (answer.is_broken) {
        log::error({.client = home->client_id()}, "stored_messages_unreadable",
                   {{"before", answer.read_until}});
    }
    std::vector<session::queued_row> rows;
    rows.reserve(answer.rows.size());
    storage::queue_row_view parts;
    for (const storage::stored_row& each : answer.rows) {
        publication what;
        if (!decode(each.value, parts)
            || !decode(parts.body ? std::string_view(each.body) : parts.message, moment(), what)) {
            log::error({.client = home->client_id()}, "stored_messages_unreadable",
                       {{"sequence", each.sequence}});
            continue;
        }
        rows.push_back({.content = message::copy_of(what, message::reach::local),
                        .subscription_ids = parts.subscription_ids,
                        .sequence = each.sequence,
                        .where = {.operation = not_open,
                                  .body = parts.body ? bodies_.find_held(parts.body->in) : 0},
                        .quality = parts.row.quality,
                        .retain = parts.row.retain,
                        .id = parts.row.id.value,
                        .topic = parts.row.topic});
    }
    home->home_.on_page(std::move(rows), answer.read_until);
    pump_replay(answer.reader);
}

session::subscription core::subscription_of(std::string_view filter,
                                            const storage::subscription_record& record) {
    return {.filter = std::string(filter),
            .subscription_id = record.subscription_id,
            .quality = record.quality,
            .no_local = record.no_local,
            .retain_as_published = record.retain_as_published,
            .newest_only = record.newest_only,
            .handling = static_cast<mqtt::retain_handling>(record.retain_handling)};
}

/// The client had this subscription, and is away.
void core::resubscribe(home_entry& home, session::subscription wanted) {
    session::session_state& state = *home.home_.session();
    if (is_shared_filter(wanted.filter) && has_queues(home)) {
        static_cast<void>(join_queue(home, wanted.filter, 0, 0));
        ++state.shared_subscriptions;
        ++shared_subscriptions_;
    } else if (is_shared_filter(wanted.filter)) {
        const shared_filter parts = *split_shared_filter(wanted.filter);
        join_group({.what = group_change::kind::join,
                    .is_online = false,
                    .is_queue = home.group_ != nullptr,
                    .subscriber = home.number(),
                    .group = std::string(parts.group),
                    .filter = std::string(parts.filter),
                    .options = router_options_of(wanted)},
                   options_.me);
        ++state.shared_subscriptions;
        ++shared_subscriptions_;
    } else {
        tell_added(wanted.filter, taker_kind::kept,
                   router_.subscribe(home, wanted.filter, router_options_of(wanted)), 0);
    }
    std::string filter = wanted.filter;
    state.subscriptions.insert_or_assign(std::move(filter), std::move(wanted));
}

void core::restore_retained(std::string_view topic, std::string_view stored) {
    publication what;
    if (!decode(stored, moment(), what) || what.topic != topic) {
        log::error("stored_message_unreadable", {{"topic", topic}});
        return;
    }
    clock_.absorb(what.header.stamp);
    const bool is_over = what.header.expires <= turn_.now || what.payload.empty();
    if (is_over && !retained_.is_clustered()) {
        journal_.erase(table::retained, topic);
    } else {
        retained_.restore(what);
    }
}

void core::restore_claim(const std::optional<retained_claim>& claim) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(turn_.wall.time_since_epoch());
    const hybrid_time present{static_cast<std::uint64_t>(ms.count()) << 16};
    begin_claim(claim.value_or(retained_claim{.from = present, .to = {}}));
}

void core::on_progress(const storage::progress& word) {
    for (const waiter& each : journal_.on_progress(word)) {
        switch (each.what) {
        case waiter::kind::take:
            word.is_lost ? refuse_take(static_cast<std::uint32_t>(each.number - 1))
                         : finish_take(static_cast<std::uint32_t>(each.number - 1));
            break;
        case waiter::kind::operation:
            word.is_lost ? refuse_operation(each.number) : on_applied(each.number);
            break;
        case waiter::kind::spool:
            if (peer_lane* lane = lanes_->find(lane_key::of(each.number))) {
                spool_read(*lane);
            }
            break;
        case waiter::kind::departure:
            on_departure_written(each.number);
            break;
        case waiter::kind::arrival:
            on_arrival_written(each.number);
            break;
        case waiter::kind::home:
            if (home_entry* home = find_home(each.number)) {
                home->is_waking_ = false;
                home->home_.on_durable();
                tell_room(*home);
                pump_replay(each.number);
            }
            break;
        }
    }
    // Those who were held before the disk was full are refused now, and heard.
    if (!journal_.is_behind() || journal_.is_stalled()) {
        set_free(journal_waiters_);
    }
}

} // namespace gv::shard
