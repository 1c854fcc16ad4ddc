// SPDX-License-Identifier: Apache-2.0
// Fronts and homes: attach, kick, push, acknowledge, detach. Each is a call if both are on this
// shard, and a message if not.
#include "base/log.hpp"
#include "broker/mqtt/describe.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

namespace {

/// Less than clients, and nodes of fronts, wait for an answer.
constexpr duration flapping_wait = 1s;

[[nodiscard]] partition_id partition_of(std::uint64_t client_hash) noexcept {
    return partition_id{static_cast<std::uint16_t>(client_hash % partition_count)};
}

} // namespace

shard_id core::home_of(std::uint64_t client_hash) const noexcept {
    const partition_id partition = partition_of(client_hash);
    const shard_id at = homes_at_[partition.value];
    return is_node(at) ? at : home_shard(partition, options_.shards);
}

home_entry* core::find_home(std::uint64_t number) noexcept {
    const auto found = homes_by_number_.find(number);
    return found == homes_by_number_.end() ? nullptr : found->second;
}

// What another node says may come late: of a connection that its home has given up.
home_entry* core::find_home(std::uint64_t number, session::front_address front) noexcept {
    home_entry* found = find_home(number);
    return found != nullptr && found->home_.front() == front ? found : nullptr;
}

void core::attach(session::front& who, session::attach_request request) {
    client& from = owner_of(who);
    std::optional<std::string_view> username;
    if (who.has_username()) {
        username = who.username();
    }
    const shard_id home = home_of(who.client_hash());
    from.home_at_ = home;
    if (moves_) {
        from.registration_ = std::make_unique<session::attach_request>(request);
    }
    if (is_mine(home)) {
        on_attach({.shard = options_.me, .connection = from.number_}, username, std::move(request));
    } else if (is_node(home)) {
        attach_at_node(from, username, std::move(request));
    } else {
        post_rare(home, shard::attach{.connection = from.number_,
                                      .username = username ? std::optional(std::string(*username))
                                                           : std::nullopt,
                                      .request = std::move(request)});
    }
}

void core::on_attach(session::front_address from, std::optional<std::string_view> username,
                     session::attach_request request) {
    if (is_node(from.shard) && !is_live(from.shard)) {
        return; // it will be told that nothing of it is attached here, or is no more
    }
    if (auto* parking = parking_for(partition_of(hash64(request.client_id)), request.client_id)) {
        if (!request.is_late) { // who is in already asks again
            park(*parking, from, username ? std::optional(std::string(*username)) : std::nullopt,
                 std::move(request));
        }
        return;
    }
    auto found = homes_.find(std::string_view(request.client_id));
    if (found == homes_.end() && room_to_keep() == store_room::none && request.session_expiry > 0) {
        refuse(from, session::close_cause::refused, mqtt::reason_code::quota_exceeded,
               "the disk has no room for another session");
        return;
    }
    if (is_leaving_ && request.session_expiry > 0
        && (found == homes_.end() || (*found)->home_.session() == nullptr)) {
        refuse_while_leaving(from);
        return;
    }
    if (found == homes_.end()) {
        auto made =
            std::make_unique<home_entry>(*this, home_context_, request.client_id, ++next_number_);
        homes_by_number_.emplace(made->number(), made.get());
        found = homes_.insert(made.release()).first;
    }
    home_entry& home = **found;
    if (request.is_late && home.home_.front() == from) {
        send_attach_answer(from, home.number(), {.epoch = home.home_.epoch(), .inbound = {}});
        return;
    }
    if (request.is_late && home.home_.front() && request.connected_at < home.connected_at_) {
        refuse(from, session::close_cause::taken_over, mqtt::reason_code::session_taken_over,
               "another connection has this client identifier");
        return;
    }
    if (home.home_.front() == from) {
        return; // it has asked twice, as its table changed and changed back: the answer is on its
                // way
    }
    if (home.home_.front()) {
        ++counts_.takeovers;
        await_succession(
            home, {.from = from,
                   .username = username ? std::optional(std::string(*username)) : std::nullopt,
                   .request = std::move(request)});
        return;
    }
    attach_now(home, from, username, std::move(request));
}

