// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/event_loop.hpp"

#include "base/log.hpp"
#include "base/thread_name.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace gv::shard {

namespace {

// When to send. What came of a small input to an idle shard goes out straight away. A large input,
// or one that follows the last turn so closely that more sockets must be ready, ends the turn by a
// posted handler, behind all that is ready now: one write a connection and turn.
constexpr std::size_t gather_from_bytes = 512;
constexpr auto busy_gap = 5us;

} // namespace

event_loop::event_loop(event_loop_options options)
    : options_(std::move(options)),
      scratch_(std::make_unique_for_overwrite<char[]>(options_.read_bytes_per_turn)),
      scratch_size_(options_.read_bytes_per_turn),
      core_(std::make_unique<core>(options_.logic, *this, std::chrono::steady_clock::now(),
                                   std::chrono::system_clock::now())) {}

void event_loop::keep_in(storage::store& store) {
    options_.logic.store = &store;
    be(store.node().node, store.node().boot);
    store.listen(
        options_.logic.me,
        [this](storage::progress word) {
            boost::asio::post(context_, [this, word = std::move(word)] {
                begin_turn();
                core_->on_progress(word);
                end_turn_soon(0);
            });
        },
        [this](storage::read_answer answer) {
            boost::asio::post(context_, [this, answer = std::move(answer)] {
                begin_turn();
                core_->on_rows(answer);
                end_turn_soon(gather_from_bytes);
            });
        });
}

void event_loop::be(node_id node, boot_id boot) {
    options_.logic.node = node;
    options_.logic.boot = boot;
    core_ = std::make_unique<core>(options_.logic, *this, std::chrono::steady_clock::now(),
                                   std::chrono::system_clock::now());
}

void event_loop::open_lanes() {
    links_ = std::make_unique<lane_links>(
        context_, *core_, seat_->transport(), [this](std::function<void()> task) {
            boost::asio::post(context_, [this, task = std::move(task)] {
                begin_turn();
                task();
                end_turn_soon(gather_from_bytes);
            });
        });
}

void event_loop::on_lane(std::unique_ptr<cluster::incoming_lane> lane,
                         const cluster::lane_hello& hello) {
    auto shared = std::make_shared<std::unique_ptr<cluster::incoming_lane>>(std::move(lane));
    post([this, shared, hello] { links_->on_lane(std::move(*shared), hello); });
}

event_loop::~event_loop() {
    join();
    connections_.clear();
    buried_.clear();
}

void event_loop::set_access(std::shared_ptr<const auth::authoriser> authoriser) {
    options_.logic.authoriser = authoriser;
    core_->reload(options_.logic.limits, std::move(authoriser));
}

bool event_loop::settle() {
    begin_turn();
    end_turn();
    const bool has_worked = context_.poll() > 0;
    context_.restart();
    return has_worked;
}

void event_loop::start() {
    thread_ = std::thread([this] {
        name_this_thread(("shard " + std::to_string(options_.logic.me.value)).c_str());
        const auto work = boost::asio::make_work_guard(context_);
        begin_turn();
        end_turn();
        context_.run();
    });
}

void event_loop::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void event_loop::stop(duration patience) {
    post([this, patience] {
        is_stopping_ = true;
        core_->shut_down(mqtt::reason_code::server_shutting_down);
        stop_when_idle(core_->now() + patience);
    });
}

// Clients that read their DISCONNECT close their side and are gone; the patient end is a deadline.
void event_loop::stop_when_idle(time_point deadline) {
    const bool is_idle = connections_.empty() && core_->debts().leavers == 0;
    if (is_idle || core_->now() >= deadline) {
        core_->flush_journal();
        if (links_) {
            links_->close();
        }
        context_.stop();
        return;
    }
    auto pause = std::make_shared<boost::asio::steady_timer>(context_, 10ms);
    pause->async_wait([this, deadline, pause](const boost::system::error_code&) {
        begin_turn();
        end_turn();
        stop_when_idle(deadline);
    });
}

void event_loop::accept(transport::stream_ptr stream,
                        std::shared_ptr<const listener_profile> profile) {
    if (is_stopping_) {
        return;
    }
    auto made = std::make_unique<connection>(*this, *core_, std::move(stream), std::move(profile));
    connection& born = *made;
    connections_.emplace(born.number(), std::move(made));
    ++accepted_;
    born.start();
    arm_timer();
}

void event_loop::begin_turn() noexcept {
    core_->set_time(std::chrono::steady_clock::now(), std::chrono::system_clock::now());
}

void event_loop::end_turn_soon(std::size_t bytes_read) {
    if (is_end_posted_) {
        return;
    }
    if (bytes_read < gather_from_bytes && core_->now() - last_end_ > busy_gap) {
        end_turn();
        return;
    }
    is_end_posted_ = true;
    boost::asio::post(context_, [this] {
        is_end_posted_ = false;
        begin_turn();
        end_turn();
    });
}

void event_loop::end_turn() {
    ++turns_;
    do {
        core_->end_turn([](client& changed) { static_cast<connection&>(changed).flush(); });
    } while (core_->has_work());
    if (links_) {
        links_->flush();
    }
    for (connection* each : std::exchange(ended_, {})) {
        each->flush(); // one that is buried meanwhile lives until below
    }
    buried_.clear();
    arm_timer();
    last_end_ = std::chrono::steady_clock::now();
}

void event_loop::linger(connection& ending) {
    ended_.push_back(&ending);
    leaving_.push_back({.until = core_->now() + options_.linger, .number = ending.number()});
}

void event_loop::cut_lingering() {
    while (!leaving_.empty() && leaving_.front().until <= core_->now()) {
        const auto late = connections_.find(leaving_.front().number);
        leaving_.pop_front();
        if (late != connections_.end()) {
            late->second->cut();
        }
    }
}

void event_loop::bury(connection& gone) {
    std::erase(ended_, &gone);
    const auto found = connections_.find(gone.number());
    if (found != connections_.end()) {
        buried_.push_back(std::move(found->second));
        connections_.erase(found);
    }
}

void event_loop::arm_timer() {
    time_point due = core_->next_deadline().value_or(never);
    if (!leaving_.empty()) {
        due = std::min(due, leaving_.front().until);
    }
    if (due >= armed_for_) {
        return;
    }
    armed_for_ = due;
    timer_.expires_at(due);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            on_timer();
        }
    });
}

void event_loop::on_timer() {
    armed_for_ = never;
    begin_turn();
    core_->on_tick();
    cut_lingering();
    end_turn();
}

void event_loop::send(shard_id to, std::vector<shard_message> batch) {
    event_loop& receiver = *peers_[to.value];
    if (receiver.inbox_.put(options_.logic.me, std::move(batch))) {
        boost::asio::post(receiver.context_, [&receiver] { receiver.receive(); });
    }
}

void event_loop::receive() {
    begin_turn();
    for (inbox::batch& each : inbox_.take()) {
        core_->on_batch(each.from, each.messages);
    }
    end_turn_soon(gather_from_bytes);
}

auth::completion event_loop::verdict_for(std::uint64_t connection) {
    return [this, connection](auth::verdict decided) {
        boost::asio::post(context_, [this, connection, decided = std::move(decided)]() mutable {
            begin_turn();
            core_->on_verdict(connection, std::move(decided));
            end_turn_soon(0);
        });
    };
}

} // namespace gv::shard
