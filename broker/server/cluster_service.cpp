// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_service.hpp"

#include "base/log.hpp"
#include "base/thread_name.hpp"
#include "broker/server/cluster_setup.hpp"
#include "broker/server/cluster_status.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/validate.hpp"
#include "cluster/grpc_transport.hpp"
#include "cluster/node_trust.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <unistd.h>

#include <algorithm>
#include <random>

namespace gv::server {

namespace {

using cluster::member_change;

/// Tombstones looked at in one turn of a shard.
constexpr std::size_t collect_visits_max = 4'096;

/// Until a failed write of the member file is tried again.
constexpr std::chrono::seconds members_again{10};

[[nodiscard]] bool has_sessions(const std::vector<std::unique_ptr<shard::event_loop>>& loops) {
    return std::ranges::any_of(
        loops, [](const auto& each) { return each->logic().stored_sessions() > 0; });
}

[[nodiscard]] cluster::moment now() {
    return {.now = std::chrono::steady_clock::now(), .wall = std::chrono::system_clock::now()};
}

[[nodiscard]] std::string host_name() {
    char text[256] = {};
    return ::gethostname(text, sizeof text - 1) == 0 && text[0] != '\0' ? text : "localhost";
}

[[nodiscard]] std::string members_path(const options& all) {
    return *all.storage.enabled ? store_folder(all) + "/cluster.members" : std::string();
}

} // namespace

cluster_service::cluster_service(const options& all, boost::asio::io_context& control)
    : options_(all), control_(control),
      name_(all.node.name->empty() ? host_name() : *all.node.name),
      referrals_(*all.sessions.refer_to_home == refer_policy::always
                     ? std::make_shared<shard::referrals>()
                     : nullptr) {}

cluster_service::~cluster_service() { stop(); }

// --- start and end

cluster::member_profile cluster_service::profile_of(std::uint16_t port) const {
    cluster::member_profile made{.name = name_,
                                 .peer_address = *options_.cluster.advertise,
                                 .client_address = *options_.cluster.client_address,
                                 .wire = cluster::spoken_wire(),
                                 .features = cluster::feature_relay | cluster::feature_figures
                                             | cluster::feature_partitions};
    if (!*options_.storage.enabled) {
        made.features |= cluster::feature_passing;
    }
    if (made.peer_address.empty()) {
        const std::string& bind = *options_.cluster.bind;
        made.peer_address = address_text(is_any_address(bind) ? host_name() : bind, port);
    }
    return made;
}

result<void, problem>
cluster_service::open(const cluster::peer_identity& who,
                      const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                      const std::optional<cluster_identity>& shown) {
    loops_ = &loops;
    if (shown) {
        trust_ = std::make_shared<cluster::node_trust>(*options_.cluster.name, shown->material);
        certified_until_ = shown->not_after;
    }
    cluster::grpc_transport_options wanted{
        .cluster = *options_.cluster.name,
        .wire = cluster::spoken_wire(),
        .self = who,
        .host = *options_.cluster.bind,
        .port = *options_.cluster.port,
        .security = {.trust = trust_,
                     .plain = *options_.cluster.allow_plaintext ? cluster::plain_text::anybody
                                                                : cluster::plain_text::this_machine,
                     .desk = trust_ && *options_.storage.enabled
                                 ? std::make_shared<token_desk>(*options_.cluster.name,
                                                                token_places_of(options_))
                                 : nullptr}};
    auto opened = cluster::grpc_transport::start(wanted, *this);
    if (!opened) {
        problem what = opened.error();
        what.place = "cluster.port";
        return failure(what);
    }
    transport_ = std::move(*opened);
    std::random_device random;
    file_ = std::make_unique<member_file>(members_path(options_),
                                          cluster::envelope{.cluster = *options_.cluster.name,
                                                            .wire = cluster::spoken_wire(),
                                                            .from = who.node,
                                                            .boot = who.boot,
                                                            .to = {},
                                                            .gossip = {},
                                                            .body = {}});
    const std::vector<cluster::member_row> remembered = file_->read();
    cluster::cluster_node_options settings{
        .membership = {.cluster = *options_.cluster.name, .wire = cluster::spoken_wire()},
        .routes = {},
        .retained = {},
        .ready_within = *options_.cluster.ready_within};
    cluster::cluster_effects& mine = *this;
    node_ = std::make_unique<cluster::cluster_node>(
        settings,
        cluster::own_identity{.node = who.node,
                              .boot = who.boot,
                              .profile = profile_of(transport_->port()),
                              .chance = (std::uint64_t{random()} << 32) | random()},
        remembered,
        cluster::retained_start{.digest = &digest_,
                                .claim = loops.front()->logic().retained().claim()},
        cluster::partition_start{.table = partitions_on_disk_.found(),
                                 .has_sessions = shares_sessions() && has_sessions(loops),
                                 .takes_more = may_be_home()},
        *transport_, mine, now());
    self_ = who.node;
    build_seeds();
    for (const auto& each : loops) {
        each->open_lanes();
    }
    node_->meet_remembered(now());
    if (*options_.storage.enabled) {
        routes_on_disk_.restore(*node_, *loops.front());
        partitions_on_disk_.begin(*loops.front());
    }
    log::info("cluster_listening", {{"cluster", *options_.cluster.name},
                                    {"address", local()},
                                    {"node", hex(who.node)},
                                    {"start", who.boot.value},
                                    {"security", trust_ ? "tls" : "plain text"},
                                    {"remembered", remembered.size()}});
    return {};
}

bool cluster_service::renew(const std::optional<cluster_identity>& shown) {
    if (!shown || !trust_) {
        return !shown && !trust_;
    }
    trust_->replace(shown->material);
    if (certified_until_.exchange(shown->not_after) != shown->not_after) {
        log::info("cluster_certificate_renewed", {{"until", cluster::date_text(shown->not_after)}});
    }
    return true;
}

bool cluster_service::shares_sessions() const { return *options_.sessions.follow_clients; }

bool cluster_service::may_be_home() const { return shares_sessions() && *options_.storage.enabled; }

std::string cluster_service::local() const {
    return address_text(*options_.cluster.bind, transport_->port());
}

void cluster_service::start(std::function<void()> ready) {
    ready_ = std::move(ready);
    boost::asio::post(context_, [this] {
        seeds_->start();
        if (shares_sessions()) {
            homes_.start(self_, *loops_);
        }
        arm();
    });
    thread_ = std::thread([this] {
        name_this_thread("cluster");
        const auto work = boost::asio::make_work_guard(context_);
        context_.run();
    });
}

void cluster_service::say_goodbye() {
    // Without a store it is another node when it starts again: nobody need look for this one.
    const auto how =
        *options_.storage.enabled ? cluster::departure::restart : cluster::departure::for_good;
    post([how](cluster::cluster_node& node, cluster::moment at) { node.leave(how, at); });
}

void cluster_service::stop() {
    if (transport_) {
        transport_->shut_down();
    }
    if (thread_.joinable()) {
        context_.stop();
        thread_.join();
    }
    if (seeds_) {
        seeds_->stop();
    }
    write_members();
    members_timer_.cancel();
}

// --- its thread

template <typename Input>
void cluster_service::post(Input input) {
    boost::asio::post(context_, [this, input = std::move(input)]() mutable {
        input(*node_, now());
        arm();
    });
}

void cluster_service::run(std::function<void(cluster::cluster_node&, cluster::moment)> what) {
    post(std::move(what));
}

// After each input.
void cluster_service::arm() {
    routes_on_disk_.hand_over(*node_);
    partitions_on_disk_.hand_over(node_->partitions().table());
    homes_.tell_shards(*node_);
    if (waits_for_table_ && node_->partitions().table().founding().is_there()) {
        let_clients_in();
    }
    const time_point due = node_->next_deadline();
    if (due >= armed_for_) {
        return;
    }
    armed_for_ = due;
    timer_.expires_at(due);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            armed_for_ = never;
            node_->on_deadline(now());
            publish_exchange();
            arm();
        }
    });
}