// Of a client identifier that two devices use, the one that is in stays so for a while: so each
// gets something done, and the broker does other things too. Who comes after one that waits takes
// its place, and waits no longer than that one would have.
void core::await_succession(home_entry& home, home_entry::successor next) {
    const session::front_address from = next.from;
    const std::unique_ptr<home_entry::successor> before =
        std::exchange(home.successor_, std::make_unique<home_entry::successor>(std::move(next)));
    if (before) {
        home.successor_->due = before->due;
    }
    if (before && before->from == from) {
        return; // it has asked twice, as it may when its home is back
    }
    const flap_guard::verdict seen = flap_guard_.on_takeover(home.home_.client_hash(), turn_.now);
    if (seen.is_to_tell) {
        log::warn({.client = home.client_id()}, "client_id_flapping",
                  {{"remedy", "two devices use this client identifier, and throw each other out: "
                              "give each one of its own"}});
    }
    counts_.flaps += seen.is_flapping ? 1U : 0U;
    if (before) { // it was not in yet, and could wait for the disk for long
        refuse(before->from, session::close_cause::refused, mqtt::reason_code::server_busy,
               "a later connection has this client identifier");
    } else if (seen.is_flapping) {
        home.successor_->due = turn_.now + flapping_wait;
        settle_home(home);
    } else {
        home.home_.take_over();
    }
}

void core::wake_home(home_entry& home) {
    if (home.successor_ && home.successor_->due <= turn_.now) {
        home.successor_->due = never;
        home.home_.take_over();
        return;
    }
    if (home.home_.next_deadline() <= turn_.now) {
        do_what_is_due(home);
    }
    settle_home(home);
}

void core::refuse_while_leaving(session::front_address from) {
    refuse(from, session::close_cause::refused, mqtt::reason_code::server_busy,
           "this node takes no new session now");
}

void core::attach_now(home_entry& home, session::front_address from,
                      std::optional<std::string_view> username, session::attach_request request) {
    // What is due comes first: its timer may be late, most of all when a node begins to serve.
    if (home.home_.next_deadline() <= turn_.now) {
        do_what_is_due(home);
    }
    if (is_leaving_ && request.session_expiry > 0 && home.home_.session() == nullptr) {
        refuse_while_leaving(from); // it has waited for the connection before it to go
        settle_home(home);
        return;
    }
    home.username_ = username ? std::make_unique<std::string>(*username) : nullptr;
    home.home_.set_user(username.value_or(std::string_view()));
    home.access_ = access_of(request.client_id, username);
    home.bytes_pushed_ = 0;
    home.connected_at_ = request.connected_at;
    settle_unrouted(home);
    open_home(home);
    home.client_ = is_mine(from.shard) ? find_client(from.connection) : nullptr;
    home.home_.on_attach(from, std::move(request));
    if (home.home_.front() != from) {
        return; // it died before, and has been detached again
    }
    log_session(home);
    if (const session::session_state* state = home.home_.session()) {
        set_member_online(home.number(), *state, true);
        pump_replay(home.number());
    }
    settle_home(home);
}

// Whoever is told that there is no session never sees anything of an older one again: its end is on
// disk by then, also if it came before this connection.
void core::answer_attach(session::home& from, session::front_address to, session::attached answer) {
    home_entry& home = entry_of(from);
    if (home.group_) {
        return; // it has no client
    }
    forget_durable_ends();
    const auto end = ends_.find(std::string(home.client_id()));
    if (answer.session_present || journal_.is_lost() || end == ends_.end()
        || journal_.is_durable(end->second)) {
        send_attach_answer(to, home.number(), std::move(answer));
        return;
    }
    home.client_ = nullptr; // it may go meanwhile without a word to its home
    const std::uint64_t number = ++next_operation_;
    journal_.wait(end->second, {.what = waiter::kind::operation, .number = number});
    begin(number,
          operation{
              .remaining = 1, .front = to, .holder = home.number(), .attaches = std::move(answer)});
}

void core::forget_durable_ends() {
    if (!ends_.empty() && (journal_.is_lost() || journal_.is_durable(last_end_))) {
        ends_.clear();
    }
}

bool core::has_open_ends() {
    forget_durable_ends();
    return !ends_.empty();
}

void core::complete_attach(operation done) {
    home_entry* home = find_home(done.holder, done.front);
    if (home == nullptr) {
        return; // it is attached no more
    }
    if (is_mine(done.front.shard)) {
        home->client_ = find_client(done.front.connection);
    }
    send_attach_answer(done.front, done.holder, *std::move(done.attaches));
}

void core::send_attach_answer(session::front_address to, std::uint64_t number,
                              session::attached answer) {
    if (is_mine(to.shard)) {
        on_attached(to.connection, options_.me, number, std::move(answer));
    } else {
        post_rare(to.shard, attach_answer{.connection = to.connection,
                                          .home = number,
                                          .answer = std::move(answer)});
    }
}

