// SPDX-License-Identifier: Apache-2.0
// Fronts and homes on different nodes. They say what shards of a node say to each other; here is
// what is different: how words travel, that the other node may be away, and what becomes of those
// that belong together when one node holds the other for dead.
#include "base/assert.hpp"
#include "base/log.hpp"
#include "broker/shard/core.hpp"
#include "broker/shard/errand.hpp"

#include <algorithm>

namespace gv::shard {

using mqtt::reason_code;

namespace {

/// A client waits so long for its home. Longer than a takeover takes while all is well; shorter
/// than clients wait for a CONNACK.
constexpr duration attach_within = 2s;
/// A home waits so long for what a connection that has ended was giving out.
constexpr duration leave_within = 1s;
/// The same once more each for one that was sent away by this broker. All of them end before a
/// hand-over is given up for want of progress.
constexpr unsigned sent_away_waits = 6;

/// Whether its home is to hear of a client that came in without it. What a persistent session has
/// there stays as it is.
[[nodiscard]] bool wants_registration(const session::attach_request* asked) {
    return asked != nullptr && asked->session_expiry == 0;
}

[[nodiscard]] std::optional<std::string> name_of(const session::front& who) {
    return who.has_username() ? std::optional<std::string>(who.username()) : std::nullopt;
}

} // namespace

detach given_up(std::uint64_t home, attach_epoch epoch) {
    return {.home = home,
            .epoch = epoch,
            .notice = {.cause = session::close_cause::client_disconnect, .session_expiry = {}}};
}

// --- words

void core::post_to_node(shard_id to, const shard_message& word) {
    peer_lane* lane = lanes_ ? lanes_->find_sessions(slot_of(to)) : nullptr;
    if (lane == nullptr || lane->presence == peer_presence::gone) {
        return;
    }
    const std::optional<errand> made = encode(word);
    BROKER_ASSERT(made, "a word that is not said between nodes");
    lane->append(made->what, {.errand = made->bytes}, 0, turn_.now);
    if (in_input_ != nullptr && lane->presence == peer_presence::live && lane->sender.is_full()) {
        ++counts_.lane_holds;
        hold(in_input_->number_, lane->waiters);
    }
    touch(*lane);
}

// The lane ends on any shard; from there a word goes on to the one that it is for. What one shard
// of a node says to one of another stays in order.
void core::on_errand(incoming_lane_id from, const publication& what, std::string_view bytes) {
    const cluster::lane_identity& lane = lanes_->from(from)->receiver.lane();
    const auto slot = lanes_->slot_of(lane.origin);
    if (slot && lanes_->find_sessions(*slot)->life != lane.boot) {
        return; // its node has begun another life, and the link is not closed yet
    }
    std::optional<shard_message> word = decode_errand(bytes, what);
    if (!slot || !word || !hand_on(party_of(*slot), lane.boot, std::move(*word))) {
        log::warn("session_word_unreadable",
                  {{"remedy", "one of the nodes is not what it says: look at their versions"}});
    }
}

/// False if there is no such shard.
bool core::hand_on(shard_id party, boot_id boot, shard_message word) {
    if (const std::optional<shard_id> receiver = receiver_of(word, options_.shards)) {
        if (receiver->value >= options_.shards) {
            return false;
        }
        if (is_mine(*receiver)) {
            on_message(party, word);
        } else {
            post_rare(*receiver,
                      word_of_node{.party = party,
                                   .boot = boot,
                                   .what = std::make_shared<boxed_word>(std::move(word))});
        }
        return true;
    }
    const auto shared = std::make_shared<boxed_word>(std::move(word));
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (!is_mine(shard_id{shard})) {
            post_rare(shard_id{shard}, word_of_node{.party = party, .boot = boot, .what = shared});
        }
    }
    on_message(party, shared->what);
    return true;
}

// This shard may have heard of a newer life of the node than the one where the lane ends; or of an
// older one, or of none: then the word waits until membership has told.
void core::on_word_of_node(const word_of_node& word) {
    const peer_lane* lane = lanes_->find_sessions(slot_of(word.party));
    if (lane == nullptr || lane->life < word.boot) {
        early_words_.push_back(word);
    } else if (lane->life == word.boot) {
        on_message(word.party, word.what->what);
    }
}

void core::hear_early_words() {
    for (const word_of_node& each : std::exchange(early_words_, {})) {
        on_word_of_node(each);
    }
}

bool core::is_live(shard_id party) const noexcept {
    const peer_lane* lane = lanes_ ? lanes_->find_sessions(slot_of(party)) : nullptr;
    return lane != nullptr && lane->presence == peer_presence::live;
}

