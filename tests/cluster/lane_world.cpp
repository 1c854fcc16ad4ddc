// SPDX-License-Identifier: Apache-2.0
// Two nodes, the link between them, and what happens to them. What they promise is in
// lane_promises.cpp.
#include "tests/cluster/lane_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

namespace {

std::string text(std::uint64_t number) { return std::to_string(number); }

template <typename Counts>
void add_totals(Counts& sum, const Counts& more) {
    sum.messages += more.messages;
    sum.frames += more.frames;
    sum.faults += more.faults;
}

} // namespace

lane_world::lane_world(std::uint64_t seed, bool is_tracing)
    : network_(seed), has_groups_(seed % 2 == 1), is_tracing_(is_tracing) {
    out_.world = this;
    draw_options();
    start_sender();
    ++receiver_life_;
}

duration lane_world::between(duration least, duration most) {
    return least + duration(below(static_cast<std::size_t>((most - least).count()) + 1));
}

void lane_world::draw_options() {
    lane_sender_options& mine = sender_options_;
    mine.frame_bytes_max = 256 + below(chance(0.5) ? 100 : 2'000);
    mine.queue_bytes_max = 1 + below(chance(0.5) ? 3'000 : 100'000);
    mine.spools = chance(0.7);
    mine.taken_within = between(1ms, 150ms);
    mine.credit_within = between(1ms, 300ms);
    mine.drain_after = between(1ms, 300ms);
    mine.spool_read_bytes = 1 + below(5'000);
    mine.spool_bytes_max = 1 + below(chance(0.5) ? 3'000 : 100'000);
    receiver_options_.credit_bytes = mine.frame_bytes_max + below(chance(0.5) ? 300 : 20'000);
    receiver_options_.credit_portion_bytes = 1 + below(3'000);
    receiver_options_.reply_bytes_max = 20 + below(chance(0.5) ? 20 : 2'000);
    delay_max_ = between(0ms, chance(0.2) ? 200ms : 5ms);
    answer_max_ = between(0ms, chance(0.3) ? 500ms : 10ms);
}

std::size_t lane_world::some_size() {
    const std::size_t size =
        below(20) == 0 ? below(4 * sender_options_.frame_bytes_max) : below(chance(0.3) ? 300 : 30);
    largest_ = std::max(largest_, size);
    return size;
}

// --- the sending node

void lane_world::start_sender() {
    ++sender_life_;
    lane_spool_left left;
    if (!spool_.empty()) {
        left = {
            .first = spool_.begin()->first, .last = spool_.rbegin()->first, .rows = spool_.size()};
    }
    for (const auto& [seq, each] : spool_) {
        left.bytes += each.bytes.size();
    }
    const lane_identity self{sending, boot_id{static_cast<std::uint32_t>(sender_life_)},
                             shard_id{1}};
    sender_ = sender_options_.spools ? std::make_unique<lane_sender>(self, sender_options_, left)
                                     : std::make_unique<lane_sender>(self, sender_options_);
    was_full_ = sender_->is_full();
    is_writing_ = false;
    wakes_at_ = never;
}

void lane_world::crash_sender() {
    say("the sender crashes");
    ++crashes;
    break_link();
    add_totals(sent, sender_->counted());
    std::erase_if(spool_, [](const auto& each) { return !each.second.is_durable; });
    for (fate& each : fates_) {
        each.is_lost = each.is_lost || !each.is_promised;
    }
    for (const auto& [seq, each] : spool_) {
        fates_[each.id].is_lost = false;
    }
    waiting_.clear();
    start_sender();
}

void lane_world::publish() {
    const auto quality = static_cast<qos>(below(3));
    if (quality != qos::at_most_once && sender_->is_full()) {
        return; // held
    }
    const message_id id = fates_.size();
    fate& made = fates_.emplace_back();
    made.quality = quality;
    made.is_for_group = has_groups_ && id % 3 == 0;
    made.was_in_memory = sender_->state() == lane_state::live;
    made.life = known_life_;
    made.expires = chance(0.3) ? network_.now() + between(1s, 100s) : never;
    std::string payload(8 + some_size(), 'p');
    store_u64(payload.data(), id);
    publication what;
    what.header.quality = quality;
    what.header.expires = made.expires;
    what.header.origin = chance(0.8) ? sending : node_id{9};
    what.topic = topic;
    what.payload = payload;
    lane_waiter waiter = 0;
    if (quality != qos::at_most_once && (chance(0.9) || made.is_for_group)) {
        waiter = ++waiters_;
        waiting_[waiter] = id;
    }
    say("publish " + text(id) + " QoS " + text(static_cast<unsigned>(quality)));
    const forward_flags to_all{.for_subscribers = true, .for_kept = true};
    sender_->append(what, made.is_for_group ? to_group : to_all, waiter, network_.now(), out_);
}

void lane_world::pump_sender() {
    const time_point now = network_.now();
    was_full_ = was_full_ || sender_->is_full();
    if (!is_writing_ && sender_->has_frame()) {
        if (auto frame = sender_->take_frame(now, out_)) {
            check_frame(*frame);
            is_writing_ = true;
            after(between(0ms, 1ms), link_, link_, [this] {
                is_writing_ = false;
                pump_sender();
            });
            pass_on(forth_, [this, frame = *frame] { arrive(frame); });
            sender_->give_back(std::move(frame->bytes));
        }
    }
    check_memory();
    const time_point due = sender_->next_deadline();
    if (due < wakes_at_ && due != never) {
        wakes_at_ = due;
        after(std::max(due - now, duration(1us)), sender_life_, sender_life_, [this] {
            wakes_at_ = never;
            sender_->on_deadline(network_.now(), out_);
            pump_sender();
        });
    }
}

// --- the link

void lane_world::after(duration span, std::uint64_t life, const std::uint64_t& of,
                       std::function<void()> what) {
    network_.after(span, [life, &of, what = std::move(what)] { life == of ? what() : void(); });
}

void lane_world::pass_on(time_point& way, std::function<void()> what) {
    way = std::max(way, network_.now() + between(0ms, delay_max_));
    after(way - network_.now(), link_, link_, std::move(what));
}

void lane_world::connect() {
    if (is_linked_) {
        return;
    }
    is_linked_ = true;
    ++link_;
    is_writing_ = is_replying_ = false;
    say("link " + text(link_));
    pass_on(forth_, [this, hello = sender_->hello()] { welcome(hello); });
}

void lane_world::welcome(const lane_hello& hello) {
    receiver_link_ = link_;
    if (!receiver_ || receiver_sender_life_ != sender_life_) {
        receiver_ ? add_totals(received, receiver_->counted()) : void();
        receiver_ = std::make_unique<lane_receiver>(
            hello.lane, boot_id{static_cast<std::uint32_t>(receiver_life_)}, receiver_options_);
        receiver_sender_life_ = sender_life_;
    }
    const auto answer = receiver_->on_hello(hello);
    if (!answer) {
        return complain("hello: " + std::string(text_of(answer.error())));
    }
    pass_on(back_, [this, answer] {
        known_life_ = answer->boot.value;
        say("welcome, expected " + text(answer->expected));
        if (const auto fine = sender_->on_connected(*answer, network_.now(), out_); !fine) {
            complain("welcome: " + std::string(text_of(fine.error())));
        }
        pump_sender();
    });
    pump_receiver();
}

void lane_world::break_link() {
    if (!is_linked_) {
        return;
    }
    say("the link breaks");
    ++breaks;
    ++link_;
    is_linked_ = is_writing_ = is_replying_ = false;
    sender_->on_disconnected(network_.now(), out_);
    if (receiver_ && chance(0.7)) {
        receiver_->on_disconnected(); // else it hears the next hello first
    }
    pump_sender();
}

/// Membership says so. The receiver may be alive, and not know.
void lane_world::declare_dead() {
    say("the receiver is held for dead");
    sender_->set_suspected(true, network_.now(), out_);
    sender_->give_up_volatile(out_);
    break_link();
}

// --- the receiving node

void lane_world::crash_receiver() {
    say("the receiver crashes");
    ++crashes;
    break_link();
    ++receiver_life_;
    if (!receiver_) {
        return;
    }
    add_totals(received, receiver_->counted());
    const lane_identity lane = receiver_->lane();
    const lane_seq watermark = chance(0.5) ? receiver_->watermark() : 0;
    receiver_ = std::make_unique<lane_receiver>(
        lane, boot_id{static_cast<std::uint32_t>(receiver_life_)}, receiver_options_, watermark);
    if (watermark > 0) {
        for (fate& each : fates_) { // what was answered and is durable is known as success alone
            each.deliveries > 0 ? static_cast<void>(each.answers.insert(0)) : void();
        }
    }
}

void lane_world::arrive(const lane_frame& frame) {
    const auto held =
        receiver_->on_frame(frame, network_.now(),
                            [this](const publication& what, const forward_flags& flags,
                                   lane_seq seq) { deliver(what, flags, seq); });
    if (!held) {
        return complain("frame: " + std::string(text_of(held.error())));
    }
    after(between(0ms, answer_max_), receiver_life_, receiver_life_,
          [this, bytes = *held, life = sender_life_] {
              if (life == receiver_sender_life_) {
                  receiver_->release(bytes);
                  pump_receiver();
              }
          });
    pump_receiver();
}

void lane_world::pump_receiver() {
    if (is_replying_) {
        return;
    }
    if (const auto reply = receiver_->take_reply()) {
        if (!is_linked_ || receiver_link_ != link_) {
            return; // written to a link that it does not know to be gone
        }
        is_replying_ = true;
        after(between(0ms, 1ms), link_, link_, [this] {
            is_replying_ = false;
            pump_receiver();
        });
        pass_on(back_, [this, reply] {
            if (const auto fine = sender_->on_reply(*reply, network_.now(), out_); !fine) {
                complain("reply: " + std::string(text_of(fine.error())));
            }
            pump_sender();
        });
    }
}

// --- complaints

void lane_world::say(const std::string& line) {
    if (is_tracing_) {
        const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
            network_.now().time_since_epoch());
        trace.push_back(text(static_cast<std::uint64_t>(at.count())) + " " + line);
    }
}

void lane_world::complain(const std::string& line) {
    say("BROKEN: " + line);
    complaints.push_back(line);
}

// --- what happens

void lane_world::act() {
    switch (below(24)) {
    case 0:
        chance(0.2) ? crash_sender() : void();
        break;
    case 1:
        chance(0.3) ? crash_receiver() : void();
        break;
    case 2:
        chance(0.5) ? break_link() : void();
        break;
    case 3:
        if (has_groups_ && chance(0.3)) {
            declare_dead();
        } else {
            sender_->set_suspected(chance(0.5), network_.now(), out_);
        }
        break;
    case 4:
    case 5:
    case 6:
        connect();
        break;
    default:
        for (std::size_t count = chance(0.2) ? 1 + below(40) : 1; count > 0; --count) {
            publish();
        }
        break;
    }
    pump_sender();
}

void lane_world::come_to_rest() {
    say("rest");
    sender_->set_suspected(false, network_.now(), out_);
    pump_sender();
    for (int round = 0; round < 5 || (round < 500 && !sender_->is_idle()); ++round) {
        connect();
        network_.run_for(2s);
    }
    network_.run_for(2s); // what is answered and released last
}

void lane_world::run() {
    for (std::size_t steps = 100 + below(300); steps > 0 && complaints.empty(); --steps) {
        act();
        network_.run_for(between(0ms, chance(0.1) ? 300ms : 5ms));
    }
    come_to_rest();
    if (complaints.empty()) {
        check_rest();
    }
    const lane_sender_counts last = sender_->counted();
    add_totals(sent, last);
    sent.resent += last.resent;
    sent.dropped_full += last.dropped_full;
    sent.dropped_disconnected += last.dropped_disconnected;
    sent.spools_begun += last.spools_begun;
    if (receiver_) {
        add_totals(received, receiver_->counted());
        received.replies += receiver_->counted().replies;
    }
}

} // namespace gv::cluster::testing