void core::on_attached(std::uint64_t connection, shard_id home_shard, std::uint64_t home,
                       session::attached answer) {
    client* front = find_client(connection);
    if (front == nullptr) {
        // The connection went away while its home answered.
        // One that waited for another node may have been refused: it has no will.
        const session::detach_notice notice{.cause = is_node(home_shard)
                                                         ? session::close_cause::client_disconnect
                                                         : session::close_cause::connection_lost,
                                            .session_expiry = {}};
        say_detached(home_shard, {.home = home, .epoch = answer.epoch, .notice = notice});
        return;
    }
    if (front->is_attached_) {
        on_registered(*front, home_shard, home, answer);
        return;
    }
    if (home_shard != front->home_at_) { // that has changed meanwhile, and the new one is asked
        say_detached(home_shard, given_up(home, answer.epoch));
        return;
    }
    front->home_ = home;
    front->is_attached_ = true;
    front->is_registered_ = home != 0;
    if (answer.is_held_by_home) {
        front->registration_.reset();
    }
    ++counts_.connected;
    ++counts_.connects;
    count_connect(*front);
    const bool is_present = answer.session_present;
    const bool is_clean = front->front_.is_clean_start();
    front->front_.on_attached(std::move(answer));
    if (front->is_ended_) {
        return;
    }
    log_connected(*front, is_clean, is_present);
    touch(*front);
    arm(*front);
    resume_unless_in_input(*front);
}

void core::log_connected(const client& born, bool is_clean, bool is_present) {
    if (!log::enabled(log::level::debug)) {
        return; // the address of the peer costs something
    }
    const session::front& front = born.front_;
    log::debug({.conn = born.number_, .client = front.client_id()}, "client_connected",
               {{"from", born.peer_text()},
                {"listener", born.profile_->name},
                {"version", mqtt::version_name(front.version())},
                {"clean_start", is_clean},
                {"keep_alive", front.keep_alive()},
                {"user", front.username()},
                {"session_present", is_present}});
}

void core::count_connect(const client& born) {
    const duration took = turn_.now - born.opened_at_;
    const auto* range =
        std::ranges::lower_bound(connect_time_bounds, static_cast<std::uint64_t>(took.count()));
    ++counts_.connect_times[static_cast<std::size_t>(range - connect_time_bounds.begin())];
    counts_.connect_time += took;
}

void core::detach_home(client& from, session::close_cause cause) {
    if (!from.is_attached_) {
        return; // an attach under way is answered by on_attached
    }
    from.is_attached_ = false;
    --counts_.connected;
    if (!from.is_registered_) {
        leave_unregistered(from, cause);
        return;
    }
    session::detach_notice notice = from.front_.farewell();
    notice.cause = cause;
    leave_home(from, {.home = from.home_, .epoch = from.front_.epoch(), .notice = notice});
}

void core::say_detached(shard_id home_shard, const shard::detach& word) {
    if (is_mine(home_shard)) {
        on_detach(word);
    } else {
        post_rare(home_shard, word);
    }
}

void core::on_detach(const shard::detach& word) {
    home_entry* home = find_home(word.home);
    if (home == nullptr || home->home_.epoch() != word.epoch) {
        return;
    }
    home->client_ = nullptr;
    if (word.is_early) {
        forget_unrouted(*home);
    } else {
        note_all_routed(*home);
    }
    open_home(*home);
    home->home_.on_detach(word.epoch, word.notice);
    log_session(*home);
    if (const session::session_state* state = home->home_.session()) {
        set_member_online(word.home, *state, false);
    }
    const std::unique_ptr<home_entry::successor> next = std::move(home->successor_);
    if (!next) {
        const bool was_moving = home->is_moving_;
        const partition_id which = home->partition();
        settle_home(*home);
        if (was_moving) {
            look_if_clear(which);
        }
        return;
    }
    attach_now(*home, next->from,
               next->username ? std::optional<std::string_view>(*next->username) : std::nullopt,
               std::move(next->request));
}

