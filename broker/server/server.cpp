// SPDX-License-Identifier: Apache-2.0
#include "broker/server/server.hpp"

#include "base/log.hpp"
#include "broker/auth/crypto.hpp"
#include "broker/server/check_files.hpp"
#include "broker/server/cluster_identity.hpp"
#include "broker/server/derive.hpp"
#include "broker/server/documents.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/leave_mark.hpp"
#include "broker/server/load.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/process.hpp"
#include "broker/transport/endpoint.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <random>
#include <thread>

namespace gv::server {

namespace {

// How long clients may take to read their good-bye.
constexpr auto stop_patience = std::chrono::seconds(2);

void append(std::vector<problem>& to, const std::vector<problem>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

void log_problems(log::level severity, const std::vector<problem>& all) {
    for (const problem& each : all) {
        log::event(severity, {}, "configuration",
                   {{"place", each.place}, {"problem", each.what}, {"remedy", each.remedy}});
    }
}

[[nodiscard]] transport::listener_options listening_at(const listener_options& listener,
                                                       const transport::endpoint& where) {
    transport::listener_options made;
    made.where = where;
    made.backlog = static_cast<int>(*listener.backlog);
    made.only_v6 = *listener.bind != "::";
    return made;
}

/// A node without a store is another one at each start, unless its certificate says which; then its
/// lives are told apart by the clock, and each waits for a second of its own: what is started again
/// at once has not the number of the life before.
[[nodiscard]] cluster::peer_identity identity_without_store(const identity_load& identity) {
    if (identity.found) {
        const auto now = std::chrono::system_clock::now();
        const auto begins = std::chrono::floor<std::chrono::seconds>(now) + std::chrono::seconds{1};
        std::this_thread::sleep_for(begins - now); // not until: the clock may be set back meanwhile
        const auto number = static_cast<std::uint32_t>(begins.time_since_epoch().count());
        return {.node = identity.found->who.node, .boot = boot_id{number}};
    }
    std::random_device random;
    return {.node = node_id{(std::uint64_t{random()} << 32) | random()}, .boot = boot_id{1}};
}

} // namespace

server::server(loaded_options loaded, command_line flags)
    : options_(std::move(loaded.values)), profile_(std::move(loaded.profile)),
      flags_(std::move(flags)), is_admin_asked_for_(loaded.origins.contains("admin.port")
                                                    || loaded.origins.contains("admin.bind")),
      decoy_secret_(auth::random_bytes(32)),
      hashing_(std::make_unique<auth::hash_pool>(auth::hash_pool_options{
          .threads = *options_.auth.hash_threads, .queue_max = *options_.auth.pending_max})),
      open_total_(std::make_shared<std::atomic<std::uint32_t>>()) {}

// After stop() little is left to do; a start that failed half way may have left all of it running.
server::~server() {
    if (admin_) {
        admin_->stop();
    }
    if (operator_) {
        operator_->stop();
    }
    for (const auto& each : loops_) {
        each->stop({});
    }
    for (const auto& each : loops_) {
        each->join();
    }
    if (cluster_) {
        cluster_->stop();
    }
}

std::vector<problem> server::start() {
    keep_freed_memory();
    raise_descriptor_limit();
    std::vector<problem> problems = build_access();
    build_loops();
    board_ = std::make_unique<metric_board>(loops_);
    observer_ = std::make_unique<observer>(control_, *board_, *loops_.front());
    append(problems, build_listeners());
    append(problems, build_admin());
    if (problems.empty()) {
        append(problems, drop_privileges());
    }
    if (problems.empty()) {
        append(problems, build_store());
    }
    if (problems.empty()) {
        append(problems, build_cluster());
    }
    if (problems.empty()) {
        start_loops();
        // Whoever reads the files may signal at once; until here a signal ends the process.
        for (const int each : {SIGTERM, SIGINT, SIGHUP}) {
            signals_.add(each);
        }
        append(problems, write_files());
    }
    return problems;
}

void server::build_loops() {
    const std::size_t shards = shard_count_of(options_);
    if (!options_.cluster.name->empty()) {
        cluster_ = std::make_unique<cluster_service>(options_, control_);
    }
    const auto users = (*options_.limits.queue_bytes_per_user_max).value == 0
                           ? nullptr
                           : std::make_shared<user_accounts>();
    std::vector<shard::event_loop*> peers;
    for (std::uint16_t number = 0; number < shards; ++number) {
        auto made = event_loop_options_of(options_, shard_id{number}, shards);
        made.logic.users = users;
        made.logic.is_clustered = cluster_ != nullptr;
        made.logic.has_group_queues = *options_.mqtt.shared_queues;
        made.logic.referrals = cluster_ ? cluster_->referrals() : nullptr;
        made.logic.shares_sessions = cluster_ != nullptr && *options_.sessions.follow_clients;
        made.logic.handovers.bytes_per_second =
            std::max<std::uint64_t>((*options_.sessions.handover_rate).value / shards, 1);
        made.logic.routing.peers = cluster_.get();
        made.logic.retained.digest = cluster_ ? &cluster_->digest() : nullptr;
        loops_.push_back(std::make_unique<shard::event_loop>(std::move(made)));
        peers.push_back(loops_.back().get());
    }
    for (const auto& each : loops_) {
        each->set_peers(peers);
        each->set_access(access_.authoriser);
        if (cluster_) {
            each->sit_at(*cluster_);
        }
    }
}

// As the user that the broker has become, so that its files are that user's.
std::vector<problem> server::build_store() {
    log_profile(options_, profile_);
    auto opened = open_store(options_, certified_id(options_));
    if (!opened) {
        return {opened.error()};
    }
    store_ = std::move(*opened);
    board_->watch(store_.get());
    if (!store_) {
        log::warn("nothing_is_kept", {{"remedy", "set storage.enabled = true"}});
        return {};
    }
    for (const auto& each : loops_) {
        each->keep_in(*store_);
        if (cluster_) {
            each->logic().hold_sessions();
        }
    }
    const kept_for_cluster kept = cluster_ ? cluster_->kept_on_disk() : kept_for_cluster();
    if (const auto restored = restore_all(*store_, loops_, kept); !restored) {
        return {restored.error()};
    }
    space_ = std::make_unique<space_watch>(
        control_, store_folder(options_), (*options_.storage.free_min).value,
        [this](shard::store_room room) {
            for (const auto& each : loops_) {
                each->post([&loop = *each, room] { loop.logic().set_store_room(room); });
            }
        });
    board_->watch_disk(space_.get());
    space_->start();
    return {};
}

std::vector<problem> server::build_cluster() {
    if (!cluster_) {
        return {};
    }
    if (const auto may_join = check_leave_mark(options_); !may_join) {
        return {may_join.error()};
    }
    const identity_load identity = load_identity(options_, std::chrono::system_clock::now());
    log_problems(log::level::warn, identity.warnings);
    if (!identity.errors.empty()) {
        return identity.errors;
    }
    cluster::peer_identity self;
    if (store_) {
        self = {.node = store_->node().node, .boot = store_->node().boot};
        if (const auto wrong = check_owner(options_, identity, self.node)) {
            return {*wrong};
        }
    } else {
        self = identity_without_store(identity);
        for (const auto& each : loops_) {
            each->be(self.node, self.boot);
            each->begin_turn();
            each->logic().restore_claim(std::nullopt);
        }
    }
    for (const auto& each : loops_) {
        each->begin_turn();
        each->logic().claim_retained(each->logic().retained().claim()); // from the first start on
    }
    if (const auto opened = cluster_->open(self, loops_, identity.found); !opened) {
        return {opened.error()};
    }
    board_->watch_cluster(cluster_.get());
    observer_->watch_cluster(*cluster_);
    operator_ = std::make_unique<operator_service>(
        options_, *cluster_, loops_, control_,
        node_end{.close_listeners =
                     [this](std::function<void()> closed) { close_listeners(std::move(closed)); },
                 .end_process = [this] { leave(); }});
    if (const auto opened = operator_->start(); !opened) {
        return {opened.error()};
    }
    return {};
}

std::vector<problem> server::build_access() {
    access_load loaded = load_access(options_, decoy_secret_);
    log_problems(log::level::warn, loaded.warnings);
    access_ = std::move(loaded.rules);
    return loaded.errors;
}

server::rules_load server::rules_for(const options& all, const listener_options& listener,
                                     const access_rules& access, const acceptor& at) const {
    auto rules = std::make_shared<connection_rules>();
    rules_load made;
    const bool is_websocket = *listener.transport == transport_kind::websocket;
    if (uses_tls(listener)) {
        transport::tls_load loaded = transport::tls_context::load(tls_options_of(listener),
                                                                  std::chrono::system_clock::now());
        made.warnings = std::move(loaded.warnings);
        made.errors = std::move(loaded.errors);
        if (!made.errors.empty()) {
            return made;
        }
        rules->stream.tls = loaded.context;
    }
    rules->stream.kind = is_websocket
                             ? (rules->stream.tls ? transport::stream_kind::secure_websocket
                                                  : transport::stream_kind::websocket)
                         : rules->stream.tls ? transport::stream_kind::tls
                                             : transport::stream_kind::tcp;
    if (is_websocket) {
        auto settings = std::make_shared<transport::websocket_options>();
        settings->handshake_timeout = *all.mqtt.connect_timeout;
        rules->stream.websocket = settings;
    }
    auto profile = std::make_shared<shard::listener_profile>();
    profile->name = listener_name(listener);
    profile->authenticator = authenticator_for(all, listener, access, *hashing_);
    profile->methods = access.methods;
    profile->open = at.open_count();
    profile->open_total = open_total_;
    profile->uses_identity_as_username = *listener.use_identity_as_username;
    profile->level = durability_of(all, listener);
    rules->profile = std::move(profile);
    rules->connections_max = *listener.connections_max;
    rules->connections_max_total =
        connections_limit(*all.limits.connections_max, *all.storage.open_files_max);
    rules->is_total_by_descriptors =
        is_limited_by_descriptors(*all.limits.connections_max, *all.storage.open_files_max);
    made.rules = std::move(rules);
    return made;
}

std::vector<problem> server::build_listeners() {
    std::vector<problem> problems;
    for (std::size_t i = 0; i < options_.listeners.items.size(); ++i) {
        const listener_options& listener = options_.listeners.items[i];
        const auto where = transport::parse_endpoint(*listener.bind, *listener.port);
        if (!where) {
            problems.push_back(where.error());
            continue;
        }
        auto made = std::make_unique<acceptor>(loops_, listening_at(listener, *where),
                                               listener_name(listener));
        if (const auto opened = made->open(); !opened) {
            if (!listener.is_optional) {
                problems.push_back(opened.error());
            }
            continue;
        }
        const rules_load loaded = rules_for(options_, listener, access_, *made);
        log_problems(log::level::warn, loaded.warnings);
        append(problems, loaded.errors);
        if (loaded.rules) {
            made->replace_rules(loaded.rules);
            acceptors_.push_back(std::move(made));
            accepting_options_.push_back(i);
        }
    }
    if (acceptors_.empty() && problems.empty()) {
        problems.push_back({.place = "listeners",
                            .what = "no listener could be opened",
                            .remedy = "check whether another broker uses port 1883"});
    }
    return problems;
}

// A second broker on the machine finds the default port taken: it does without.
std::vector<problem> server::build_admin() {
    if (!*options_.admin.enabled) {
        return {};
    }
    const auto where = transport::parse_endpoint(*options_.admin.bind, *options_.admin.port);
    if (!where) {
        return {where.error()};
    }
    admin_ = std::make_unique<admin::admin_server>(admin::admin_server_options{.where = *where},
                                                   *board_);
    if (const auto opened = admin_->open(); !opened) {
        admin_.reset();
        if (is_admin_asked_for_) {
            return {opened.error()};
        }
        log::warn("no_admin_port",
                  {{"address", where->text()},
                   {"problem", opened.error().what},
                   {"remedy", "set admin.port to a free port, or admin.enabled = false"}});
    }
    return {};
}

void server::start_loops() {
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        loops_[i]->start();
    }
    // The first $SYS topics are there before the first client.
    observer_->start(*options_.node.sys_interval);
    if (cluster_) {
        cluster_->start([this] { start_accepting(); });
    } else {
        start_accepting();
    }
    for (const auto& each : acceptors_) {
        log::info("listening", {{"address", each->local().text()}, {"listener", each->name()}});
    }
    if (admin_) {
        log::info("admin_listening", {{"address", admin_->local().text()}});
        admin_->start();
    }
}

void server::start_accepting() {
    for (const auto& each : loops_) {
        each->post([&logic = each->logic()] { logic.begin_serving(); });
    }
    loops_.front()->post([this] {
        for (const auto& each : acceptors_) {
            each->start();
        }
        board_->set_readiness(admin::readiness::serving);
    });
}

std::vector<problem> server::drop_privileges() const { return become_user(*options_.node.user); }

std::vector<problem> server::write_files() const {
    std::vector<problem> problems;
    std::string ports;
    for (const auto& each : acceptors_) {
        ports += each->name() + " " + each->local().text() + "\n";
    }
    if (cluster_) {
        ports += "cluster " + cluster_->local() + "\n";
    }
    if (admin_) {
        ports += "admin " + admin_->local().text() + "\n";
    }
    append(problems, write_whole(*options_.node.ports_file, ports, "node.ports_file"));
    append(problems, write_whole(*options_.node.pid_file, process_id_text(), "node.pid_file"));
    return problems;
}

void server::run() {
    log::info("started", {{"version", version()}, {"shards", loops_.size()}});
    const std::uint32_t wanted = *options_.limits.connections_max;
    const std::uint32_t store_files = *options_.storage.open_files_max;
    log::info("connections_limit",
              {{"connections", connections_limit(wanted, store_files)},
               {"set_by", is_limited_by_descriptors(wanted, store_files)
                              ? "the limit of file descriptors (ulimit -n, LimitNOFILE=)"
                              : "limits.connections_max"}});
    notify_supervisor("READY=1");
    wait_for_signal();
    control_.run();
}

void server::wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
        if (error) {
            return;
        }
        if (number == SIGHUP) {
            reload();
            wait_for_signal();
        } else {
            log::info("stopping", {{"signal", number}});
            stop();
        }
    });
}