std::vector<client*> core::clients_of(shard_id party) {
    std::vector<client*> found;
    for (const auto& [number, each] : clients_) {
        if (!each->is_ended_ && each->home_at_ == party) {
            found.push_back(each);
        }
    }
    return found;
}

// --- fronts here, homes there

void core::attach_at_node(client& from, std::optional<std::string_view> username,
                          session::attach_request request) {
    if (from.home_at_ == home_unknown && request.session_expiry > 0) {
        attaching_.push_back({.due = turn_.now + attach_within, .connection = from.number_});
        return; // the table is about to say it
    }
    if (!is_live(from.home_at_)) {
        admit_or_refuse(from);
        return;
    }
    if (request.session_expiry > 0 && refer_to_home(from)) {
        return;
    }
    attaching_.push_back({.due = turn_.now + attach_within, .connection = from.number_});
    post_rare(
        from.home_at_,
        shard::attach{.connection = from.number_,
                      .username = username ? std::optional(std::string(*username)) : std::nullopt,
                      .request = std::move(request)});
}

bool core::refer_to_home(client& from) {
    session::front& who = from.front_;
    const auto there = options_.referrals != nullptr && who.may_be_referred()
                           ? options_.referrals->refer(from.home_at_, who.client_hash(), turn_.now)
                           : std::nullopt;
    if (there) {
        ++counts_.referred;
        who.on_referred(*there);
        touch(from);
    }
    return there.has_value();
}

void core::refuse_late_attaches() {
    while (!attaching_.empty() && attaching_.front().due <= turn_.now) {
        client* late = find_client(attaching_.pop_front().connection);
        if (late == nullptr) {
            continue;
        }
        if (late->front_.state() == session::front::phase::attaching) {
            if (!is_node(late->home_at_)) {
                continue; // it waits at a home on this node since, which answers
            }
            admit_or_refuse(*late);
            if (late->is_attached_ && wants_registration(late->registration_.get())) {
                attaching_.push_back(
                    {.due = turn_.now + attach_within, .connection = late->number_});
            }
        } else if (late->is_attached_ && !late->is_registered_
                   && wants_registration(late->registration_.get())
                   && (!is_node(late->home_at_) || is_live(late->home_at_))) {
            register_late(*late); // its home may not have known that it is
        }
    }
}

// The home is away. Who needs nothing of it comes in, and is registered when it is back.
void core::admit_or_refuse(client& from) {
    const bool is_kept = from.registration_->session_expiry > 0;
    if (is_kept && options_.away == when_home_is_away::refuse) {
        from.front_.on_kicked(session::close_cause::refused, reason_code::server_unavailable,
                              "the node that keeps this session does not answer");
        touch(from);
        return;
    }
    on_attached(from.number_, from.home_at_, 0, {});
}

void core::register_late(client& in) {
    session::attach_request again = *in.registration_;
    again.is_late = true;
    again.clean_start = true; // it was told that it has no session
    attaching_.push_back({.due = turn_.now + attach_within, .connection = in.number_});
    if (is_mine(in.home_at_)) {
        on_attach({.shard = options_.me, .connection = in.number_}, name_of(in.front_),
                  std::move(again));
        return;
    }
    post_rare(in.home_at_, shard::attach{.connection = in.number_,
                                         .username = name_of(in.front_),
                                         .request = std::move(again)});
}

// It came in without its home, whose answer comes now. One that came in with a session of its own
// has none there, and one that is registered elsewhere meanwhile is so no more.
void core::on_registered(client& in, shard_id party, std::uint64_t home,
                         const session::attached& answer) {
    const bool is_its_home = in.home_at_ == party && !answer.is_held_by_home
                             && wants_registration(in.registration_.get());
    if (is_its_home && !in.is_registered_) {
        in.home_ = home;
        in.is_registered_ = true;
        in.front_.on_registered(answer.epoch);
    } else if (!is_its_home || in.home_ != home || in.front_.epoch() != answer.epoch) {
        post_rare(party, given_up(home, answer.epoch));
    }
}

/// Nothing of it is attached there any more.
void core::lose_home(client& in) {
    if (in.front_.is_held_by_home()) {
        in.front_.on_kicked(session::close_cause::administrative, reason_code::server_busy,
                            "the node that keeps this session is away");
        touch(in);
        return;
    }
    in.is_registered_ = false;
}

