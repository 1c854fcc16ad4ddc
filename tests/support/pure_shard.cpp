// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pure_shard.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>

namespace gv::support {

pure_peer::pure_peer(shard::core& core, std::size_t shard,
                     std::shared_ptr<const shard::listener_profile> profile)
    : client(core, std::move(profile)), core_(&core), shard_(shard) {}

void pure_peer::write(std::string_view bytes) {
    if (is_ending_ || is_closed_) {
        return;
    }
    pending_.append(bytes);
    feed();
}

std::string pure_peer::take() { return std::exchange(received_, {}); }

void pure_peer::cut() {
    if (!is_closed_) {
        is_closed_ = true;
        core_->on_lost(*this, session::close_cause::connection_lost);
    }
}

void pure_peer::feed() {
    if (!shard::core::takes_input(*this)) {
        return;
    }
    const std::string input = std::exchange(pending_, {});
    const std::size_t used = core_->on_input(*this, input);
    if (!is_ending_ && !is_closed_) {
        pending_ = input.substr(used);
    }
}

void pure_peer::resume_input() {
    if (!is_ending_ && !is_closed_ && !pending_.empty()) {
        feed();
    }
}

void pure_peer::end() {
    is_ending_ = true;
    pending_.clear();
}

void pure_peer::flush() {
    output_buffer& output = front().output();
    std::array<iovec, 16> parts{};
    while (!output.empty() && socket_room > 0 && !is_closed_) {
        const std::size_t used = output.gather(parts);
        std::size_t sent = 0;
        for (std::size_t i = 0; i < used && socket_room > 0; ++i) {
            const std::size_t some = std::min(parts[i].iov_len, socket_room);
            received_.append(static_cast<const char*>(parts[i].iov_base), some);
            sent += some;
            socket_room -= socket_room == static_cast<std::size_t>(-1) ? 0 : some;
        }
        output.consume(sent);
        core_->on_sent(*this, sent);
    }
    is_blocked_ = !output.empty() && !is_closed_;
    if (is_ending_ && output.empty()) {
        is_closed_ = true;
    }
}

void pure_node::side::send(shard_id to, std::vector<shard::shard_message> batch) {
    const std::size_t first = me - me % node->shards_each_;
    lane& way = node->between(me, first + to.value);
    time_point due = node->now_;
    if (node->mail_delay_max_ > duration(0)) {
        due += duration(static_cast<duration::rep>(
            node->chance_() % static_cast<std::uint64_t>(node->mail_delay_max_.count())));
    }
    if (!way.letters.empty()) {
        due = std::max(due, way.letters.back().due);
    }
    way.letters.push_back({.due = due, .batch = std::move(batch)});
}

auth::completion pure_node::side::verdict_for(std::uint64_t connection) {
    return [this, connection](auth::verdict found) {
        verdicts.emplace_back(connection, std::move(found));
    };
}

void pure_node::side::tell_cluster(const shard::route_word& what, std::uint64_t operation) {
    if (node->told) {
        node->told(what);
    }
    if (node->nodes() > 0) {
        node->known_.hear(me / node->shards_each_, what);
        for (const auto& each : node->peers_of_) {
            each->changed();
        }
    }
    if (operation != 0) {
        applied.push_back(operation);
    }
}

void pure_node::side::partition_arrived(partition_id which, node_id at) {
    node->home_nodes_[which.value] = at.value - 1;
    node->wanted_homes_.erase(which);
    for (std::size_t n = 0; n < node->nodes(); ++n) {
        node->to_hear_table_.push_back(n);
    }
}

pure_node::pure_node(const node_options& options)
    : chance_(options.seed), open_to_all_(std::make_shared<shard::listener_profile>()) {
    begin(options);
}

void pure_node::begin(const node_options& options) {
    mail_delay_max_ = options.mail_delay_max;
    shards_each_ = options.shards;
    const std::size_t all = options.shards * options.nodes;
    lanes_ = std::vector<lane>(all * all);
    for (std::size_t n = 0; options.nodes > 1 && n < options.nodes; ++n) {
        peers_of_.push_back(std::make_unique<peers_of>(n, known_));
    }
    for (std::size_t p = 0; p < partition_count; ++p) {
        home_nodes_[p] = p / shards_each_ % options.nodes;
    }
    options_ = options;
    boots_.assign(options.nodes, 1);
    for (std::size_t i = 0; i < all; ++i) {
        sides_.push_back(make_side(i));
    }
    if (options.store != nullptr) {
        restore(*options.store);
    }
    if (options.nodes > 1) {
        join_nodes();
    }
}

std::unique_ptr<pure_node::side> pure_node::make_side(std::size_t number) {
    auto made = std::make_unique<side>();
    made->node = this;
    made->me = number;
    shard::core_options each = options_.core;
    each.me = shard_id{static_cast<std::uint16_t>(number % shards_each_)};
    each.shards = shards_each_;
    if (options_.nodes > 1) {
        const std::size_t n = number / shards_each_;
        each.node = node_id{n + 1};
        each.boot = boot_id{boots_[n]};
        each.id_salt = n;
        each.is_clustered = true;
        each.shares_sessions = true;
        each.routing.peers = peers_of_[n].get();
    }
    storage::store* store = options_.store;
    if (!options_.stores.empty()) {
        store = options_.stores[number / shards_each_];
    } else if (store != nullptr) {
        each.node = store->node().node;
        each.boot = store->node().boot;
    }
    if (store != nullptr) {
        each.store = store;
        store->listen(
            each.me,
            [to = made.get()](storage::progress word) { to->words.push_back(std::move(word)); },
            [to = made.get()](storage::read_answer page) { to->pages.push_back(std::move(page)); });
    }
    made->core = std::make_unique<shard::core>(std::move(each), *made, now_, wall_);
    return made;
}

// --- several nodes

namespace {

peer_slot slot_at(std::size_t node) { return peer_slot{static_cast<std::uint16_t>(node)}; }

} // namespace

void pure_node::join_nodes() {
    for (std::size_t n = 0; n < nodes(); ++n) {
        for (std::size_t other = 0; other < nodes(); ++other) {
            if (other != n) {
                meet(n, other, shard::peer_presence::live);
            }
        }
    }
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        shard::core& from = core(i);
        const std::size_t n = i / shards_each_;
        from.set_homes(homes_at(n));
        for (std::size_t other = 0; other < nodes(); ++other) {
            for (const shard::lane_key key : from.lanes_to(slot_at(other))) {
                const std::size_t at = key.number.value % shards_each_;
                links_.push_back({.from = i,
                                  .to = other * shards_each_ + at,
                                  .from_node = n,
                                  .to_node = other,
                                  .key = key});
            }
        }
    }
    connect_all([](const link&) { return true; });
}

