// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/lane_links.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace gv::shard {

namespace {

// A link that breaks is opened again soon, and less soon the more often that fails in a row.
constexpr duration first_pause = 50ms;
constexpr duration longest_pause = 500ms;

} // namespace

/// What there is to a peer: a link, or the pause before the next.
struct lane_links::outgoing {
    outgoing(boost::asio::io_context& context, lane_key which, peer_place where)
        : lane(which), place(std::move(where)), pause(context) {}

    lane_key lane;
    peer_place place;
    std::unique_ptr<cluster::lane_link_listener> listener; ///< outlives the link
    std::unique_ptr<cluster::lane_link> link;
    boost::asio::steady_timer pause; ///< before the next attempt
    std::uint64_t number = 0;        ///< of the link
    int failures = 0;                ///< in a row
    bool is_writable = false;
};

/// Hears one link to a peer. What it hears is posted with the number of the link, so that what
/// comes late of one that is gone meets nothing.
class lane_links::hearing final : public cluster::lane_link_listener {
  public:
    hearing(lane_links& owner, lane_key lane, std::uint64_t number)
        : owner_(owner), lane_(lane), number_(number) {}

    void on_welcome(cluster::lane_welcome welcome) override {
        post([welcome](lane_links& links, outgoing& self) {
            self.failures = 0;
            self.is_writable = true;
            if (!links.core_.on_welcome(self.lane, welcome)) {
                links.lose(self, "its answer is at fault");
            }
        });
    }
    void on_written() override {
        post([](lane_links& links, outgoing& self) {
            self.is_writable = true;
            links.write(self);
        });
    }
    void on_reply(cluster::lane_reply reply) override {
        post([reply = std::move(reply)](lane_links& links, outgoing& self) {
            if (!links.core_.on_reply(self.lane, reply)) {
                links.lose(self, "its reply is at fault");
            }
        });
    }
    void on_lost(std::string why) override {
        post([why = std::move(why)](lane_links& links, outgoing& self) { links.lose(self, why); });
    }

  private:
    template <typename Task>
    void post(Task task) {
        owner_.run_([&links = owner_, lane = lane_, number = number_, task = std::move(task)] {
            if (outgoing* self = links.find(lane, number)) {
                task(links, *self);
            }
        });
    }
    lane_links& owner_;
    const lane_key lane_;
    const std::uint64_t number_;
};

/// A link of a lane of another node.
class lane_links::arriving final : public cluster::incoming_lane_listener {
  public:
    arriving(lane_links& owner, std::uint64_t which) : number(which), owner_(owner) {}

    void on_frame(cluster::lane_frame frame) override {
        owner_.run_([&links = owner_, which = number, frame = std::move(frame)] {
            arriving* self = links.find(which);
            if (self == nullptr) {
                return;
            }
            if (links.core_.on_frame(self->lane, frame)) {
                links.worked_off_.push_back(which);
            } else {
                self->link->refuse("a frame was at fault");
                links.drop(which);
            }
        });
    }
    void on_lost() override {
        owner_.run_([&links = owner_, which = number] { links.drop(which); });
    }

    std::unique_ptr<cluster::incoming_lane> link;
    incoming_lane_id lane;
    std::uint64_t number;

  private:
    lane_links& owner_;
};

lane_links::lane_links(boost::asio::io_context& context, core& logic,
                       cluster::peer_transport& transport, runner run)
    : context_(context), core_(logic), transport_(transport), run_(std::move(run)),
      random_(std::random_device{}()) {}

lane_links::~lane_links() { close(); }

void lane_links::close() {
    outgoing_.clear();
    arriving_.clear();
    by_lane_.clear();
}

lane_links::outgoing* lane_links::find(lane_key lane, std::uint64_t number) {
    const auto found = outgoing_.find(lane);
    return found == outgoing_.end() || found->second->number != number ? nullptr
                                                                       : found->second.get();
}

lane_links::arriving* lane_links::find(std::uint64_t number) {
    const auto found = arriving_.find(number);
    return found == arriving_.end() ? nullptr : found->second.get();
}

// --- to others

void lane_links::on_peer(const peer_place& now) {
    core_.on_peer({.slot = now.slot,
                   .node = now.node,
                   .boot = now.boot,
                   .presence = now.presence,
                   .is_suspected = now.is_suspected,
                   .has_stopped = now.has_stopped,
                   .has_ended = now.has_ended});
    for (const lane_key each : core_.lanes_to(now.slot)) {
        on_peer(each, now);
    }
}