void core::on_detached_all(shard_id party, shard_id home_shard) {
    for (client* each : clients_of(party)) {
        if (each->is_registered_ && is_on(home_shard, each->home_)) {
            lose_home(*each);
        }
    }
    lose_members_of(party, home_shard);
    lose_queues_of(party, home_shard);
    return_of(party); // what it asked then was not heard
}

// Its home does not know of it, or knows it still and this node has given that up: then it hears
// that the client is gone, without its will, which is a matter of this node.
void core::leave_unregistered(client& from, session::close_cause cause) {
    publish_own_will(from, cause);
    if (from.front_.epoch().value != 0 && is_node(from.home_at_)) {
        post_rare(from.home_at_, given_up(from.home_, from.front_.epoch()));
    }
}

// A home ends a connection that this node does not count as attached there. One that is still
// giving something out says by itself that it has left.
void core::give_up_unknown(shard_id party, const shard::kick& word, const client* connected) {
    const auto leaving = leavers_.find(word.connection);
    const bool will_say_so = connected == nullptr
                                 ? leaving != leavers_.end() && leaving->second.party == party
                                 : (connected->is_registered_ && connected->home_at_ == party)
                                       || !connected->is_attached_;
    if (!will_say_so) {
        post_rare(party, given_up(word.home, word.epoch));
    }
}

// A will that its home does not know of.
void core::publish_own_will(client& from, session::close_cause cause) {
    const bool is_wanted = cause != session::close_cause::client_disconnect
                           && cause != session::close_cause::server_shutdown;
    if (is_wanted && from.registration_ != nullptr && from.registration_->will) {
        ++counts_.wills;
        publish(from.registration_->will->published_at(turn_.now), {});
    }
}

// Who takes over may count on all that came before as taken: that a node is still giving out a
// message of QoS 2 only that node knows.
// And what it says next, at another node, must not overtake what is on its way from here.
void core::leave_home(client& from, const shard::detach& word) {
    const std::size_t under_way = options_.shares_sessions ? from.front_.under_way() : 0;
    if (under_way == 0) {
        say_detached(from.home_at_, word);
        return;
    }
    const bool is_sent_away = word.notice.cause == session::close_cause::administrative
                              || word.notice.cause == session::close_cause::server_shutdown;
    leavers_.emplace(from.number_, leaver{.party = from.home_at_,
                                          .word = word,
                                          .under_way = under_way,
                                          .held = from.front_.held_under_way(),
                                          .more_waits = is_sent_away ? sent_away_waits : 0});
    leaving_.push_back({.due = turn_.now + leave_within, .connection = from.number_});
    tell_home(from, false);
    if (home_entry* home = is_mine(from.home_at_) ? find_home(from.home_) : nullptr) {
        home->client_ = nullptr;
    }
}

void core::on_leaver_taken(std::uint64_t connection, session::route_token token,
                           reason_code reason) {
    const auto found = leavers_.find(connection);
    if (found == leavers_.end()) {
        return;
    }
    leaver& gone = found->second;
    if (const auto held = gone.held.extract(token); held && mqtt::is_error(reason)) {
        release_at_home(connection, gone, held.mapped());
    }
    if (--gone.under_way == 0) {
        end_leaver(connection);
    }
}

// The client was not told, and sends it again.
void core::release_at_home(std::uint64_t connection, const leaver& gone, packet_id id) {
    if (!is_mine(gone.party)) {
        post_rare(gone.party, inbound_change{.home = gone.word.home,
                                             .connection = connection,
                                             .branch = {},
                                             .id = id,
                                             .level = options_.level,
                                             .is_held = false});
    } else if (home_entry* home =
                   find_home(gone.word.home, {.shard = options_.me, .connection = connection})) {
        on_inbound_change(*home, id, false, options_.level);
    }
}

void core::end_leaver(std::uint64_t connection) {
    const auto found = leavers_.find(connection);
    if (found != leavers_.end()) {
        const leaver gone = std::move(found->second);
        leavers_.erase(found);
        say_detached(gone.party, gone.word);
    }
}

// What is still under way waits for a disk, or for a node: the client does not wait with it. Of
// QoS 2 it may come twice then, since its home forgets identifiers that may not have been routed.
// Who is sent away, as for a hand-over, did not ask for that, and waits longer.
void core::release_late_leavers() {
    while (!leaving_.empty() && leaving_.front().due <= turn_.now) {
        const std::uint64_t connection = leaving_.pop_front().connection;
        const auto found = leavers_.find(connection);
        if (found == leavers_.end()) {
            continue;
        }
        if (found->second.more_waits > 0) {
            --found->second.more_waits;
            leaving_.push_back({.due = turn_.now + leave_within, .connection = connection});
            continue;
        }
        found->second.word.is_early = true;
        end_leaver(connection);
    }
}