void pure_node::meet(std::size_t node, std::size_t other, shard::peer_presence presence) {
    for (std::size_t s = 0; s < shards_each_; ++s) {
        meet_at(node * shards_each_ + s, other, presence);
    }
}

void pure_node::meet_at(std::size_t shard, std::size_t other, shard::peer_presence presence) {
    core(shard).on_peer({.slot = slot_at(other),
                         .node = node_id{other + 1},
                         .boot = boot_id{boots_[other]},
                         .presence = presence});
}

/// False if one end refuses, as of a life of which it has not heard.
bool pure_node::connect(link& made) {
    const auto arrival = core(made.to).on_hello(core(made.from).hello_of(made.key));
    if (!arrival || !core(made.from).on_welcome(made.key, arrival->welcome)) {
        return false;
    }
    made.arriving = arrival->lane;
    made.is_up = true;
    return true;
}

void pure_node::connect_all(const std::function<bool(const link&)>& which) {
    for (link& each : links_) {
        if (!each.is_up && which(each) && !connect(each)) {
            throw std::runtime_error("a lane between nodes is refused");
        }
    }
}

void pure_node::break_links(const std::function<bool(const link&)>& which) {
    for (link& each : links_) {
        if (each.is_up && which(each)) {
            each.is_up = false;
            core(each.from).on_link_lost(each.key);
            core(each.to).on_arriving_lost(each.arriving);
        }
    }
}

void pure_node::see(std::size_t node, std::size_t other, shard::peer_presence presence) {
    const auto is_of_it = [node, other](const link& each) {
        return each.from_node == node && each.to_node == other;
    };
    if (presence != shard::peer_presence::live) {
        break_links(is_of_it);
    }
    meet(node, other, presence);
    if (presence == shard::peer_presence::live) {
        connect_all(is_of_it);
    }
    run();
}