void lane_links::on_peer(lane_key lane, const peer_place& now) {
    const auto known = outgoing_.find(lane);
    const bool is_live = now.presence == peer_presence::live;
    if (known != outgoing_.end() && is_live && known->second->place.address == now.address) {
        known->second->place = now;
        return;
    }
    if (known != outgoing_.end()) {
        outgoing_.erase(known);
        core_.on_link_lost(lane);
    }
    if (is_live) {
        open(*outgoing_.emplace(lane, std::make_unique<outgoing>(context_, lane, now))
                  .first->second);
    }
}

void lane_links::open(outgoing& to) {
    to.number = ++next_number_;
    to.is_writable = false;
    to.listener = std::make_unique<hearing>(*this, to.lane, to.number);
    to.link = transport_.open_lane(to.place.node, to.place.address, core_.hello_of(to.lane),
                                   *to.listener);
}

void lane_links::write(outgoing& to) {
    if (!to.is_writable) {
        return;
    }
    if (auto frame = core_.take_frame(to.lane)) {
        to.is_writable = false;
        to.link->write(std::move(*frame));
    }
}

void lane_links::lose(outgoing& from, const std::string& why) {
    if (from.failures == 0) {
        log::info("lane_lost", {{"node", from.place.name}, {"problem", why}});
    }
    ++from.failures;
    from.number = ++next_number_; // what the old one still says meets nothing
    from.link.reset();
    core_.on_link_lost(from.lane);
    from.pause.expires_after(pause_after(from.failures));
    from.pause.async_wait(
        [this, lane = from.lane, number = from.number](const boost::system::error_code& error) {
            if (error) {
                return;
            }
            run_([this, lane, number] {
                if (outgoing* again = find(lane, number)) {
                    open(*again);
                }
            });
        });
}

duration lane_links::pause_after(int failures) {
    const duration most = std::min(longest_pause, first_pause * (1 << std::min(failures, 8)));
    return duration(
        std::uniform_int_distribution<duration::rep>(first_pause.count(), most.count())(random_));
}

// --- from others

void lane_links::on_lane(std::unique_ptr<cluster::incoming_lane> lane,
                         const cluster::lane_hello& hello) {
    const auto accepted = core_.on_hello(hello);
    if (!accepted) {
        lane->refuse("the lane is of an earlier life of its node, or its hello is at fault");
        return;
    }
    if (const auto before = by_lane_.find(accepted->lane); before != by_lane_.end()) {
        arriving_.erase(before->second);
    }
    auto made = std::make_unique<arriving>(*this, ++next_number_);
    made->lane = accepted->lane;
    made->link = std::move(lane);
    by_lane_[accepted->lane] = made->number;
    arriving& born = *arriving_.emplace(made->number, std::move(made)).first->second;
    born.link->welcome(accepted->welcome, born);
    born.link->read_next();
}

void lane_links::drop(std::uint64_t number) {
    const auto found = arriving_.find(number);
    if (found == arriving_.end()) {
        return;
    }
    const incoming_lane_id lane = found->second->lane;
    arriving_.erase(found);
    if (const auto newest = by_lane_.find(lane);
        newest != by_lane_.end() && newest->second == number) {
        by_lane_.erase(newest);
        core_.on_arriving_lost(lane);
    }
}

void lane_links::reply(arriving& to) {
    while (auto next = core_.take_reply(to.lane)) {
        to.link->reply(std::move(*next));
    }
}

void lane_links::flush() {
    for (const lane_key each : core_.take_dirty_lanes()) {
        if (const auto known = outgoing_.find(each); known != outgoing_.end()) {
            write(*known->second);
        }
    }
    for (const incoming_lane_id each : core_.take_dirty_replies()) {
        if (const auto newest = by_lane_.find(each); newest != by_lane_.end()) {
            reply(*arriving_.at(newest->second));
        }
    }
    // Last: to ask for more is a packet of its own (gRPC gives the window back at once), and what
    // this turn has for clients and nodes need not wait for it.
    for (const std::uint64_t each : std::exchange(worked_off_, {})) {
        if (arriving* self = find(each)) {
            self->link->read_next();
        }
    }
}

} // namespace gv::shard
