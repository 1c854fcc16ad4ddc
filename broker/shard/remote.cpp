// SPDX-License-Identifier: Apache-2.0
// Fronts and homes on different nodes. They say what shards of a node say to each other; here is
// what is different: how words travel, that the other node may be away, and what becomes of those
// that belong together when one node holds the other for dead.
#include "base/assert.hpp"
#include "base/log.hpp"
#include "broker/shard/core.hpp"
#include "broker/shard/errand.hpp"

#include <algorithm>
#include <bitset>

namespace gv::shard {

using mqtt::reason_code;

namespace {

/// A client waits so long for its home. Longer than a takeover takes while all is well; shorter
/// than clients wait for a CONNACK.
constexpr duration attach_within = 2s;

/// Whether its home is to hear of a client that came in without it. What a persistent session has
/// there stays as it is.
[[nodiscard]] bool wants_registration(const session::attach_request* asked) {
    return asked != nullptr && asked->session_expiry == 0;
}

} // namespace

// --- words

void core::post_to_node(shard_id to, const shard_message& word) {
    peer_lane* lane = lanes_ ? lanes_->find_sessions(slot_of(to)) : nullptr;
    if (lane == nullptr || lane->presence == peer_presence::gone) {
        return;
    }
    const std::optional<errand> made = encode(word);
    BROKER_ASSERT(made, "a word that is not said between nodes");
    lane->append(made->what, {.errand = made->bytes}, 0, turn_.now);
    touch(*lane);
}

// The lane ends on any shard; from there a word goes on to the one that it is for. What one shard
// of a node says to one of another stays in order.
void core::on_errand(incoming_lane_id from, const publication& what, std::string_view bytes) {
    const auto slot = lanes_->slot_of(lanes_->from(from)->receiver.lane().origin);
    std::optional<shard_message> word = decode_errand(bytes, what);
    if (!slot || !word || !hand_on(party_of(*slot), std::move(*word))) {
        log::warn("session_word_unreadable",
                  {{"remedy", "one of the nodes is not what it says: look at their versions"}});
    }
}

/// False if there is no such shard.
bool core::hand_on(shard_id party, shard_message word) {
    if (const std::optional<shard_id> receiver = receiver_of(word, options_.shards)) {
        if (receiver->value >= options_.shards) {
            return false;
        }
        if (is_mine(*receiver)) {
            on_message(party, word);
        } else {
            post_rare(*receiver,
                      word_of_node{.party = party,
                                   .what = std::make_shared<boxed_word>(std::move(word))});
        }
        return true;
    }
    const auto shared = std::make_shared<boxed_word>(std::move(word));
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (!is_mine(shard_id{shard})) {
            post_rare(shard_id{shard}, word_of_node{.party = party, .what = shared});
        }
    }
    on_message(party, shared->what);
    return true;
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
    from.registration_ = std::make_unique<session::attach_request>(request);
    if (!is_live(from.home_at_)) {
        admit_or_refuse(from);
        return;
    }
    attaching_.push_back({.due = turn_.now + attach_within, .connection = from.number_});
    post_rare(
        from.home_at_,
        shard::attach{.connection = from.number_,
                      .username = username ? std::optional(std::string(*username)) : std::nullopt,
                      .request = std::move(request)});
}