// Once: a signal may have come meanwhile.
void server::leave() {
    if (!is_stopped_) {
        log::info("stopping", {{"why", "this node has left the cluster"}});
        signals_.cancel();
        stop();
    }
}

void server::close_listeners(std::function<void()> closed) {
    board_->set_readiness(admin::readiness::stopping);
    loops_.front()->post([this, closed = std::move(closed)]() mutable {
        for (const auto& each : acceptors_) {
            each->stop();
        }
        boost::asio::post(control_, std::move(closed));
    });
}

void server::stop() {
    is_stopped_ = true;
    notify_supervisor("STOPPING=1");
    board_->set_readiness(admin::readiness::stopping);
    observer_->stop();
    if (operator_) {
        operator_->stop();
    }
    if (space_) {
        space_->stop();
    }
    if (cluster_) {
        cluster_->say_goodbye();
    }
    std::promise<void> closed;
    loops_.front()->post([this, &closed] {
        for (const auto& each : acceptors_) {
            each->stop();
        }
        closed.set_value();
    });
    closed.get_future().wait();
    for (const auto& each : loops_) {
        each->stop(stop_patience);
    }
    for (const auto& each : loops_) {
        each->join();
    }
    if (cluster_) {
        cluster_->stop();
    }
    if (store_) {
        board_->watch(nullptr);
        store_->close();
    }
    if (admin_) {
        admin_->stop();
    }
    remove_file(*options_.node.pid_file);
    log::info("stopped");
}