// At each deadline, several times a second.
void cluster_service::publish_exchange() {
    const cluster::route_counts routes = node_->routes().counted();
    exchange_.routes.set(static_cast<std::int64_t>(node_->routes().index().size()));
    exchange_.routes_unconfirmed.set(static_cast<std::int64_t>(node_->routes().unconfirmed()));
    exchange_.route_gaps.set(routes.received.gaps);
    exchange_.route_mismatches.set(routes.received.mismatches);
    exchange_.route_repairs.set(routes.received.passes);
    exchange_.waits.set(routes.waits);
    exchange_.waits_late.set(routes.waits_timed_out);
    exchange_.routes_refused.set(routes.refused);
    exchange_.route_pages.set(routes.pages_sent);
    const cluster::retained_counts& retained = node_->retained().counted();
    exchange_.retained_compares.set(retained.compares);
    exchange_.retained_differences.set(retained.differences);
    exchange_.retained_sent.set(retained.rows_sent);
    exchange_.retained_applied.set(retained.rows_applied);
    exchange_.retained_refused.set(retained.rows_refused);
    exchange_.retained_distrusted.set(retained.rows_distrusted);
    exchange_.retained_collections.set(retained.collections);
    exchange_.retained_faults.set(retained.refused);
    const cluster::partition_exchange& partitions = node_->partitions();
    exchange_.partitions.set(static_cast<std::int64_t>(partitions.table().count(self_)));
    exchange_.partition_changes.set(partitions.counted().changes);
    publish_relays();
    look_at_expiry();
}