// After anything that may have changed when the home must wake, or whether it still is.
void core::settle_home(home_entry& home) {
    const bool is_stored = home.home_.session() != nullptr;
    if (is_stored != home.is_stored_) {
        home.is_stored_ = is_stored;
        if (!home.group_) {
            is_stored ? ++stored_sessions_ : --stored_sessions_;
        }
        stored_in_[home.partition().value] += is_stored ? 1U : ~0U;
    }
    const time_point due =
        std::min(home.home_.next_deadline(), home.successor_ ? home.successor_->due : never);
    if (due == never) {
        wheel_.cancel(home.timer_);
    } else {
        wheel_.schedule(home.timer_, due);
    }
    if (home.home_.is_gone() && homes_by_number_.erase(home.number()) != 0) {
        homes_.erase(&home);
        group_homes_.erase(&home);
        gone_homes_.emplace_back(&home);
    }
}

void core::kick(session::home& from, session::front_address to, session::close_cause cause,
                mqtt::reason_code reason, std::string_view why) {
    if (entry_of(from).group_) {
        close_queue(entry_of(from));
        return;
    }
    send_kick(to.shard, {.connection = to.connection,
                         .home = entry_of(from).number(),
                         .epoch = from.epoch(),
                         .cause = cause,
                         .reason = reason,
                         .why = std::string(why)});
}

/// Who is not attached.
void core::refuse(session::front_address to, session::close_cause cause, mqtt::reason_code reason,
                  std::string_view why) {
    send_kick(to.shard, {.connection = to.connection,
                         .epoch = {},
                         .cause = cause,
                         .reason = reason,
                         .why = std::string(why)});
}

void core::send_kick(shard_id to, shard::kick word) {
    if (is_mine(to)) {
        on_kick(options_.me, word);
    } else {
        post_rare(to, std::move(word));
    }
}

void core::on_kick(shard_id from, const shard::kick& word) {
    client* old = find_client(word.connection);
    if (is_node(from) && word.home != 0) {
        give_up_unknown(from, word, old);
    }
    // A home that was asked first, and refuses, is not the one that the client asks, or has, since.
    const bool is_late =
        word.home == 0 && old != nullptr && (old->is_registered_ || from != old->home_at_);
    if (old != nullptr && !is_late) {
        old->front_.on_kicked(word.cause, word.reason, word.why);
        touch(*old);
    }
}

void core::push(session::home& from, session::front_address to, const publication& what,
                const session::delivery& how) {
    if (entry_of(from).group_) {
        push_to_member(entry_of(from), what, how);
        return;
    }
    if (is_mine(to.shard)) {
        if (client* front = find_client(to.connection)) {
            front->front_.on_push(what, how);
            touch(*front);
        }
        return;
    }
    home_entry& home = entry_of(from);
    shard::push message{.connection = to.connection,
                        .what = what.held && what.held->is_shared()
                                    ? what.held
                                    : message::copy_of(what, message::reach::shared),
                        .subscription_ids = nullptr,
                        .id = how.id,
                        .quality = how.quality,
                        .retain = how.retain,
                        .dup = how.dup};
    if (!how.subscription_ids.empty()) {
        message.subscription_ids = std::make_unique<std::vector<std::uint32_t>>(
            how.subscription_ids.begin(), how.subscription_ids.end());
    }
    // One question for room on the way is enough; it is asked when half of what may be pushed is.
    const std::size_t before = home.bytes_pushed_;
    const bool may_get_lost = is_node(to.shard) && how.quality == qos::at_most_once;
    home.bytes_pushed_ += may_get_lost ? 0 : message.what->weight();
    const std::size_t half = std::min(replay_output_bytes, options_.limits.output_bytes_max) / 2;
    message.wants_room = before < half && home.bytes_pushed_ >= half;
    // The others are bounded by what may be pushed without room; these go on while they come.
    if (how.quality == qos::at_most_once && !is_node(to.shard)) {
        credit_used_[to.shard.value] += message.what->weight();
        onward_ |= std::uint64_t{1} << to.shard.value;
    }
    post(to.shard, std::move(message));
}

void core::push_pubrel(session::home&, session::front_address to, packet_id id) {
    if (!is_mine(to.shard)) {
        post(to.shard, shard::push_pubrel{.connection = to.connection, .id = id});
    } else if (client* front = find_client(to.connection)) {
        front->front_.on_push_pubrel(id);
        touch(*front);
    }
}

bool core::has_room(const session::home& from, session::front_address to) const {
    if (const group_queue* group = entry_of(from).group_.get()) {
        return !group->is_closing && group->takes_more();
    }
    if (is_mine(to.shard)) {
        const auto found = clients_.find(to.connection);
        return found != clients_.end()
               && found->second->front_.output().size() < options_.limits.output_bytes_max;
    }
    return entry_of(from).bytes_pushed_ < options_.limits.output_bytes_max;
}

