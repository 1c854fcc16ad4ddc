// SPDX-License-Identifier: Apache-2.0
// Looks for other nodes at the places an operator names, for some seconds, and says what came of
// each. What fails leaves nothing behind: only the seeds are tried again and again.
#pragma once

#include "broker/server/cluster_service.hpp"
#include "cluster/operator_answers.hpp"

#include <memory>

namespace gv::server {

class cluster_join : public std::enable_shared_from_this<cluster_join> {
  public:
    using done_call = cluster::operator_listener::reply<cluster::operator_join>;

    /// Lifetime: the service outlives it.
    cluster_join(cluster_service& service, std::vector<std::string> places, done_call done);
    /// On the thread of the cluster, as is all that follows. Keeps itself until it is over.
    void start();

  private:
    enum class state : std::uint8_t { asking, to_ask_again, found, failed };
    struct attempt {
        std::size_t place = 0; ///< index
        std::string address;
        state at = state::asking;
        std::string problem;
        std::string remedy;
    };
    struct place {
        std::string text;
        std::string problem; ///< of looking it up
        bool is_looked_up = false;
        bool is_self = false;
        bool is_found = false;
    };

    void on_addresses(std::size_t which, const seed_addresses& found);
    void ask(std::size_t which);
    void on_word(std::size_t which, const cluster_service::hail_word& word);
    void take(attempt& from, const cluster_service::hail_word& word);
    void look_if_over();
    void finish();
    [[nodiscard]] bool is_over() const;
    [[nodiscard]] problem problem_of(std::size_t which) const;

    cluster_service& service_;
    std::vector<place> places_;
    std::vector<attempt> attempts_;
    cluster::operator_join outcome_;
    done_call done_;
    time_point until_{};
    std::unique_ptr<boost::asio::steady_timer> timer_;
};

} // namespace gv::server