void pure_node::reboot(std::size_t node, const std::vector<std::size_t>& shards_told) {
    break_links(
        [node](const link& each) { return each.from_node == node || each.to_node == node; });
    std::erase_if(peers_, [&](const std::shared_ptr<pure_peer>& each) {
        return each->shard() / shards_each_ == node;
    });
    ++boots_[node];
    known_.forget(node);
    for (std::size_t s = 0; s < shards_each_; ++s) {
        const std::size_t at = node * shards_each_ + s;
        for (std::size_t other = 0; other < sides_.size(); ++other) {
            between(at, other) = {};
            between(other, at) = {};
        }
        sides_[at]->core.reset(); // before what it speaks to
        sides_[at] = make_side(at);
    }
    if (!options_.stores.empty()) {
        restore(node, *options_.stores[node]); // lanes begin with what is left in their spools
    }
    for (std::size_t other = 0; other < nodes(); ++other) {
        if (other != node) {
            meet(node, other, shard::peer_presence::live);
        }
    }
    for (std::size_t s = 0; s < shards_each_; ++s) {
        core(node * shards_each_ + s).set_homes(homes_at(node));
    }
    for (const std::size_t each : shards_told) {
        tell_of_life(node, each);
    }
}

void pure_node::tell_of_life(std::size_t node, std::size_t shard) {
    meet_at(shard, node, shard::peer_presence::live);
    connect_all([node, shard](const link& each) {
        return (each.from == shard && each.to_node == node)
               || (each.to == shard && each.from_node == node);
    });
    run();
}

shard::partition_homes pure_node::homes_at(std::size_t node) const {
    shard::partition_homes homes{};
    for (std::size_t p = 0; p < partition_count; ++p) {
        const std::size_t home = home_nodes_[p];
        homes[p] = home == node ? shard_id{0} : party_of(slot_at(home));
    }
    return homes;
}

std::size_t pure_node::home_node_of(std::string_view client_id) const {
    return nodes() == 0 ? 0 : home_nodes_[hash64(client_id) % partition_count];
}

std::size_t pure_node::home_node_of(partition_id which) const { return home_nodes_[which.value]; }

void pure_node::hand_over(partition_id which, std::size_t to) {
    wanted_homes_[which] = to;
    tell_orders(home_node_of(which) * shards_each_ + home_shard(which, shards_each_).value);
}

void pure_node::appoint(partition_id which, std::size_t home) {
    home_nodes_[which.value] = home;
    for (std::size_t n = 0; n < nodes(); ++n) {
        to_hear_table_.push_back(n);
    }
    run();
}

void pure_node::tell_orders(std::size_t shard) {
    std::vector<shard::handover_order> orders;
    for (const auto& [which, to] : wanted_homes_) {
        if (home_node_of(which) * shards_each_ + home_shard(which, shards_each_).value == shard) {
            orders.push_back({.which = which,
                              .to = party_of(slot_at(to)),
                              .to_node = node_id{to + 1},
                              .row = {.of = {.at = hybrid_time{1}, .by = node_id{1}},
                                      .home = node_id{to + 1},
                                      .epoch = 2}});
        }
    }
    core(shard).hand_over(std::move(orders));
}

/// One node after the other, in a seeded order.
bool pure_node::deliver_tables() {
    if (to_hear_table_.empty()) {
        return false;
    }
    const auto next =
        to_hear_table_.begin() + static_cast<std::ptrdiff_t>(chance_() % to_hear_table_.size());
    const std::size_t n = *next;
    to_hear_table_.erase(next);
    for (std::size_t s = 0; s < shards_each_; ++s) {
        core(n * shards_each_ + s).set_homes(homes_at(n));
    }
    return true;
}

void pure_node::split(std::size_t a, std::size_t b) {
    break_links([a, b](const link& each) { return each.is_between(a, b); });
    meet(a, b, shard::peer_presence::absent);
    meet(b, a, shard::peer_presence::absent);
    run();
}

void pure_node::heal(std::size_t a, std::size_t b) {
    meet(a, b, shard::peer_presence::live);
    meet(b, a, shard::peer_presence::live);
    connect_all([a, b](const link& each) { return each.is_between(a, b); });
    run();
}

void pure_node::hold_frames(std::size_t from, std::size_t to, bool is_held) {
    for (link& each : links_) {
        if (each.from_node == from && each.to_node == to) {
            each.is_held = is_held;
        }
    }
}

