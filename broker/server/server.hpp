// SPDX-License-Identifier: Apache-2.0
// The broker as a whole: builds its parts from the options, starts them in order, stops them in
// reverse. Lives on the main thread, which waits for signals; the shards do the work.
#pragma once

#include "broker/admin/admin_server.hpp"
#include "broker/auth/hash_pool.hpp"
#include "broker/server/acceptor.hpp"
#include "broker/server/access.hpp"
#include "broker/server/command_line.hpp"
#include "broker/server/load.hpp"
#include "broker/server/metric_board.hpp"
#include "broker/server/observer.hpp"
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
    [[nodiscard]] result<std::shared_ptr<const connection_rules>, std::vector<problem>>
    rules_for(const listener_options& listener) const;
    [[nodiscard]] std::vector<problem> build_admin();
    void start_loops();
    [[nodiscard]] std::vector<problem> write_files() const;
    [[nodiscard]] std::vector<problem> drop_privileges() const;
    void wait_for_signal();
    void reload();
    void apply_reload(options fresh, access_load access);
    void stop();

    options options_;
    command_line flags_;
    bool is_admin_asked_for_; ///< its port or address was given, not left at the default
    std::string decoy_secret_;
    std::unique_ptr<auth::hash_pool> hashing_;
    access_rules access_;
    // Before the loops, whose threads call them.
    boost::asio::io_context control_{1};
    std::unique_ptr<metric_board> board_;
    std::unique_ptr<admin::admin_server> admin_;
    std::unique_ptr<storage::store> store_; ///< null: nothing is kept. Outlives the loops.
    std::vector<std::unique_ptr<shard::event_loop>> loops_;
    std::vector<std::unique_ptr<acceptor>> acceptors_;
    std::vector<std::size_t> accepting_options_; ///< which listener of the options each serves
    std::shared_ptr<std::atomic<std::uint32_t>> open_total_;
    std::unique_ptr<space_watch> space_; ///< null: nothing is kept
    std::unique_ptr<observer> observer_;
    boost::asio::signal_set signals_{control_};
};

} // namespace gv::server