// --- homes here, fronts there

void core::note_unrouted(home_entry& home, shard_id from, packet_id id, bool is_held) {
    if (!is_node(from)) {
        return;
    }
    if (is_held && !home.unrouted_) {
        const peer_lane& lane = *lanes_->find_sessions(slot_of(from));
        home.unrouted_ = std::make_unique<home_entry::unrouted>(
            home_entry::unrouted{.by = {.node = lane.place().peer, .boot = lane.life}, .ids = {}});
    }
    if (is_held) {
        home.unrouted_->ids.insert(id.value);
    } else if (home.unrouted_) {
        home.unrouted_->ids.erase(id.value);
    }
}

void core::note_routed(home_entry& home, packet_id id) {
    const session::session_state* state = home.home_.session();
    if (state != nullptr && state->inbound.contains(id.value)) {
        log_inbound(home, id, true, durability::memory);
    }
}

void core::note_all_routed(home_entry& home) {
    if (const auto routed = std::move(home.unrouted_)) {
        for (const std::uint16_t id : routed->ids) {
            note_routed(home, packet_id{id});
        }
    }
}

// What was being given out may not have been: the client sends it again.
void core::forget_unrouted(home_entry& home) {
    if (const auto unrouted = std::move(home.unrouted_)) {
        for (const std::uint16_t id : unrouted->ids) {
            on_inbound_change(home, packet_id{id}, false, options_.level);
        }
    }
}

// Others may say of a node that has just died that it lives; a link is made by that life alone.
bool core::is_going_on(const storage::unrouted_record& life) const {
    if (life.node == options_.node) {
        return life.boot == options_.boot;
    }
    const auto slot = lanes_ ? lanes_->slot_of(life.node) : std::nullopt;
    const peer_lane* lane = slot ? lanes_->find_sessions(*slot) : nullptr;
    return lane != nullptr && lane->life == life.boot && lane->sender.is_linked()
           && !lane->sender.is_suspected();
}

// Of a session that was read from the disk. A life that goes on gives out what it has begun with.
void core::settle_unrouted(home_entry& home) {
    if (home.unrouted_ && is_going_on(home.unrouted_->by)) {
        note_all_routed(home);
    } else {
        forget_unrouted(home);
    }
}

// Whoever was connected there is so no more.
void core::lose_fronts_of(shard_id party, const session::detach_notice& how) {
    std::vector<home_entry*> attached;
    for (home_entry* each : homes_) {
        if (each->successor_ && each->successor_->from.shard == party) {
            each->successor_.reset();
        }
        if (each->home_.front() && each->home_.front()->shard == party) {
            attached.push_back(each);
        }
    }
    for (home_entry* each : attached) {
        on_detach({.home = each->number(),
                   .epoch = each->home_.epoch(),
                   .notice = how,
                   .is_early = true});
    }
}

// They were connected to a life that is over: none of them is still.
void core::hurry_wills_of(shard_id party) {
    for (home_entry* each : homes_) {
        if (!each->home_.front() && each->home_.will() != nullptr) {
            each->home_.on_certain_loss(party, options_.will_grace);
            settle_home(*each);
        }
    }
}

// Nobody waits for clients of a node that does not answer.
void core::open_homes_at(shard_id party) {
    for (home_entry* each : homes_) {
        if (each->waiters_ && each->home_.front() && each->home_.front()->shard == party) {
            open_home(*each);
        }
    }
}

// --- nodes

/// It is held for dead, or has begun a new life.
void core::lose_party(shard_id party, const session::detach_notice& how) {
    if (moves_) {
        forget_parked_of(party);
        stop_departures("a node is away");
        lose_arrivals(party);
        forget_fences(party);
    }
    lose_fronts_of(party, how);
    lose_members_of(party);
    lose_queues_of(party);
    for (client* each : clients_of(party)) {
        if (each->front_.state() == session::front::phase::attaching) {
            admit_or_refuse(*each);
        } else if (each->is_registered_) {
            lose_home(*each);
        }
    }
}