// Often enough to be seen, and seldom enough to be read.
void cluster_service::look_at_expiry() {
    constexpr auto period = std::chrono::hours(24);
    constexpr auto soon = std::chrono::hours(24 * 30);
    const wall_time until = certified_until_;
    exchange_.certified_until.set(
        std::chrono::duration_cast<std::chrono::seconds>(until.time_since_epoch()).count());
    const time_point at = std::chrono::steady_clock::now();
    const bool is_due = expiry_looked_at_ == time_point{} || at - expiry_looked_at_ > period;
    if (!trust_ || !is_due) {
        return;
    }
    expiry_looked_at_ = at;
    const wall_time today = std::chrono::system_clock::now();
    if (until - today < soon) {
        log::warn("cluster_certificate_ends",
                  {{"until", cluster::date_text(until)},
                   {"problem", until < today ? "it has expired: other nodes refuse this one"
                                             : "other nodes will refuse this one then"},
                   {"remedy", "renew it, and reload (SIGHUP)"}});
    }
}

void cluster_service::publish_relays() {
    const cluster::grpc_transport_counts counts = transport_->counts();
    exchange_.lanes_relayed.set(static_cast<std::int64_t>(counts.lanes_relayed));
    exchange_.relay_streams.set(static_cast<std::int64_t>(counts.relay_streams));
    exchange_.relay_frames.set(counts.relay_frames);
    exchange_.relay_bytes.set(counts.relay_bytes);
    exchange_.relays_refused.set(counts.relays_refused);
    exchange_.distrusted.set(counts.distrusted);
}

// --- other nodes that are looked for

void cluster_service::build_seeds() {
    using standing = seed_search::standing;
    seeds_ = std::make_unique<seed_search>(
        context_, *options_.cluster.seeds, *options_.cluster.bind, transport_->port(),
        seed_search::callbacks{.join =
                                   [this](const std::vector<std::string>& addresses) {
                                       node_->join(addresses, now());
                                       arm();
                                   },
                               .how =
                                   [this] {
                                       const cluster::member_table& all =
                                           node_->members().members();
                                       const std::size_t away =
                                           all.count(cluster::member_state::dead)
                                           + all.count(cluster::member_state::remembered);
                                       return all.live() == 0 ? standing::alone
                                              : away > 0      ? standing::some_away
                                                              : standing::complete;
                                   }});
}

void cluster_service::hail(const std::string& address, std::function<void(const hail_word&)> done) {
    const cluster::envelope question = node_->join_question(now());
    const std::uint64_t sequence = std::get<cluster::push_pull>(question.body).sequence;
    hails_.insert(sequence);
    transport_->hail(address, question, [this, sequence, done = std::move(done)](auto outcome) {
        post([this, sequence, done, outcome = std::move(outcome)](cluster::cluster_node& node,
                                                                  cluster::moment at) {
            hail_word word{.outcome = outcome,
                           .is_self = hails_.erase(sequence) == 0,
                           .own_cluster = *options_.cluster.name,
                           .own_wire = node.members().self().profile.wire};
            if (outcome && *outcome) {
                const cluster::member* known = node.members().members().find((*outcome)->from);
                word.was_live = known != nullptr && known->is_live();
                node.on_answer(**outcome, at);
            }
            done(word);
        });
    });
    arm();
}

