// SPDX-License-Identifier: Apache-2.0
// Life of a client on its shard, time, and the end of a turn.
#include "broker/shard/core.hpp"

#include "base/log.hpp"
#include "broker/mqtt/frame.hpp"

#include <algorithm>

namespace gv::shard {

namespace {

[[nodiscard]] std::size_t under_way_max(const core_options& options) noexcept {
    return options.pressure.credit_bytes_max * (options.shards - 1);
}

[[nodiscard]] std::string_view name_of(session::close_cause cause) {
    using enum session::close_cause;
    switch (cause) {
    case client_disconnect:
        return "client disconnected";
    case client_disconnect_with_will:
        return "client disconnected with will";
    case connection_lost:
        return "connection lost";
    case keep_alive_timeout:
        return "keep alive timeout";
    case connect_timeout:
        return "no CONNECT in time";
    case protocol_violation:
        return "protocol violation";
    case refused:
        return "refused";
    case taken_over:
        return "session taken over";
    case server_shutdown:
        return "broker shutting down";
    case slow_reader:
        return "slow reader";
    case administrative:
        return "removed by an operator";
    }
    return "unknown";
}

router::router_options routing_of(const core_options& options) {
    router::router_options made = options.routing;
    made.me = options.me;
    made.shards = options.shards;
    return made;
}

/// What is in flight from a queue is so to many clients.
session::session_limits queue_limits_of(const session::session_limits& of_clients) {
    session::session_limits made = of_clients;
    made.outbound.in_flight_max = 65'535;
    return made;
}

/// What other nodes say to one of an earlier start must meet nobody: the start is in the middle.
std::uint64_t first_number(const core_options& options) {
    constexpr unsigned boot_bits = 32;
    const std::uint64_t start = options.shares_sessions ? options.boot.value & 0xffff : 0;
    return (std::uint64_t{options.me.value} << shard_bits) | (start << boot_bits);
}

} // namespace

core::core(core_options options, core_driver& driver, time_point now, wall_time wall)
    : options_(std::move(options)), driver_(&driver), turn_{.now = now, .wall = wall},
      front_context_{.now = &turn_,
                     .limits = &options_.limits,
                     .counters = &traffic_,
                     .queued = &queued_in_memory_,
                     .effects = this,
                     .users = options_.users.get(),
                     .under_way_max = under_way_max(options_)},
      home_context_{.now = &turn_,
                    .limits = &options_.limits,
                    .queued = &queued_,
                    .effects = this,
                    .users = options_.users.get()},
      queue_limits_(queue_limits_of(options_.limits)),
      queue_context_{.now = &turn_,
                     .limits = &queue_limits_,
                     .queued = &queued_,
                     .effects = this,
                     .users = options_.users.get()},
      wheel_(now), journal_(options_.me, options_.store), bodies_(options_.me, options_.boot),
      router_(routing_of(options_)), retained_(retained_options_of(options_)),
      outboxes_(options_.shards), members_changed_at_(now), credit_used_(options_.shards),
      credit_owed_(options_.shards), next_number_(first_number(options_)) {
    credit_waiters_.resize(options_.shards);
    if (options_.is_clustered) {
        options_.lane_sender.spools = journal_.is_on();
        lane_spool& mine = *this;
        lanes_ = std::make_unique<peer_lanes>(
            peer_lanes_options{
                .self = {.origin = options_.node, .boot = options_.boot, .shard = options_.me},
                .sender = options_.lane_sender,
                .receiver = options_.lane_receiver,
                .has_sessions = options_.shares_sessions},
            mine);
    }
    if (options_.shares_sessions) {
        moves_ = std::make_unique<handovers>(options_.handovers);
    }
    wheel_.schedule(housekeeping_, now + 1s);
    clock_.set_time(now, wall);
}

core::~core() {
    for (home_entry* each : homes_) {
        delete each;
    }
}

void core::register_client(client& born) {
    clients_.emplace(born.number_, &born);
    arm(born);
}

void core::unregister_client(client& gone) noexcept {
    if (!gone.is_ended_) {
        leave(gone, session::close_cause::connection_lost); // not finish(): it is half destroyed
    }
    clients_.erase(gone.number_);
    if (gone.is_dirty_) {
        std::erase(dirty_, &gone);
    }
}

client* core::find_client(std::uint64_t number) noexcept {
    const auto found = clients_.find(number);
    return found == clients_.end() || found->second->is_ended_ ? nullptr : found->second;
}

std::size_t core::on_input(client& from, std::string_view bytes) {
    std::size_t used = 0;
    in_input_ = &from;
    while (takes_input(from) && used < bytes.size()) {
        if (from.front_.is_stranger(bytes[used])) {
            from.front_.on_stranger(bytes.substr(used));
            break;
        }
        const mqtt::frame next = mqtt::next_frame(bytes.substr(used));
        if (next.state == mqtt::frame_state::malformed) {
            from.front_.on_violation(mqtt::malformed_length);
            break;
        }
        if (next.size != 0 && next.size > from.front_.frame_size_max()) {
            from.front_.on_oversized(next.first_byte, next.body);
            break;
        }
        if (next.state == mqtt::frame_state::partial) {
            break;
        }
        used += next.size;
        from.front_.on_frame(next.first_byte, next.body);
    }
    in_input_ = nullptr;
    after_input(from);
    return used;
}

// Acknowledgements make room for what is queued and for a retained replay.
void core::after_input(client& from) {
    if (from.is_ended_) {
        touch(from);
        return;
    }
    if (from.front_.load != session::pressure::open) {
        reopen_if_drained(from);
    }
    if (session::session_state* own = from.front_.own_session();
        own != nullptr && !own->replays.empty()) {
        pump_replay(from.number_);
    }
    touch(from);
}

// Within its own input the loop of on_input goes on by itself.
void core::resume_unless_in_input(client& waiting) {
    if (in_input_ != &waiting) {
        waiting.resume_input();
    }
}

bool core::takes_input(client& from) noexcept {
    if (from.is_ended_ || from.held_in_ != nullptr || !from.front_.takes_frames()) {
        return false;
    }
    from.is_choked_ = from.front_.is_choked();
    return !from.is_choked_;
}

void core::touch(client& changed) {
    if (!changed.is_dirty_ && !changed.front_.output().empty()) {
        changed.is_dirty_ = true;
        dirty_.push_back(&changed);
    }
}

void core::on_sent(client& to, std::size_t bytes) {
    if (bytes > 0) {
        if (to.congestion_) {
            to.congestion_->progress_at = turn_.now;
        }
    }
    if (to.is_ended_) {
        return;
    }
    if (to.is_choked_) {
        relieve(to, bytes);
    }
    if (to.front_.load != session::pressure::open) {
        reopen_if_drained(to);
    }
    if (session::session_state* own = to.front_.own_session()) {
        if (own->out.queued() > 0) {
            to.front_.on_writable();
        }
        if (!own->replays.empty()) {
            pump_replay(to.number_);
        }
    } else if (to.front_.is_held_by_home()) {
        give_home_room(to);
    }
    touch(to);
}

// One that is not read shows that it is there by reading.
void core::relieve(client& choked, std::size_t bytes) {
    if (bytes > 0) {
        choked.front_.note_alive();
    }
    if (!choked.front_.is_choked()) {
        choked.is_choked_ = false;
        relieved_.push_back(&choked);
    }
}

// The home goes on sending: at once if it is here; if it is elsewhere, when all is out that it
// asked to be told of.
void core::give_home_room(client& to) {
    if (home_entry* home = is_mine(to.home_at_) ? find_home(to.home_) : nullptr) {
        home->home_.on_room();
        pump_replay(home->number_);
    } else if (to.wants_room_ && to.front_.output().empty()) {
        to.wants_room_ = false;
        post_rare(to.home_at_, room{.home = to.home_, .connection = to.number_});
    }
}

void core::on_lost(client& gone, session::close_cause cause) {
    finish(gone, cause, mqtt::reason_code::success, {});
}

// front_effects: the front has said its last words into the output.
void core::close(session::front& who, session::close_cause cause, mqtt::reason_code reason,
                 std::string_view detail) {
    client& ended = owner_of(who);
    if (ended.is_ended_) {
        return;
    }
    finish(ended, cause, reason, detail);
    ended.end();
}

void core::finish(client& ended, session::close_cause cause, mqtt::reason_code reason,
                  std::string_view detail) {
    if (ended.is_ended_) {
        return;
    }
    if (log::enabled(log::level::debug)) {
        log::debug(
            {.conn = ended.number_, .client = ended.front_.client_id()},
            ended.is_attached_ ? "client_disconnected" : "connection_closed",
            {{"from", ended.peer_text()},
             {"cause", name_of(cause)},
             {"reason", cause == session::close_cause::connection_lost ? std::string_view()
                                                                       : mqtt::reason_name(reason)},
             {"detail", detail}});
    }
    count_end(ended, cause, reason);
    leave(ended, cause);
}

void core::leave(client& ended, session::close_cause cause) {
    ended.is_ended_ = true;
    wheel_.cancel(ended.timer_);
    slow_clients_ -= ended.front_.load == session::pressure::slow ? 1U : 0U;
    forget_pressure(ended);
    if (session::session_state* own = ended.front_.own_session()) {
        withdraw_all(ended, ended.number_, *own);
    }
    detach_home(ended, cause);
}

void core::count_end(const client& ended, session::close_cause cause, mqtt::reason_code reason) {
    ++(ended.is_attached_ ? counts_.closed : counts_.never_in)[static_cast<std::size_t>(cause)];
    if (cause == session::close_cause::refused) {
        ++counts_.refused[static_cast<std::size_t>(reason)];
    }
}

void core::arm(client& whose) {
    whose.timer_.owner = &whose;
    const time_point due = whose.front_.next_deadline();
    if (due == never) {
        wheel_.cancel(whose.timer_);
    } else {
        wheel_.schedule(whose.timer_, due);
    }
}

void core::on_tick() {
    wheel_.advance(turn_.now, [this](timer& fired) { on_timer(fired); });
    refuse_late_attaches();
    release_late_leavers();
    look_at_handovers();
    if (lanes_) {
        lanes_->for_each_outgoing([this](peer_lane& each) {
            if (each.sender.next_deadline() <= turn_.now) {
                each.on_deadline(turn_.now);
                settle_lane(each);
            }
        });
    }
}

std::optional<time_point> core::next_deadline() noexcept {
    const std::optional<time_point> due = wheel_.next_deadline();
    const auto first_of = [](auto& waiting) {
        return waiting.empty() ? never : waiting.front().due;
    };
    const time_point of_lanes =
        std::min({lanes_ ? lanes_->next_deadline() : never, first_of(attaching_),
                  first_of(leaving_), next_page_at()});
    return of_lanes == never ? due : std::min(due.value_or(never), of_lanes);
}

void core::on_timer(timer& fired) {
    auto& due = static_cast<client_timer&>(fired);
    if (&due == &housekeeping_) {
        if (!are_sessions_held_) {
            publish_restored_wills();
        }
        retained_.expire(turn_.now, 1000);
        if (const auto passed = bodies_.retire(turn_.wall)) {
            erase_bucket(*passed);
        }
        check_pressure();
        look_at_groups();
        wheel_.schedule(housekeeping_, turn_.now + (full_.empty() ? duration(1s) : 100ms));
    } else if (due.owner != nullptr) {
        client& whose = *due.owner;
        if (whose.held_in_ != nullptr) {
            whose.front_.note_alive(); // it is not heard
        }
        whose.front_.on_deadline();
        touch(whose);
        if (!whose.is_ended_) {
            arm(whose);
        }
    } else if (are_sessions_held_ || due.home->is_moving_) {
        wheel_.schedule(due, turn_.now + 100ms);
    } else {
        wake_home(*due.home);
    }
}

void core::do_what_is_due(home_entry& home) {
    const bool was_stored = home.home_.session() != nullptr;
    home.home_.on_deadline();
    log_session(home);
    counts_.sessions_expired += was_stored && home.home_.session() == nullptr ? 1U : 0U;
}

void core::begin_serving() {
    are_sessions_held_ = false;
    if (options_.shares_sessions) {
        // Clients on other nodes were asked to come again. One that did so a moment too early hears
        // from its node after 2 s that its home is away, and tries once more.
        for (home_entry* each : homes_) {
            each->home_.await_clients(options_.will_grace + 2s);
            settle_home(*each);
        }
    }
    publish_restored_wills();
    ask_queues();
}

// What is written down is handed over before the others hear of it: a part of a transaction comes
// to the store before those that it announces.
void core::settle_turn() {
    journal_.end_turn();
    for (std::size_t shard = 0; shard < outboxes_.size(); ++shard) {
        if (credit_owed_[shard] > 0) {
            post(shard_id{static_cast<std::uint16_t>(shard)}, credit{credit_owed_[shard]});
            credit_owed_[shard] = 0;
        }
        if (!outboxes_[shard].empty()) {
            ++counts_.batches_to_shards;
            counts_.messages_to_shards += outboxes_[shard].size();
            driver_->send(shard_id{static_cast<std::uint16_t>(shard)},
                          std::exchange(outboxes_[shard], {}));
        }
    }
    gone_homes_.clear();
    router_.end_turn();
}

core_debts core::debts() const noexcept {
    core_debts all{.takes = takes_.size() - free_takes_.size(),
                   .operations = operations_.size(),
                   .full_clients = full_.size(),
                   .held_publishers = held_now_,
                   .homes_to_bury = gone_homes_.size(),
                   .group_waits = group_waits_.size() - free_group_waits_.size(),
                   .leavers = leavers_.size()};
    for (std::size_t shard = 0; shard < options_.shards; ++shard) {
        all.credit_used += credit_used_[shard];
        all.credit_owed += credit_owed_[shard];
    }
    return all;
}

void core::shut_down(mqtt::reason_code reason) {
    std::vector<client*> all;
    for (const auto& [number, each] : clients_) {
        all.push_back(each);
    }
    for (client* each : all) {
        if (!each->is_ended_) {
            each->front_.on_kicked(session::close_cause::server_shutdown, reason,
                                   "the broker is shutting down");
            touch(*each);
        }
    }
}

std::size_t core::send_away(std::size_t clients_max) {
    std::vector<client*> some;
    for (const auto& [number, each] : clients_) {
        if (!each->is_ended_ && some.size() < clients_max) {
            some.push_back(each);
        }
    }
    for (client* each : some) {
        each->front_.on_kicked(session::close_cause::server_shutdown,
                               mqtt::reason_code::use_another_server, "this node is being drained");
        touch(*each);
    }
    return some.size();
}

void core::reload(session::session_limits limits,
                  std::shared_ptr<const auth::authoriser> authoriser) {
    options_.limits = std::move(limits);
    queue_limits_ = queue_limits_of(options_.limits);
    options_.authoriser = std::move(authoriser);
    for (const auto& [number, each] : clients_) {
        const session::front& front = each->front_;
        each->access_ =
            access_of(front.client_id(), front.has_username()
                                             ? std::optional(std::string_view(front.username()))
                                             : std::nullopt);
    }
    for (home_entry* home : homes_) {
        const std::string& id = home->home_.client_id();
        home->access_ = access_of(
            id, home->username_ ? std::optional(std::string_view(*home->username_)) : std::nullopt);
    }
    router_.forget_verdicts();
}

void core::reload(const pressure_options& pressure) {
    options_.pressure = pressure;
    front_context_.under_way_max = under_way_max(options_);
}

client::client(core& owner, std::shared_ptr<const listener_profile> profile)
    : core_(&owner), front_(owner.front_context_, owner.pool_, *this),
      number_(++owner.next_number_), profile_(std::move(profile)), opened_at_(owner.now()) {
    owner.register_client(*this);
}

client::~client() { core_->unregister_client(*this); }

session::delivery delivery_of(const publication& what, const router::grant& how) {
    const qos quality = lower(what.header.quality, how.quality);
    const bool is_newest_only = (how.newest_only || what.header.newest_only) && how.group == 0
                                && quality != qos::at_most_once;
    return {.quality = quality,
            .retain = how.retain_as_published && what.header.retain,
            .subscription_ids = how.subscription_ids,
            .group = session::group_origin{how.group},
            .topic = is_newest_only ? hash64(what.topic) : 0};
}

void client::deliver(const publication& what, const router::grant& how) {
    front_.on_delivery(what, delivery_of(what, how));
    core_->note_taker(*this);
    core_->touch(*this);
}

bool client::may_receive(std::string_view topic) const {
    return !access_ || access_->check(auth::action::receive, topic).allowed;
}

std::size_t client::replay_rows() {
    session::session_state* own = front_.own_session();
    if (is_ended_ || front_.output().size() > replay_output_bytes) {
        return 0;
    }
    return own->replays.current().quality == qos::at_most_once ? replay_rows_max
                                                               : own->out.window();
}

void client::replay_row(const publication& what, const session::delivery& how) {
    front_.on_replay_row(what, how);
    core_->touch(*this);
}

home_entry::home_entry(core& owner, const session::home_context& context,
                       std::string_view client_id, std::uint64_t number)
    : core_(&owner), home_(is_group_queue(client_id) ? owner.queue_context_ : context, *this,
                           client_id, owner.journal_.is_on() ? this : nullptr),
      number_(number) {
    timer_.home = this;
    if (is_group_queue(client_id)) {
        group_ = std::make_unique<group_queue>(owner.options_.routing.strategy);
        owner.group_homes_.insert(this);
    }
}

void home_entry::deliver(const publication& what, const router::grant& how) {
    if (home_.session() == nullptr) {
        return; // ended in this turn
    }
    if (core_->refuses_to_keep() && lower(what.header.quality, how.quality) != qos::at_most_once) {
        core_->given_out_->is_refused = true;
        core_->settle_in_group(number_, session::group_origin{how.group});
        return;
    }
    home_.on_delivery(what, delivery_of(what, how));
    core_->note_taker(*this);
}

// A queue takes what the group is to have; each member is asked when it is given something.
bool home_entry::may_receive(std::string_view topic) const {
    return group_ || !access_ || access_->check(auth::action::receive, topic).allowed;
}

// The message given out meanwhile, if any, is another one: they have no body in common.
void home_entry::replay_row(const publication& what, const session::delivery& how) {
    const bool is_shared = std::exchange(core_->shares_body_, false);
    home_.on_replay_row(what, how);
    core_->shares_body_ = is_shared;
}

void home_entry::take_alone(const publication& what, const session::delivery& how) {
    const bool is_shared = std::exchange(core_->shares_body_, false);
    home_.on_replay_row(what, how); // the window bounds what is lent, not the queue
    core_->shares_body_ = is_shared;
}

std::size_t home_entry::replay_rows() {
    session::session_state* state = home_.session();
    if (state == nullptr || !home_.front()
        || (client_ != nullptr ? client_->front().output().size() : bytes_pushed_)
               > replay_output_bytes) {
        return 0;
    }
    return state->replays.current().quality == qos::at_most_once ? replay_rows_max
                                                                 : state->out.window();
}

} // namespace gv::shard
