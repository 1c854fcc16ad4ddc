// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/lane_links.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace gv::shard {

namespace {

// A link that breaks is opened again soon, and less soon the more often that fails in a row.
constexpr duration first_pause = 50ms;
constexpr duration longest_pause = 1s;

} // namespace

/// What there is to a peer: a link, or the pause before the next.
struct lane_links::outgoing {
    outgoing(boost::asio::io_context& context, peer_place where)
        : place(std::move(where)), pause(context) {}

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
    hearing(lane_links& owner, peer_slot slot, std::uint64_t number)
        : owner_(owner), slot_(slot), number_(number) {}

    void on_welcome(cluster::lane_welcome welcome) override {
        post([welcome](lane_links& links, outgoing& self) {
            self.failures = 0;
            self.is_writable = true;
            if (!links.core_.on_welcome(self.place.slot, welcome)) {
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
            if (!links.core_.on_reply(self.place.slot, reply)) {
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
        owner_.run_([&links = owner_, slot = slot_, number = number_, task = std::move(task)] {
            if (outgoing* self = links.find(slot, number)) {
                task(links, *self);
            }
        });
    }
    lane_links& owner_;
    const peer_slot slot_;
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
                self->link->read_next();
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

lane_links::outgoing* lane_links::find(peer_slot slot, std::uint64_t number) {
    const auto found = outgoing_.find(slot);
    return found == outgoing_.end() || found->second->number != number ? nullptr
                                                                       : found->second.get();
}

lane_links::arriving* lane_links::find(std::uint64_t number) {
    const auto found = arriving_.find(number);
    return found == arriving_.end() ? nullptr : found->second.get();
}

// --- to others

void lane_links::on_peer(const peer_place& now) {
    core_.on_peer(now.slot, now.presence);
    const auto known = outgoing_.find(now.slot);
    if (now.presence != peer_presence::live) {
        if (known != outgoing_.end()) {
            outgoing_.erase(known);
            core_.on_link_lost(now.slot);
        }
        return;
    }
    if (known != outgoing_.end() && known->second->place.address == now.address) {
        known->second->place = now;
        return;
    }
    if (known != outgoing_.end()) {
        outgoing_.erase(known);
        core_.on_link_lost(now.slot);
    }
    open(*outgoing_.emplace(now.slot, std::make_unique<outgoing>(context_, now)).first->second);
}

void lane_links::open(outgoing& to) {
    to.number = ++next_number_;
    to.is_writable = false;
    to.listener = std::make_unique<hearing>(*this, to.place.slot, to.number);
    to.link = transport_.open_lane(to.place.node, to.place.address, core_.hello_to(to.place.slot),
                                   *to.listener);
}

void lane_links::write(outgoing& to) {
    if (!to.is_writable) {
        return;
    }
    if (auto frame = core_.take_frame(to.place.slot)) {
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
    core_.on_link_lost(from.place.slot);
    from.pause.expires_after(pause_after(from.failures));
    from.pause.async_wait([this, slot = from.place.slot,
                           number = from.number](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        run_([this, slot, number] {
            if (outgoing* again = find(slot, number)) {
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
    for (const peer_slot each : core_.take_dirty_lanes()) {
        if (const auto known = outgoing_.find(each); known != outgoing_.end()) {
            write(*known->second);
        }
    }
    for (const incoming_lane_id each : core_.take_dirty_replies()) {
        if (const auto newest = by_lane_.find(each); newest != by_lane_.end()) {
            reply(*arriving_.at(newest->second));
        }
    }
}

} // namespace gv::shard