bool pure_node::deliver_one_frame() {
    if (links_.empty()) {
        return false;
    }
    for (const auto& each : sides_) {
        static_cast<void>(each->core->take_dirty_lanes());
        static_cast<void>(each->core->take_dirty_replies());
    }
    const std::size_t first = chance_() % links_.size();
    for (std::size_t i = 0; i < links_.size(); ++i) {
        link& each = links_[(first + i) % links_.size()];
        if (!each.is_up || each.is_held) {
            continue;
        }
        bool was_busy = false;
        if (const auto frame = core(each.from).take_frame(each.key)) {
            if (!core(each.to).on_frame(each.arriving, *frame)) {
                throw std::runtime_error("a frame is refused");
            }
            was_busy = true;
        }
        while (const auto reply = core(each.to).take_reply(each.arriving)) {
            if (!core(each.from).on_reply(each.key, *reply)) {
                throw std::runtime_error("a reply is refused");
            }
            was_busy = true;
        }
        if (was_busy) {
            return true;
        }
    }
    return false;
}

namespace {

/// Gives the shards what is theirs, as the broker does at its start.
class spreading_reader final : public storage::store_reader {
  public:
    /// `first`: shard of the node, of which it has `shards`.
    spreading_reader(pure_node& to, std::size_t first, std::size_t shards)
        : to_(to), first_(first), shards_(shards) {}

    std::function<bool(partition_id)> is_home = [](partition_id) { return true; };

    void on_sessions(std::vector<storage::stored_session> found) override {
        bool counts_bodies = true;
        for (const storage::stored_session& each : found) {
            for (const storage::stored_rows& run : each.rows) {
                if (run.bodies > 0) {
                    needed_.insert(run.bucket);
                    counts_bodies = counts_bodies && run.bucket.shard == shard_of(each);
                }
            }
        }
        for (storage::stored_session& each : found) {
            shard::core& home = to_.core(first_ + shard_of(each).value);
            if (is_here(each, is_home(each.partition))) {
                home.restore(std::move(each), counts_bodies);
            } else {
                home.discard(each);
            }
        }
    }
    void on_retained(std::string_view topic, std::string_view message) override {
        to_.core(first_ + shard::core::retained_owner(topic, shards_).value)
            .restore_retained(topic, message);
    }
    void on_bucket(const storage::bucket& found) override {
        if (!needed_.contains(found)) {
            to_.core(first_).remove_bucket(found);
        }
    }
    void on_due_will(std::string_view key, storage::will_record found) override {
        to_.core(first_).restore_will(key, found);
    }
    void on_stray(storage::table where, std::string_view key) override {
        to_.core(first_).remove_stray(where, key);
    }
    void on_spool(const storage::spool_left& found) override {
        to_.core(first_ + found.of.lane.value % shards_).restore_spool(found);
    }

  private:
    [[nodiscard]] shard_id shard_of(const storage::stored_session& session) const {
        return home_shard(session.partition, shards_);
    }
    pure_node& to_;
    std::size_t first_;
    std::size_t shards_;
    std::set<storage::bucket> needed_;
};

} // namespace

void pure_node::restore(storage::store& from) {
    for (const auto& each : sides_) {
        each->core->restore_clock(from.last_stamp());
    }
    restore(0, from);
    run();
}

void pure_node::restore(std::size_t node, storage::store& from) {
    spreading_reader spread(*this, node * shards_each_, shards_each_);
    spread.is_home = [this, node](partition_id which) {
        return options_.nodes == 1 || home_node_of(which) == node;
    };
    if (const auto loaded = from.load(spread); !loaded) {
        throw std::runtime_error("the store cannot be read: " + loaded.error().what);
    }
}

void pure_node::restart(const node_options& options) {
    peers_.clear();
    links_.clear();
    sides_.clear();
    lanes_.clear();
    peers_of_.clear();
    known_ = {};
    now_ = time_point(std::chrono::seconds(77));
    wall_ += std::chrono::seconds(2);
    begin(options);
}

bool pure_node::deliver_words() {
    bool was_busy = false;
    for (const auto& each : sides_) {
        while (!each->words.empty()) {
            const storage::progress word = std::move(each->words.front());
            each->words.pop_front();
            each->core->on_progress(word);
            was_busy = true;
        }
        while (!each->pages.empty()) {
            const storage::read_answer page = std::move(each->pages.front());
            each->pages.pop_front();
            each->core->on_rows(page);
            was_busy = true;
        }
        while (!each->applied.empty()) {
            const std::uint64_t operation = each->applied.front();
            each->applied.pop_front();
            each->core->on_applied(operation);
            was_busy = true;
        }
    }
    return was_busy;
}

pure_node::~pure_node() = default;

std::shared_ptr<pure_peer> pure_node::open(std::size_t shard,
                                           std::shared_ptr<const shard::listener_profile> profile) {
    auto made = std::make_shared<pure_peer>(core(shard), shard,
                                            profile ? std::move(profile) : open_to_all_);
    peers_.push_back(made);
    return made;
}

