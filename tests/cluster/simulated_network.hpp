// SPDX-License-Identifier: Apache-2.0
// A network in virtual time, everything drawn from one seed: what is sent arrives later, out of
// order, twice or not at all, and links are cut both ways or one way. A node that crashed hears
// nothing until it is up again; what was on its way to it is lost.
//
// The machines under test are pure: the owner of the network hands them what arrives and the time,
// and puts what they send back in. One run of events is one thread, so that a seed that fails fails
// again.
#pragma once

#include "base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <utility>

namespace gv::support {

/// What a link does to each message.
struct link_faults {
    double loss = 0;       ///< share that never arrives
    double duplicated = 0; ///< share that arrives twice
    duration delay_min = 1ms;
    duration delay_max = 5ms; ///< drawn anew for each message: larger than the gaps, it reorders
};

template <typename Message>
class simulated_network {
  public:
    using node = std::size_t;
    struct counts {
        std::uint64_t sent = 0;
        std::uint64_t delivered = 0;
        std::uint64_t lost = 0; ///< by loss, cut or crash
    };

    explicit simulated_network(std::uint64_t seed) : random_(seed) {}

    [[nodiscard]] time_point now() const noexcept { return now_; }
    [[nodiscard]] std::mt19937_64& random() noexcept { return random_; }
    [[nodiscard]] bool chance(double share) {
        return std::uniform_real_distribution<double>(0, 1)(random_) < share;
    }
    [[nodiscard]] const counts& counted() const noexcept { return counts_; }

    void set_faults(const link_faults& faults) { faults_ = faults; }
    [[nodiscard]] const link_faults& faults() const noexcept { return faults_; }
    /// Share of what that node sends, and of what it is sent, that is lost besides.
    void set_loss(node which, double share) { lossy_[which] = share; }
    [[nodiscard]] double loss_of(node which) const {
        const auto found = lossy_.find(which);
        return found == lossy_.end() ? 0 : found->second;
    }
    /// One way; both ways takes two calls.
    void cut(node from, node to) { cut_.emplace(from, to); }
    void mend(node from, node to) { cut_.erase({from, to}); }
    void mend_all() { cut_.clear(); }
    [[nodiscard]] bool is_cut(node from, node to) const { return cut_.contains({from, to}); }
    void crash(node which) {
        ++life_[which];
        down_.insert(which);
    }
    void restart(node which) { down_.erase(which); }
    [[nodiscard]] bool is_down(node which) const { return down_.contains(which); }

    /// Called with what arrives.
    std::function<void(node from, node to, Message message)> on_arrival;

    void send(node from, node to, const Message& message) {
        ++counts_.sent;
        if (chance(faults_.loss) || is_lost_at(from) || is_lost_at(to)) {
            ++counts_.lost;
            return;
        }
        put_on_the_way(from, to, message);
        if (chance(faults_.duplicated)) {
            put_on_the_way(from, to, message);
        }
    }

    /// At that time, unless the run ends before. Of a node that crashes meanwhile it is called too.
    void at(time_point when, std::function<void()> what) {
        events_.emplace(std::pair(when, ++order_), std::move(what));
    }
    void after(duration span, std::function<void()> what) { at(now_ + span, std::move(what)); }

    /// Everything up to then, in order.
    void run_until(time_point end) {
        while (!events_.empty() && events_.begin()->first.first <= end) {
            auto next = events_.extract(events_.begin());
            now_ = next.key().first;
            next.mapped()();
        }
        now_ = end;
    }
    void run_for(duration span) { run_until(now_ + span); }

  private:
    [[nodiscard]] bool is_lost_at(node which) {
        const double share = loss_of(which);
        return share > 0 && chance(share);
    }

    void put_on_the_way(node from, node to, const Message& message) {
        std::uniform_int_distribution<duration::rep> delay(faults_.delay_min.count(),
                                                           faults_.delay_max.count());
        at(now_ + duration(delay(random_)), [this, from, to, message, life = life_[to]] {
            if (is_cut(from, to) || is_down(to) || life != life_[to]) {
                ++counts_.lost;
                return;
            }
            ++counts_.delivered;
            on_arrival(from, to, message);
        });
    }

    std::mt19937_64 random_;
    time_point now_{1000s};
    link_faults faults_;
    std::map<node, double> lossy_;
    std::set<std::pair<node, node>> cut_;
    std::set<node> down_;
    std::map<node, std::uint64_t> life_;
    std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> events_;
    std::uint64_t order_ = 0;
    counts counts_;
};

} // namespace gv::support
