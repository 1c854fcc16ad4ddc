// SPDX-License-Identifier: Apache-2.0
// The broker as a whole: builds its parts from the options, starts them in order, stops them in
// reverse. Lives on the main thread, which waits for signals; the shards do the work.
#pragma once

#include "broker/admin/admin_server.hpp"
#include "broker/auth/hash_pool.hpp"
#include "broker/server/acceptor.hpp"
#include "broker/server/access.hpp"
#include "broker/server/cluster_service.hpp"
#include "broker/server/command_line.hpp"
#include "broker/server/load.hpp"
#include "broker/server/metric_board.hpp"
#include "broker/server/observer.hpp"
#include "broker/server/operator_service.hpp"
#include "broker/server/reload.hpp"
#include "broker/server/space_watch.hpp"
#include "broker/shard/event_loop.hpp"
#include "storage/store.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace gv::server {

class server {
  public:
    /// Requires: `loaded` without problems. `flags` is kept to read the configuration again on
    /// SIGHUP.
    server(loaded_options loaded, command_line flags);
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server();

    /// Reads the files of the configuration, opens the listeners and starts the shards. Returns
    /// everything that is wrong; then nothing runs.
    [[nodiscard]] std::vector<problem> start();
    /// Serves until SIGTERM or SIGINT, then says good-bye to all clients.
    void run();

  private:
    [[nodiscard]] std::vector<problem> build_access();
    void build_loops();
    [[nodiscard]] std::vector<problem> build_store();
    [[nodiscard]] std::vector<problem> build_listeners();
    /// For the listener of `all` that `at` has open; null if something is wrong with it.
    struct rules_load {
        std::shared_ptr<const connection_rules> rules;
        std::vector<problem> errors;
        std::vector<problem> warnings;
    };
    [[nodiscard]] rules_load rules_for(const options& all, const listener_options& listener,
                                       const access_rules& access, const acceptor& at) const;
    [[nodiscard]] std::vector<problem> build_admin();
    [[nodiscard]] std::vector<problem> build_cluster();
    void start_loops();
    void start_accepting();
    [[nodiscard]] std::vector<problem> write_files() const;
    [[nodiscard]] std::vector<problem> drop_privileges() const;
    void wait_for_signal();
    void reload();
    /// All that a reload puts in force, so that nothing can fail once the first of it is.
    struct reload_parts {
        reload_plan plan;
        access_load access;
        identity_load identity; ///< of the cluster
        /// For each acceptor; null: it keeps those it has.
        std::vector<std::shared_ptr<const connection_rules>> rules;
        std::vector<problem> warnings;
        std::vector<problem> problems; ///< if there is any, nothing of this must be used
    };
    [[nodiscard]] reload_parts prepare_reload() const;
    [[nodiscard]] std::vector<problem> build_rules(reload_parts& into) const;
    void apply(reload_parts parts);
    void log_changes(const std::vector<option_change>& changes);
    void leave();
    /// `closed` is called on the control thread.
    void close_listeners(std::function<void()> closed);
    void stop();

    options options_;                    ///< in force: what waits for a restart is not in it
    profile_choice profile_;             ///< since the start
    std::vector<option_change> waiting_; ///< for a restart, and told of
    command_line flags_;
    bool is_admin_asked_for_; ///< its port or address was given, not left at the default
    std::string decoy_secret_;
    std::unique_ptr<auth::hash_pool> hashing_;
    access_rules access_;
    // Before the loops, whose threads call them.
    boost::asio::io_context control_{1};
    std::unique_ptr<metric_board> board_;
    std::unique_ptr<admin::admin_server> admin_;
    std::unique_ptr<storage::store> store_;    ///< null: nothing is kept. Outlives the loops.
    std::unique_ptr<cluster_service> cluster_; ///< null: this node is alone. Outlives the loops.
    std::vector<std::unique_ptr<shard::event_loop>> loops_;
    std::unique_ptr<operator_service> operator_; ///< null: this node is alone
    std::vector<std::unique_ptr<acceptor>> acceptors_;
    std::vector<std::size_t> accepting_options_; ///< which listener of the options each serves
    std::shared_ptr<std::atomic<std::uint32_t>> open_total_;
    std::unique_ptr<space_watch> space_; ///< null: nothing is kept
    std::unique_ptr<observer> observer_;
    boost::asio::signal_set signals_{control_};
    bool is_stopped_ = false;
};

} // namespace gv::server
