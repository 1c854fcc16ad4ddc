// SPDX-License-Identifier: Apache-2.0
// Addresses of the seeds: names are looked up again and again, since they may stand for other nodes
// tomorrow, often while nobody is there. Lives on the thread of the cluster, which never waits for
// it: lookups block threads of their own.
#pragma once

#include "base/option.hpp"
#include "broker/server/seed_place.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gv::server {

/// What came of looking one seed up.
struct seed_addresses {
    std::vector<std::string> found; ///< host:port, as numbers, without this node's own
    std::string problem;            ///< what was not found, for a person; empty: nothing
    bool is_self = false;           ///< this node's own was among them
};

/// Whether an option's address means all addresses.
[[nodiscard]] bool is_any_address(const std::string& address);

class seed_search {
  public:
    /// How the cluster stands; decides when names are looked up again.
    enum class standing : std::uint8_t { alone, some_away, complete };
    struct callbacks {
        /// Look for nodes there. Called once at least, when the first round is over or has taken
        /// too long, perhaps with nothing.
        std::function<void(std::vector<std::string>)> join;
        std::function<standing()> how;
    };

    /// `bind` and `port`: where this node itself listens. Lifetime: `context`, whose thread calls
    /// back, outlives it.
    seed_search(boost::asio::io_context& context, text_list seeds, std::string bind,
                std::uint16_t port, callbacks to);
    ~seed_search();
    seed_search(const seed_search&) = delete;
    seed_search& operator=(const seed_search&) = delete;

    /// On the thread of the context.
    void start() { look(); }
    /// Waits for questions to DNS that are under way, some seconds at most; no callback follows.
    void stop();
    /// Looks a place up once: `done` is called on the thread of the context.
    void resolve(const seed_place& place, std::function<void(seed_addresses)> done);

  private:
    void look();
    void on_found(const std::string& seed, seed_addresses found);
    void tell(const std::string& seed, const std::string& problem);
    void join(std::vector<std::string> addresses);
    [[nodiscard]] boost::asio::thread_pool& threads();
    [[nodiscard]] seed_addresses
    without_self(const std::vector<boost::asio::ip::tcp::endpoint>& found,
                 std::string problem) const;
    [[nodiscard]] seed_addresses look_up(const seed_place& place) const;

    boost::asio::io_context& context_;
    const text_list seeds_;
    const std::string bind_;
    const std::uint16_t port_;
    callbacks to_;
    boost::asio::steady_timer timer_;
    std::size_t under_way_ = 0;
    bool has_joined_ = false;
    std::map<std::string, std::string> problems_;       ///< of seeds, so that each is told once
    std::atomic<bool> is_stopped_ = false;              ///< no other target is looked up
    std::unique_ptr<boost::asio::thread_pool> threads_; ///< null: there was no name yet
};

} // namespace gv::server