// Who was held for dead and is not is told so, before anything else.
void core::note_parties(const peer_standing& now, bool was_live, bool is_reborn) {
    const shard_id party = party_of(now.slot);
    const bool is_live = now.presence == peer_presence::live;
    const bool is_over = is_reborn || now.has_ended || now.presence == peer_presence::gone;
    if ((was_live && !is_live) || is_reborn) {
        set_free(lanes_->find_sessions(now.slot)->waiters);
        // Who stops says so to its clients: they have no wills. Of who is silent nobody knows
        // whether its clients are gone too: this node may be the one that is cut off.
        lose_party(party, {.cause = now.has_stopped ? session::close_cause::server_shutdown
                                                    : session::close_cause::connection_lost,
                           .session_expiry = {},
                           .will_wait = is_over ? options_.will_grace
                                                : std::max(options_.will_grace,
                                                           options_.will_on_partition)});
    } else if (now.is_suspected) {
        open_homes_at(party);
    }
    if (is_over) {
        hurry_wills_of(party);
    }
    if (is_live && !was_live && !is_reborn) {
        post_rare(party, detached_all{.home_shard = options_.me});
    }
    if (moves_ && is_live && !was_live) {
        stop_departures("another node has come"); // it was not asked
    }
    if (is_live && (!was_live || is_reborn)) {
        return_of(party);
    }
}

void core::return_of(shard_id party) {
    for (client* each : clients_of(party)) {
        if (each->is_attached_ && !each->is_registered_
            && wants_registration(each->registration_.get())) {
            register_late(*each);
        }
    }
    ask_queues();
}

// Who comes back gives a sign of life at the home of its partition: until then that is this node.
std::bitset<partition_count> core::partitions_of_waiting_wills() const {
    std::bitset<partition_count> found;
    for (home_entry* each : homes_) {
        if (!each->home_.front() && each->home_.session() == nullptr) {
            found.set(each->partition().value);
        }
    }
    return found;
}

std::vector<partition_id> core::release(std::span<const partition_id> wanted) {
    std::vector<partition_id> released;
    const auto waiting =
        wanted.empty() ? std::bitset<partition_count>() : partitions_of_waiting_wills();
    for (const partition_id each : wanted) {
        const bool is_mine_now =
            !is_node(homes_at_[each.value]) && is_mine(home_shard(each, options_.shards));
        if (is_mine_now && stored_in_[each.value] == 0 && !waiting.test(each.value)
            && !is_being_read(each)) {
            homes_at_[each.value] = home_unknown;
            released.push_back(each);
        }
    }
    return released;
}

// It has its session with it; where it was registered, it is given up.
void core::move_volatile(client& in, shard_id home) {
    if (in.is_registered_) {
        say_detached(in.home_at_, given_up(in.home_, in.front_.epoch()));
    }
    in.home_at_ = home;
    in.home_ = 0; // what it was called elsewhere means nothing there
    in.is_registered_ = false;
    in.front_.on_registered({});
    if (wants_registration(in.registration_.get()) && (!is_node(home) || is_live(home))) {
        register_late(in);
    }
}

std::size_t core::misplaced_sessions() const noexcept {
    std::size_t found = 0;
    for (std::size_t each = 0; each < partition_count; ++each) {
        found += is_node(homes_at_[each]) ? stored_in_[each] : 0;
    }
    return found;
}

// As after `store import` on a node of a cluster.
void core::look_for_misplaced() {
    const auto found =
        static_cast<std::size_t>(std::ranges::count_if(homes_, [this](home_entry* each) {
            return each->home_.session() != nullptr && !each->is_moving_
                   && is_node(home_of(each->client_hash()));
        }));
    if (found > 0 && found != misplaced_) {
        log::warn("sessions_misplaced",
                  {{"count", found},
                   {"remedy", "none is needed: they go over to their homes, where clients look for "
                              "them, while all members are alive"}});
    }
    misplaced_ = found;
}

void core::set_homes(const partition_homes& now) {
    homes_at_ = now;
    if (moves_) {
        follow_table();
        for (auto& [which, each] : moves_->arrivals) {
            look_if_home(each);
        }
        begin_departures();
        attach_early();
    }
    look_for_misplaced();
    follow_queues();
    std::vector<client*> all;
    for (const auto& [number, each] : clients_) {
        all.push_back(each);
    }
    for (client* each : all) {
        const bool is_attaching = each->front_.state() == session::front::phase::attaching;
        const shard_id home = home_of(each->front_.client_hash());
        if (each->is_ended_ || !(each->is_attached_ || is_attaching) || home == each->home_at_) {
            continue;
        }
        if (is_attaching && each->registration_) {
            attach(each->front_, *each->registration_);
        } else if (each->is_attached_ && !each->front_.is_held_by_home()) {
            move_volatile(*each, home);
        } else {
            each->front_.on_kicked(session::close_cause::administrative, reason_code::server_busy,
                                   "the home of this session has changed");
            touch(*each);
        }
    }
}

} // namespace gv::shard
