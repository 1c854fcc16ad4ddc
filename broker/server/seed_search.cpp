// SPDX-License-Identifier: Apache-2.0
#include "broker/server/seed_search.hpp"

#include "base/log.hpp"
#include "base/thread_name.hpp"
#include "broker/server/dns.hpp"
#include "broker/server/validate.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include <ifaddrs.h>

#include <algorithm>

namespace gv::server {

namespace {

using endpoint = boost::asio::ip::tcp::endpoint;

/// How long a start waits for names before it looks among the nodes that it remembers.
constexpr auto patience = std::chrono::seconds(3);
/// Two, so that one name that takes long does not hold all others.
constexpr std::size_t lookups_at_a_time = 2;

[[nodiscard]] std::chrono::seconds pause_of(seed_search::standing how) {
    switch (how) {
    case seed_search::standing::alone:
        return std::chrono::seconds(2);
    case seed_search::standing::some_away:
        return std::chrono::seconds(10);
    case seed_search::standing::complete:
        break;
    }
    return std::chrono::seconds(30);
}

/// Whether some interface of this machine has that address.
[[nodiscard]] bool is_own_address(const boost::asio::ip::address& address) {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) {
        return false;
    }
    bool is_found = false;
    for (const ifaddrs* each = first; each != nullptr && !is_found; each = each->ifa_next) {
        if (each->ifa_addr == nullptr) {
            continue;
        }
        if (address.is_v4() && each->ifa_addr->sa_family == AF_INET) {
            const auto* found = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
            is_found = ntohl(found->sin_addr.s_addr) == address.to_v4().to_uint();
        } else if (address.is_v6() && each->ifa_addr->sa_family == AF_INET6) {
            const auto* found = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
            is_found = std::ranges::equal(found->sin6_addr.s6_addr, address.to_v6().to_bytes());
        }
    }
    ::freeifaddrs(first);
    return is_found;
}

void add_problem(std::string& to, const std::string& place, const std::string& what) {
    to += (to.empty() ? "" : "; ") + place + ": " + what;
}

} // namespace

bool is_any_address(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

seed_search::seed_search(boost::asio::io_context& context, text_list seeds, std::string bind,
                         std::uint16_t port, callbacks to)
    : context_(context), seeds_(std::move(seeds)), bind_(std::move(bind)), port_(port),
      to_(std::move(to)), timer_(context) {}

seed_search::~seed_search() { stop(); }

void seed_search::stop() {
    is_stopped_ = true;
    if (threads_) {
        threads_->stop();
        threads_->join();
    }
}

boost::asio::thread_pool& seed_search::threads() {
    if (!threads_) {
        threads_ = std::make_unique<boost::asio::thread_pool>(lookups_at_a_time);
    }
    return *threads_;
}

void seed_search::resolve(const seed_place& place, std::function<void(seed_addresses)> done) {
    boost::system::error_code is_name;
    const auto number = boost::asio::ip::make_address(place.host, is_name);
    if (!place.is_srv() && !is_name) {
        boost::asio::post(context_, [found = without_self({endpoint(number, place.port)}, {}),
                                     done = std::move(done)] { done(found); });
        return;
    }
    boost::asio::post(threads(), [this, place, done = std::move(done)]() mutable {
        name_this_thread("resolver");
        boost::asio::post(context_,
                          [found = look_up(place), done = std::move(done)] { done(found); });
    });
}

seed_addresses seed_search::look_up(const seed_place& place) const {
    std::vector<srv_target> targets{{.host = place.host, .port = place.port}};
    if (place.is_srv()) {
        auto found = look_up_srv(place.host);
        if (!found) {
            return {.found = {}, .problem = found.error(), .is_self = false};
        }
        targets = *std::move(found);
    }
    std::vector<endpoint> all;
    std::string problem;
    for (const srv_target& each : targets) {
        if (is_stopped_) {
            break;
        }
        const auto found = look_up_host(each.host, each.port);
        if (!found) {
            add_problem(problem, each.host, found.error());
        } else {
            all.insert(all.end(), found->begin(), found->end());
        }
    }
    return without_self(all, std::move(problem));
}

seed_addresses seed_search::without_self(const std::vector<endpoint>& found,
                                         std::string problem) const {
    seed_addresses made{.found = {}, .problem = std::move(problem), .is_self = false};
    for (const endpoint& where : found) {
        const bool is_self = where.port() == port_
                             && (is_any_address(bind_) ? is_own_address(where.address())
                                                       : where.address().to_string() == bind_);
        made.is_self = made.is_self || is_self;
        std::string text = address_text(where.address().to_string(), where.port());
        if (!is_self && std::ranges::find(made.found, text) == made.found.end()) {
            made.found.push_back(std::move(text));
        }
    }
    return made;
}

// --- round after round

void seed_search::look() {
    if (seeds_.empty()) {
        join({});
        return;
    }
    under_way_ = seeds_.size();
    for (const std::string& each : seeds_) {
        // What is no seed is refused at the start.
        resolve(parse_seed(each).value_or(seed_place()),
                [this, each](seed_addresses found) { on_found(each, std::move(found)); });
    }
    if (!has_joined_) {
        timer_.expires_after(patience);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error && !has_joined_) {
                join({});
            }
        });
    }
}

void seed_search::on_found(const std::string& seed, seed_addresses found) {
    tell(seed, found.problem);
    if (!found.found.empty()) {
        to_.join(std::move(found.found));
    }
    if (--under_way_ > 0) {
        return;
    }
    if (!has_joined_) {
        join({});
    }
    timer_.expires_after(pause_of(to_.how()));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            look();
        }
    });
}

// Once, until it is found or something else is wrong with it.
void seed_search::tell(const std::string& seed, const std::string& problem) {
    std::string& told = problems_[seed];
    if (told == problem) {
        return;
    }
    if (problem.empty()) {
        log::info("seed_found", {{"seed", seed}});
    } else {
        log::warn(
            "seed_not_found",
            {{"seed", seed}, {"problem", problem}, {"note", "it is looked up again and again"}});
    }
    told = problem;
}

void seed_search::join(std::vector<std::string> addresses) {
    has_joined_ = true;
    to_.join(std::move(addresses));
}

} // namespace gv::server