// A configuration that is wrong anywhere changes nothing. The log comes last: opening it is the
// only step of putting things in force that can fail, and by itself it is all or nothing.
void server::reload() {
    notify_supervisor("RELOADING=1");
    reload_parts parts = prepare_reload();
    if (parts.problems.empty()) {
        parts.problems = configure_log(parts.plan.effective);
    }
    if (parts.problems.empty()) {
        apply(std::move(parts));
    } else {
        log_problems(log::level::error, parts.problems);
        log::error("reload_refused", {{"remedy", "mend what is named above; nothing was changed"}});
    }
    notify_supervisor("READY=1");
}

server::reload_parts server::prepare_reload() const {
    reload_parts made;
    // The profile is that of the start.
    loaded_options fresh =
        load_options(flags_, process_environment(), [this](const options&) { return profile_; });
    complete_cluster(fresh);
    made.problems = fresh.problems;
    if (!made.problems.empty()) {
        return made;
    }
    made.access = load_access(fresh.values, decoy_secret_);
    // Also of listeners that are opened by a restart only: it would fail then.
    const file_check certificates = check_certificates(fresh.values);
    append(made.problems, made.access.errors);
    append(made.problems, certificates.errors);
    made.warnings = made.access.warnings;
    append(made.warnings, certificates.warnings);
    if (cluster_) {
        made.identity = load_identity(fresh.values, std::chrono::system_clock::now());
        append(made.problems, made.identity.errors);
        append(made.warnings, made.identity.warnings);
        if (const auto wrong = check_owner(fresh.values, made.identity, cluster_->self())) {
            made.problems.push_back(*wrong);
        }
    }
    if (made.problems.empty()) {
        made.plan = plan_reload(options_, fresh.values);
        made.problems = build_rules(made);
    }
    return made;
}