bool cluster_service::has_link(node_id to) const { return transport_->has_control(to); }

void cluster_service::tell_figures(cluster::node_figures figures) {
    post([this, told = cluster::control_message(std::move(figures))](cluster::cluster_node& node,
                                                                     cluster::moment) {
        for (const auto& [to, each] : node.members().members()) {
            if (each.is_live() && (each.row.profile.features & cluster::feature_figures) != 0) {
                transport_->send(to, told);
            }
        }
    });
}

// An address of this node that it does not know to be its own.
void cluster_service::note_own_question(const cluster::envelope& asked) {
    const auto* question = std::get_if<cluster::push_pull>(&asked.body);
    if (asked.from == self_ && question != nullptr) {
        hails_.erase(question->sequence);
    }
}

// --- what shards say

/// A word of a shard, on its way to the thread of the cluster.
struct cluster_service::told {
    shard_id from;
    std::string filter;
    std::string group;
    cluster::destination_kind stream;
    shard::route_news news;
    bool is_online;
    std::uint64_t operation;
};

void cluster_service::partition_arrived(partition_id which, node_id at) {
    post([this, which, at](cluster::cluster_node& node, cluster::moment) {
        homes_.arrived(which, at, node);
    });
}

void cluster_service::tell(shard_id from, const shard::route_word& what, std::uint64_t operation) {
    post([this, word = told{.from = from,
                            .filter = std::string(what.filter),
                            .group = std::string(what.group),
                            .stream = what.kind == shard::taker_kind::kept
                                          ? cluster::destination_kind::kept
                                          : cluster::destination_kind::node,
                            .news = what.news,
                            .is_online = what.is_online,
                            .operation = operation}](
             cluster::cluster_node& node, cluster::moment at) { on_told(node, word, at); });
}

void cluster_service::on_told(cluster::cluster_node& node, const told& word, cluster::moment at) {
    const cluster::route_subscription what{.key = {.filter = word.filter, .group = word.group},
                                           .quality = 2,
                                           .is_online = word.is_online};
    switch (word.news) {
    case shard::route_news::first:
    case shard::route_news::joined:
        add_route(node, word, what, at);
        return;
    case shard::route_news::again:
        node.await_routes(word.stream, wait_for(word), at);
        return;
    case shard::route_news::last:
    case shard::route_news::left:
        node.remove_route(word.stream, what, at);
        return;
    case shard::route_news::went_online:
        node.set_route_online(what.key, true, at);
        return;
    case shard::route_news::went_offline:
        node.set_route_online(what.key, false, at);
        return;
    }
}

// What is over a limit works on this node, and is not heard of from others.
void cluster_service::add_route(cluster::cluster_node& node, const told& word,
                                const cluster::route_subscription& what, cluster::moment at) {
    const cluster::wait_token token = wait_for(word);
    if (const auto added = node.add_route(word.stream, what, token, at); !added) {
        log::warn("route_refused", {{"filter", word.filter},
                                    {"group", word.group},
                                    {"problem", cluster::text_of(added.error())}});
        known(token, cluster::route_known::everywhere);
    }
}

cluster::wait_token cluster_service::wait_for(const told& word) {
    if (word.operation == 0) {
        return {};
    }
    const cluster::wait_token token{++next_waiter_};
    waiters_.emplace(token.value, waiter{.shard = word.from, .operation = word.operation});
    return token;
}