void core::refuse_late_attaches() {
    while (!attaching_.empty() && attaching_.front().due <= turn_.now) {
        client* late = find_client(attaching_.pop_front().connection);
        if (late != nullptr && late->front_.state() == session::front::phase::attaching) {
            admit_or_refuse(*late);
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
    const bool has_name = in.front_.has_username();
    post_rare(in.home_at_, shard::attach{.connection = in.number_,
                                         .username = has_name ? std::optional(in.front_.username())
                                                              : std::nullopt,
                                         .request = std::move(again)});
}

// It came in without its home, whose answer comes now.
void core::on_registered(client& in, shard_id party, std::uint64_t home,
                         const session::attached& answer) {
    if (wants_registration(in.registration_.get()) && in.home_at_ == party && !in.is_registered_) {
        in.home_ = home;
        in.is_registered_ = true;
        in.front_.on_registered(answer.epoch);
    } else if (!in.is_registered_) { // it has a session of its own for this connection
        post_rare(party, detach{.home = home,
                                .epoch = answer.epoch,
                                .notice = {.cause = session::close_cause::client_disconnect,
                                           .session_expiry = {}}}); // without its will
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
    if (wants_registration(in.registration_.get()) && is_live(in.home_at_)) {
        register_late(in);
    }
}

void core::on_detached_all(shard_id party, shard_id home_shard) {
    for (client* each : clients_of(party)) {
        if (each->is_registered_ && each->home_ >> shard_bits == home_shard.value) {
            lose_home(*each);
        } else if (each->is_attached_ && !each->is_registered_
                   && wants_registration(each->registration_.get())) {
            register_late(*each); // what it asked then was not heard
        }
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
void core::leave_node(client& from, shard::detach word) {
    const std::size_t under_way = from.front_.under_way();
    if (under_way > 0) {
        leavers_.emplace(from.number_,
                         leaver{.party = from.home_at_, .word = word, .under_way = under_way});
    } else {
        post_rare(from.home_at_, word);
    }
}

void core::on_leaver_taken(std::uint64_t connection) {
    const auto found = leavers_.find(connection);
    if (found != leavers_.end() && --found->second.under_way == 0) {
        post_rare(found->second.party, found->second.word);
        leavers_.erase(found);
    }
}

// --- homes here, fronts there

void core::note_unrouted(home_entry& home, shard_id from, packet_id id, bool is_held) {
    if (!is_node(from)) {
        return;
    }
    if (is_held && !home.unrouted_) {
        home.unrouted_ = std::make_unique<boost::unordered_flat_set<std::uint16_t>>();
    }
    if (is_held) {
        home.unrouted_->insert(id.value);
    } else if (home.unrouted_) {
        home.unrouted_->erase(id.value);
    }
}

void core::note_routed(std::uint64_t number, const session::inbound_ack& what) {
    home_entry* home = find_home(number);
    if (home != nullptr && home->unrouted_ && what.type == mqtt::packet_type::pubrec) {
        home->unrouted_->erase(what.id.value);
    }
}

// Whoever was connected there is so no more. What it was giving out may not have been given out:
// the client sends it again.
void core::lose_fronts_of(shard_id party) {
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
        if (const auto unrouted = std::move(each->unrouted_)) {
            for (const std::uint16_t id : *unrouted) {
                on_inbound_change(*each, packet_id{id}, false, options_.level);
            }
        }
        on_detach(each->number(), each->home_.epoch(),
                  {.cause = session::close_cause::connection_lost, .session_expiry = {}});
    }
}

// --- nodes

/// It is held for dead, or has begun a new life.
void core::lose_party(shard_id party) {
    lose_fronts_of(party);
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
    if ((was_live && !is_live) || is_reborn) {
        lose_party(party);
    }
    if (is_live && !was_live && !is_reborn) {
        post_rare(party, detached_all{.home_shard = options_.me});
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
}

std::vector<partition_id> core::release(std::span<const partition_id> wanted) {
    std::bitset<partition_count> occupied;
    for (const home_entry* each : homes_) {
        occupied.set(each->partition().value);
    }
    std::vector<partition_id> released;
    for (const partition_id each : wanted) {
        const bool is_mine_now =
            !is_node(homes_at_[each.value]) && is_mine(home_shard(each, options_.shards));
        if (is_mine_now && !occupied.test(each.value)) {
            homes_at_[each.value] = home_unknown;
            released.push_back(each);
        }
    }
    return released;
}

void core::set_homes(const partition_homes& now) {
    homes_at_ = now;
    std::vector<client*> all;
    for (const auto& [number, each] : clients_) {
        all.push_back(each);
    }
    for (client* each : all) {
        const bool has_asked =
            each->is_attached_ || each->front_.state() == session::front::phase::attaching;
        const shard_id home = home_of(each->front_.client_hash());
        if (each->is_ended_ || !has_asked || home == each->home_at_) {
            continue;
        }
        if (each->is_attached_ && !each->is_registered_ && is_node(home)) {
            each->home_at_ = home; // nobody has known of it
            lose_home(*each);
            continue;
        }
        each->front_.on_kicked(session::close_cause::administrative, reason_code::server_busy,
                               "the home of this session has changed");
        touch(*each);
    }
}

} // namespace gv::shard