std::vector<problem> server::build_rules(reload_parts& into) const {
    std::vector<problem> problems;
    const options& all = into.plan.effective;
    for (std::size_t i = 0; i < acceptors_.size(); ++i) {
        const std::size_t number = accepting_options_[i];
        rules_load loaded;
        if (into.plan.listeners[number]) {
            loaded = rules_for(all, all.listeners.items[number], into.access.rules, *acceptors_[i]);
            append(problems, loaded.errors);
        }
        into.rules.push_back(std::move(loaded.rules));
    }
    return problems;
}

// What waits for a restart goes on differing: it is told once.
void server::log_changes(const std::vector<option_change>& changes) {
    std::vector<option_change> waiting;
    for (const option_change& change : changes) {
        const bool needs_restart = change.applies == gv::reload::restart;
        if (needs_restart) {
            waiting.push_back(change);
        }
        if (needs_restart && std::ranges::find(waiting_, change) != waiting_.end()) {
            continue;
        }
        log::event(needs_restart ? log::level::warn : log::level::info, {}, "option_changed",
                   {{"option", change.name},
                    {"before", change.before},
                    {"after", change.after},
                    {"takes_effect", needs_restart ? "after a restart" : "now"}});
    }
    waiting_ = std::move(waiting);
}

void server::apply(reload_parts parts) {
    log_problems(log::level::warn, parts.warnings);
    log_changes(parts.plan.changes);
    options_ = std::move(parts.plan.effective);
    access_ = std::move(parts.access.rules);
    if (cluster_ && !cluster_->renew(parts.identity.found)) {
        log::warn("cluster_certificate_kept",
                  {{"why", "a cluster does not change between TLS and plain text while it runs"},
                   {"remedy", "restart every node"}});
    }
    observer_->set_interval(*options_.node.sys_interval);
    for (const auto& each : loops_) {
        each->post([loop = each.get(), limits = session_limits_of(options_, loops_.size()),
                    authoriser = access_.authoriser, pressure = pressure_of(options_)] {
            loop->logic().reload(limits, authoriser);
            loop->logic().reload(pressure);
        });
    }
    for (std::size_t i = 0; i < acceptors_.size(); ++i) {
        if (parts.rules[i]) {
            loops_.front()->post([accepts = acceptors_[i].get(), rules = parts.rules[i]] {
                accepts->replace_rules(rules);
            });
        } else {
            log::warn("listener_kept",
                      {{"listener", acceptors_[i]->name()},
                       {"why", "the configuration has no listener with this address and port"},
                       {"note", "it stays open with the rules it had, until a restart"}});
        }
    }
    log::info("reloaded");
}

} // namespace gv::server