void cluster_service::who_wants(std::string_view topic, std::vector<router::peer_want>& into,
                                std::vector<router::spread_group>& groups) const {
    if (!node_) {
        return;
    }
    std::vector<cluster::remote_group> found;
    node_->who_wants(
        topic,
        [&](peer_slot slot, cluster::destination_kind kind) {
            auto known = std::ranges::find(into, slot, &router::peer_want::slot);
            if (known == into.end()) {
                known = into.insert(known, {.slot = slot});
            }
            (kind == cluster::destination_kind::kept ? known->for_kept : known->for_volatile) =
                true;
        },
        found);
    for (cluster::remote_group& each : found) {
        router::spread_group& made = groups.emplace_back();
        made.name = std::move(each.name);
        made.filter = std::move(each.filter);
        for (const cluster::remote_group::place& place : each.places) {
            made.elsewhere.push_back({.at = place.at,
                                      .node = place.node,
                                      .online = place.online,
                                      .total = place.total,
                                      .has_queue = place.is_kept});
        }
    }
}

cluster::peer_transport& cluster_service::transport() { return *transport_; }

// --- what peers say

void cluster_service::on_question(cluster::question_id which, cluster::envelope asked) {
    post([this, which, asked = std::move(asked)](cluster::cluster_node& node, cluster::moment at) {
        note_own_question(asked);
        node.on_question(which, asked, at);
    });
}

void cluster_service::on_answer(cluster::envelope answer) {
    post([answer = std::move(answer)](cluster::cluster_node& node, cluster::moment at) {
        node.on_answer(answer, at);
    });
}

void cluster_service::on_refused(node_id to, std::string address) {
    post([to, address = std::move(address)](cluster::cluster_node& node, cluster::moment at) {
        node.on_refused(to, address, at);
    });
}

void cluster_service::on_control(cluster::peer_identity from, cluster::control_message message,
                                 std::function<void()> taken) {
    if (auto* figures = std::get_if<cluster::node_figures>(&message)) {
        figures_.hear(from, std::move(*figures));
        taken();
        return;
    }
    post([from, message = std::move(message),
          taken = std::move(taken)](cluster::cluster_node& node, cluster::moment at) mutable {
        node.on_control(from, std::move(message), at);
        taken();
    });
}

void cluster_service::on_control_open(node_id to, node_id via) {
    post([this, to, via](cluster::cluster_node& node, cluster::moment at) {
        last_problem_.erase(to);
        if (std::exchange(ways_[to], via) != via) {
            log::info("way_changed", {{"node", hex(to)},
                                      {"via", via == node_id{} ? "the direct link" : hex(via)}});
        }
        node.on_control_open(to, at);
    });
}

void cluster_service::on_control_lost(node_id to, std::string why) {
    boost::asio::post(context_, [this, to, why = std::move(why)] {
        if (std::exchange(last_problem_[to], why) != why) {
            log::info("control_stream_lost", {{"node", hex(to)}, {"problem", why}});
        }
    });
}

void cluster_service::on_lane(std::unique_ptr<cluster::incoming_lane> lane, cluster::peer_identity,
                              cluster::lane_hello hello) {
    const std::size_t at = hello.lane.shard.value % loops_->size();
    (*loops_)[at]->on_lane(std::move(lane), hello);
}

// As an alarm: once in a while, however often it comes.
void cluster_service::on_distrusted(cluster::peer_distrust what) {
    boost::asio::post(context_, [this, what = std::move(what)] {
        const node_id about{std::hash<std::string>()(what.address + what.what)};
        if (distrust_told_.passes(about, 0, std::chrono::steady_clock::now())) {
            log::warn("cluster_alarm",
                      {{"alarm", "distrusted"},
                       {"address", what.address.empty() ? "it has called" : what.address},
                       {"problem", what.what},
                       {"remedy", what.remedy}});
        }
    });
}

// --- what the node asks for

void cluster_service::peer_changed(const cluster::peer_view& now) {
    if (now.state == cluster::peer_state::gone) {
        ways_.erase(now.who.node);
        last_problem_.erase(now.who.node);
    }
    const shard::peer_place place{
        .slot = now.slot,
        .node = now.who.node,
        .boot = now.who.boot,
        .address = now.address,
        .name = now.name,
        .presence = now.state == cluster::peer_state::alive  ? shard::peer_presence::live
                    : now.state == cluster::peer_state::dead ? shard::peer_presence::absent
                                                             : shard::peer_presence::gone,
        .is_suspected = now.is_suspected,
        .has_stopped = now.has_stopped,
        .has_ended = now.has_ended};
    figures_.on_peer(now);
    if (referrals_) {
        const cluster::member* known = node_->members().members().find(now.who.node);
        const bool is_there =
            known != nullptr && now.state == cluster::peer_state::alive && !now.is_suspected;
        referrals_->set_address(party_of(now.slot),
                                is_there ? known->row.profile.client_address : std::string());
    }
    for (const auto& each : *loops_) {
        each->on_peer(place);
    }
    homes_.changed();
}