void core::acknowledge(session::front& who, const session::delivery_ack& ack) {
    client& from = owner_of(who);
    const shard_id shard = from.home_at_;
    if (!is_mine(shard)) {
        post(shard, home_ack{.home = from.home_, .connection = from.number_, .ack = ack});
        return;
    }
    if (home_entry* home = find_home(from.home_)) {
        on_home_ack(*home, {.shard = options_.me, .connection = from.number_}, ack);
    }
}

void core::on_home_ack(home_entry& home, session::front_address from,
                       const session::delivery_ack& ack) {
    if (home.home_.front() != from) {
        return;
    }
    const session::outbound::ack outcome = home.home_.on_ack(ack);
    if (outcome != session::outbound::ack::done) {
        if (!is_mine(from.shard)) {
            post_rare(from.shard,
                      settled{.connection = from.connection, .ack = ack, .outcome = outcome});
        } else if (client* front = find_client(from.connection)) {
            front->front_.on_settled(ack, outcome);
        }
    }
    tell_room(home);
    // The session may have ended with the connection just now.
    if (home.home_.session() != nullptr && !home.home_.session()->replays.empty()) {
        pump_replay(home.number());
    }
}

void core::hold_inbound(session::front& who, packet_id id) {
    change_inbound(owner_of(who), id, true);
}

void core::release_inbound(session::front& who, packet_id id) {
    change_inbound(owner_of(who), id, false);
}

void core::confirm(session::front& who, const session::inbound_ack& what) {
    const client& from = owner_of(who);
    const shard_id home = from.home_at_;
    if (is_mine(home) || (!journal_.is_on() && !is_node(home))) {
        on_confirm({.shard = options_.me, .connection = from.number_}, what);
    } else {
        post_rare(home,
                  shard::confirm{.home = from.home_, .connection = from.number_, .what = what});
    }
}

// Whatever the level of the message was: an identifier that came back after its PUBCOMP would
// swallow the next message that uses it.
void core::on_confirm(session::front_address from, const session::inbound_ack& what) {
    if (journal_.is_lost()) {
        return; // what cannot be stored is not confirmed
    }
    operation begun{.front = from, .confirms = what};
    const std::uint64_t number = ++next_operation_;
    begun.remaining = journal_.wait_for_all({.what = waiter::kind::operation, .number = number});
    begin(number, std::move(begun));
}

void core::answer_confirm(session::front_address to, const session::inbound_ack& what) {
    if (!is_mine(to.shard)) {
        post_rare(to.shard, confirmed{.connection = to.connection, .what = what});
    } else if (client* front = find_client(to.connection)) {
        front->front_.on_confirmed(what);
        touch(*front);
    }
}

void core::change_inbound(client& from, packet_id id, bool is_held) {
    const shard_id shard = from.home_at_;
    const durability level = given_out_ != nullptr ? given_out_->level : from.profile_->level;
    if (!is_mine(shard)) {
        post_rare(shard,
                  inbound_change{.home = from.home_,
                                 .connection = from.number_,
                                 .branch = is_node(shard) ? storage::branch{} : journal_.fork(),
                                 .id = id,
                                 .level = level,
                                 .is_held = is_held});
    } else if (home_entry* home = find_home(from.home_)) {
        on_inbound_change(*home, id, is_held, level);
    }
}

void core::on_inbound_change(home_entry& home, packet_id id, bool is_held, durability level) {
    const session::session_state* state = home.home_.session();
    // Of what was refused before it was held, nothing is to be erased.
    const bool changes = is_held || (state != nullptr && state->inbound.contains(id.value));
    if (is_held) {
        home.home_.hold_inbound(id);
    } else {
        home.home_.release_inbound(id);
    }
    if (state != nullptr && changes) {
        log_inbound(home, id, is_held, level);
    }
}

void core::session_ended(session::home& from, session::session_state& state) {
    home_entry& home = entry_of(from);
    open_home(home);
    end_memberships(home);
    forget_session(home, state);
    withdraw_all(home, home.number(), state);
    home.memberships_.reset();
    // What is still on its way to this session from other shards must not reach the next one.
    homes_by_number_.erase(home.number_);
    home.number_ = ++next_number_;
    home.is_waking_ = false; // what woke the old one finds nobody
    homes_by_number_.emplace(home.number_, &home);
    ++counts_.sessions_ended;
}

} // namespace gv::shard