std::size_t pure_node::home_of(std::string_view client_id) const {
    const auto partition = static_cast<std::uint16_t>(hash64(client_id) % partition_count);
    return home_node_of(client_id) * shards_each_
           + home_shard(partition_id{partition}, shards_each_).value;
}

void pure_node::block_mail(std::size_t from, std::size_t to, bool is_blocked) {
    between(from, to).is_blocked = is_blocked;
    hold_frames(from / shards_each_, to / shards_each_, is_blocked);
}

bool pure_node::has_mail() const noexcept {
    return std::ranges::any_of(lanes_, [](const lane& way) { return !way.letters.empty(); });
}

void pure_node::run() {
    while (end_turns() || (quick_disk && quick_disk()) || deliver_words() || deliver_verdicts()
           || deliver_one_batch() || deliver_one_frame() || deliver_tables() || (disk && disk())) {
    }
    reap();
}

bool pure_node::end_turns() {
    bool was_busy = false;
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        if (peers_[i]->is_blocked_ && peers_[i]->socket_room > 0) {
            peers_[i]->flush(); // the socket became writable
            was_busy = true;
        }
    }
    for (const auto& each : sides_) {
        was_busy = was_busy || each->core->has_work();
        each->core->end_turn([](shard::client& to) { static_cast<pure_peer&>(to).flush(); });
    }
    for (const auto& each : peers_) {
        if (each->is_ending_ && !each->is_closed_) {
            each->flush();
        }
    }
    return was_busy;
}

bool pure_node::deliver_verdicts() {
    bool was_busy = false;
    for (const auto& each : sides_) {
        while (!each->verdicts.empty()) {
            auto [connection, found] = std::move(each->verdicts.front());
            each->verdicts.pop_front();
            each->core->on_verdict(connection, std::move(found));
            was_busy = true;
        }
    }
    return was_busy;
}

bool pure_node::deliver_one_batch() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        const lane& way = lanes_[i];
        if (!way.is_blocked && !way.letters.empty() && way.letters.front().due <= now_) {
            ready.push_back(i);
        }
    }
    if (ready.empty()) {
        return false;
    }
    const std::size_t chosen = ready[chance_() % ready.size()];
    letter next = std::move(lanes_[chosen].letters.front());
    lanes_[chosen].letters.pop_front();
    const std::size_t from = chosen / sides_.size() % shards_each_;
    sides_[chosen % sides_.size()]->core->on_batch(shard_id{static_cast<std::uint16_t>(from)},
                                                   next.batch);
    return true;
}

void pure_node::reap() {
    std::erase_if(peers_, [](const std::shared_ptr<pure_peer>& each) {
        return each->is_closed_ && each.use_count() == 1;
    });
}

time_point pure_node::next_event() {
    time_point next = never;
    for (const auto& each : sides_) {
        next = std::min(next, each->core->next_deadline().value_or(never));
    }
    for (const lane& way : lanes_) {
        if (!way.is_blocked && !way.letters.empty()) {
            next = std::min(next, way.letters.front().due);
        }
    }
    return next;
}

void pure_node::set_time(time_point now) {
    wall_ += std::chrono::duration_cast<wall_time::duration>(now - now_);
    now_ = now;
    for (const auto& each : sides_) {
        each->core->set_time(now_, wall_);
    }
}

void pure_node::advance(duration time) {
    const time_point target = now_ + time;
    run();
    while (now_ < target) {
        set_time(std::min(target, std::max(next_event(), now_ + 1ms)));
        for (const auto& each : sides_) {
            each->core->on_tick();
        }
        run();
    }
}

std::size_t pure_node::bytes_in_use() {
    std::size_t bytes = 0;
    for (const auto& each : sides_) {
        bytes += each->core->pool().bytes_in_use();
    }
    return bytes;
}

session::queue_account pure_node::queues() {
    session::queue_account all;
    for (const auto& each : sides_) {
        const session::queue_account& part = each->core->queues();
        all.messages += part.messages;
        all.bytes += part.bytes;
        all.in_flight += part.in_flight;
    }
    return all;
}

std::uint64_t pure_node::dropped(session::drop_reason reason) {
    std::uint64_t count = 0;
    for (const auto& each : sides_) {
        count += each->core->traffic().dropped[static_cast<std::size_t>(reason)];
    }
    return count;
}

} // namespace gv::support