void cluster_service::member_changed(const cluster::member& now, member_change change) {
    const bool is_bad = change == member_change::suspected || change == member_change::died;
    log::event(is_bad ? log::level::warn : log::level::info, {}, "member_changed",
               {{"node", now.row.profile.name},
                {"became", cluster::member_change_names[static_cast<std::size_t>(change)]},
                {"id", hex(now.row.node)},
                {"address", now.row.profile.peer_address},
                {"start", now.row.boot.value}});
}

void cluster_service::known(cluster::wait_token who, cluster::route_known) {
    if (const auto found = waiters_.extract(who.value); !found.empty()) {
        (*loops_)[found.mapped().shard.value]->on_applied(found.mapped().operation);
    }
}

void cluster_service::table_founded(const cluster::partition_founding& founding) {
    partitions_on_disk_.put(founding);
    homes_.changed();
    differing_.clear();
    log::info("partitions_founded", {{"by", hex(founding.by)}, {"here", founding.by == self_}});
}

void cluster_service::partition_changed(partition_id which, const cluster::partition_row& now) {
    partitions_on_disk_.put(node_->partitions().table().founding(), which, now);
    homes_.changed();
}

void cluster_service::tables_differ(node_id with, const cluster::partition_founding& theirs) {
    if (!differing_.insert(with).second) {
        return;
    }
    log::error("sessions_of_two_clusters",
               {{"node", hex(with)},
                {"theirs_by", hex(theirs.by)},
                {"remedy", "sessions of this node stay here, where no other node finds them: run "
                           "`grapevine cluster join --merge` on the node whose sessions are to go "
                           "over to the others, or `grapevine cluster join --discard` where they "
                           "are to be erased"}});
}

void cluster_service::read_entries(cluster::retained_ticket ticket, const retained_range& of,
                                   std::size_t entries_max) {
    shard::event_loop& loop = loop_of(of.bucket);
    loop.post([this, &loop, ticket, of, entries_max] {
        post([ticket, found = loop.logic().retained().entries(of, entries_max)](
                 cluster::cluster_node& node, cluster::moment at) mutable {
            node.on_entries(ticket, std::move(found), at);
        });
    });
}

void cluster_service::read_rows(cluster::retained_ticket ticket, retained_question&& question) {
    shard::event_loop& loop = loop_of(question.of.bucket);
    loop.post([this, &loop, ticket, question = std::move(question)] {
        post([ticket, found = loop.logic().answer_retained(question)](cluster::cluster_node& node,
                                                                      cluster::moment at) mutable {
            node.on_rows(ticket, std::move(found), at);
        });
    });
}

void cluster_service::apply(cluster::retained_ticket ticket, retained_bucket bucket,
                            std::vector<retained_row>&& rows, std::vector<retained_entry>&& dead) {
    shard::event_loop& loop = loop_of(bucket);
    loop.post([this, &loop, ticket, rows = std::move(rows), dead = std::move(dead)] {
        cluster::retained_applied done;
        for (const retained_row& each : rows) {
            const router::put_outcome outcome = loop.logic().retain_row(each);
            done.refused += outcome == router::put_outcome::over_limit ? 1U : 0U;
            done.stored += router::is_change(outcome, true) ? 1U : 0U;
        }
        done.known = static_cast<std::uint32_t>(rows.size()) - done.refused - done.stored;
        for (const retained_entry& each : dead) {
            done.dropped += loop.logic().drop_retained(each) ? 1U : 0U;
        }
        post([ticket, done](cluster::cluster_node& node, cluster::moment at) {
            node.on_applied(ticket, done, at);
        });
    });
}

void cluster_service::collect(const retained_claim& claim) {
    collecting_ = loops_->size();
    for (const auto& each : *loops_) {
        each->post([this, &loop = *each, claim] {
            loop.logic().claim_retained(claim);
            collect_on(loop);
        });
    }
}

