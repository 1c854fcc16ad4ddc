// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_join.hpp"

#include "broker/server/cluster_status.hpp"

#include <algorithm>

namespace gv::server {

namespace {

using cluster::refusal;
using cluster::refusal_cause;

constexpr auto patience = std::chrono::seconds(5);
constexpr auto pause = std::chrono::milliseconds(500);

} // namespace

cluster_join::cluster_join(cluster_service& service, std::vector<std::string> places,
                           done_call done)
    : service_(service), done_(std::move(done)),
      until_(std::chrono::steady_clock::now() + patience) {
    for (std::string& each : places) {
        places_.push_back({.text = std::move(each), .problem = {}});
    }
}

void cluster_join::start() {
    for (std::size_t which = 0; which < places_.size(); ++which) {
        const auto where = parse_seed(places_[which].text);
        if (!where) {
            places_[which].problem = where.error();
            places_[which].is_looked_up = true;
            continue;
        }
        service_.seeds().resolve(*where,
                                 [self = shared_from_this(), which](const seed_addresses& found) {
                                     self->on_addresses(which, found);
                                 });
    }
    timer_ = std::make_unique<boost::asio::steady_timer>(service_.context());
    timer_->expires_at(until_);
    timer_->async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            self->finish();
        }
    });
    look_if_over();
}

void cluster_join::on_addresses(std::size_t which, const seed_addresses& found) {
    if (!done_) {
        return; // too late: nobody is asked any more
    }
    place& at = places_[which];
    at.is_looked_up = true;
    at.problem = found.problem;
    at.is_self = found.is_self;
    for (const std::string& each : found.found) {
        attempts_.push_back({.place = which, .address = each, .problem = {}, .remedy = {}});
        ask(attempts_.size() - 1);
    }
    look_if_over();
}

void cluster_join::ask(std::size_t which) {
    attempts_[which].at = state::asking;
    service_.hail(attempts_[which].address,
                  [self = shared_from_this(), which](const cluster_service::hail_word& word) {
                      self->on_word(which, word);
                  });
}

void cluster_join::on_word(std::size_t which, const cluster_service::hail_word& word) {
    if (!done_) {
        return;
    }
    attempt& from = attempts_[which];
    take(from, word);
    if (from.at == state::to_ask_again) {
        auto again = std::make_shared<boost::asio::steady_timer>(service_.context(), pause);
        again->async_wait([self = shared_from_this(), which, again](auto cancelled) {
            if (!cancelled && self->done_) {
                self->ask(which);
            }
        });
    }
    look_if_over();
}

void cluster_join::take(attempt& from, const cluster_service::hail_word& word) {
    if (!word.outcome) {
        from.at = state::to_ask_again;
        from.problem = word.outcome.error();
        from.remedy = "check that a node runs there and that its cluster.port is reached from here";
        return;
    }
    from.at = state::failed;
    if (word.is_self) {
        places_[from.place].is_self = true;
        from.problem = "that is this node itself";
        from.remedy = "name another node";
        return;
    }
    if (!*word.outcome) {
        from.problem = "a node is there and gives no answer: the cluster has forgotten it, or it "
                       "has the node id of this one";
        from.remedy = "look at its log; it takes part again after a restart";
        return;
    }
    const cluster::envelope& answer = **word.outcome;
    if (const auto* refused = std::get_if<refusal>(&answer.body)) {
        const bool is_cluster = refused->cause == refusal_cause::other_cluster;
        from.problem = is_cluster ? "there is the cluster \"" + answer.cluster
                                        + "\", here the cluster \"" + word.own_cluster + "\""
                                  : "it speaks " + text_of(answer.wire) + ", this node "
                                        + text_of(word.own_wire);
        from.remedy = is_cluster ? "give both the same cluster.name"
                                 : "bring both to the same version of Grapevine";
        return;
    }
    const auto* rows = std::get_if<cluster::push_pull_answer>(&answer.body);
    from.at = state::found;
    places_[from.place].is_found = true;
    const bool is_named =
        rows != nullptr && !rows->rows.empty() && rows->rows.front().node == answer.from;
    outcome_.found.push_back({.place = places_[from.place].text,
                              .address = from.address,
                              .node = answer.from,
                              .name = is_named ? rows->rows.front().profile.name : std::string(),
                              .is_known_already = word.was_live});
}

// As soon as nothing more can come: every address has its word, or every place has somebody and
// whoever else is asked there is not waited for.
bool cluster_join::is_over() const {
    const auto has_word = [](const attempt& each) {
        return each.at == state::found || each.at == state::failed;
    };
    return std::ranges::all_of(places_, &place::is_looked_up)
           && (std::ranges::all_of(attempts_, has_word)
               || std::ranges::all_of(places_, &place::is_found));
}

void cluster_join::look_if_over() {
    if (is_over()) {
        finish();
    }
}

problem cluster_join::problem_of(std::size_t which) const {
    const place& at = places_[which];
    problem made{.place = at.text, .what = {}, .remedy = {}};
    for (const attempt& each : attempts_) {
        if (each.place == which) {
            made.what += (made.what.empty() ? "" : "; ")
                         + (each.address == at.text ? "" : each.address + ": ") + each.problem;
            made.remedy = each.remedy;
        }
    }
    if (made.what.empty() && at.is_self) {
        made.what = "that is this node itself";
        made.remedy = "name another node";
    } else if (!at.problem.empty()) {
        made.what += (made.what.empty() ? "" : "; ") + at.problem;
    } else if (made.what.empty()) {
        made.what = at.is_looked_up ? "no address was found" : "the name was not found in time";
    }
    if (made.remedy.empty()) {
        made.remedy = "write such as node2.home:7883, [fd00::2]:7883 or _cluster._tcp.home, and "
                      "check that the name is known to DNS";
    }
    return made;
}

void cluster_join::finish() {
    if (!done_) {
        return;
    }
    timer_->cancel();
    for (std::size_t which = 0; which < places_.size(); ++which) {
        if (!places_[which].is_found) {
            outcome_.failed.push_back(problem_of(which));
        }
    }
    std::exchange(done_, {})(std::move(outcome_));
}

} // namespace gv::server