// A part in a turn, so that a million of them stop nobody.
void cluster_service::collect_on(shard::event_loop& loop) {
    if (!loop.logic().collect_retained(collect_visits_max)) {
        loop.post([this, &loop] { collect_on(loop); });
        return;
    }
    post([this](cluster::cluster_node& node, cluster::moment at) {
        if (--collecting_ == 0) {
            node.on_collected(at);
        }
    });
}

void cluster_service::ready(bool is_complete) {
    log::event(is_complete ? log::level::info : log::level::warn, {}, "cluster_ready",
               {{"others", node_->members().members().live()}, {"complete", is_complete}});
    // Until it is known where sessions live, one might be made in the wrong place.
    if (!is_complete || !may_be_home() || node_->partitions().table().founding().is_there()) {
        homes_.tell_shards(*node_);
        let_clients_in();
        return;
    }
    waits_for_table_ = true;
    table_timer_.expires_after(*options_.cluster.ready_within);
    table_timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled && waits_for_table_) {
            let_clients_in();
        }
    });
}

void cluster_service::let_clients_in() {
    waits_for_table_ = false;
    table_timer_.cancel();
    boost::asio::post(control_, std::exchange(ready_, {}));
}

void cluster_service::absorb(hybrid_time seen) {
    for (const auto& each : *loops_) {
        each->post([&loop = *each, seen] { loop.logic().absorb(seen); });
    }
}

void cluster_service::stay_after(hybrid_time until) {
    for (const auto& each : *loops_) {
        each->post([&loop = *each, until] { loop.logic().stay_after(until); });
    }
}

void cluster_service::clock_agreed(const std::optional<cluster::agreed_time>& now,
                                   duration correction) {
    for (const auto& each : *loops_) {
        each->post([&loop = *each, now] { loop.logic().agree_on_clock(now); });
    }
    tell_of_clock(correction);
}

// Of an error that grows nobody need hear at each step.
void cluster_service::tell_of_clock(duration correction) {
    const bool was_right = clock_correction_ == duration(0);
    clock_correction_ = correction;
    if (correction != duration(0) && was_right) {
        log::warn("clock_is_wrong",
                  {{"lacks_ms",
                    std::chrono::duration_cast<std::chrono::milliseconds>(correction).count()},
                   {"remedy", "set the clock of this machine; until then messages are dated by the "
                              "clocks of the other nodes"}});
    } else if (correction == duration(0) && !was_right) {
        log::info("clock_is_right_again", {});
    }
}

void cluster_service::alarm(const cluster::membership_alarm& what) {
    log::warn("cluster_alarm",
              {{"alarm", cluster::alarm_kind_names[static_cast<std::size_t>(what.kind)]},
               {"peer", what.name},
               {"id", hex(what.node)},
               {"address", what.address},
               {"ours", what.ours},
               {"theirs", what.theirs},
               {"remedy", what.remedy}});
}

void cluster_service::levels_changed(const cluster::wire_levels& now) {
    log::info("cluster_wire_level",
              {{"active", now.active}, {"lowest", now.lowest}, {"highest", now.highest}});
}

void cluster_service::forgotten() {
    log::error("forgotten_by_the_cluster",
               {{"remedy", "restart this node if it is to take part again"}});
}

// --- members on disk

void cluster_service::keep_members(std::vector<cluster::member_row> rows) {
    const std::scoped_lock changing(members_lock_);
    members_ = std::move(rows);
    if (!std::exchange(is_write_posted_, true)) {
        boost::asio::post(control_, [this] { write_members(); });
    }
}

void cluster_service::write_members() {
    std::vector<cluster::member_row> rows;
    {
        const std::scoped_lock reading(members_lock_);
        if (!std::exchange(is_write_posted_, false)) {
            return;
        }
        rows = members_;
    }
    if (!file_->write(std::move(rows))) {
        write_members_again();
    }
}

// Nothing may change for days, and what was not written would be missed after a power cut.
void cluster_service::write_members_again() {
    {
        const std::scoped_lock changing(members_lock_);
        is_write_posted_ = true;
    }
    members_timer_.expires_after(members_again);
    members_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            write_members();
        }
    });
}

} // namespace gv::server
