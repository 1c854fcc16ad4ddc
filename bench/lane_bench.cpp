// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per message of a lane between nodes, the best of several rounds: append() with
// take_frame() at one end, on_frame() at the other, answers and credit included. 64 bytes of
// payload, 20 of topic. Run it on an idle core: `taskset -c 0 lane_bench`.
#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace {

using namespace gv;
using namespace gv::cluster;

constexpr int rounds = 9;
constexpr int messages = 500'000;
constexpr lane_identity self{node_id{1}, boot_id{1}, shard_id{0}};

struct nothing final : lane_effects {
    void taken(lane_waiter waiter, lane_reason) override { answered += waiter; }
    void given_back(lane_waiter, lane_return) override {}
    void has_room() override {}
    void spool_put(lane_seq, std::string_view, lane_waiter) override {}
    void spool_read(lane_seq, std::size_t) override {}
    void spool_erase(lane_seq, lane_seq) override {}
    std::uint64_t answered = 0;
};

double cpu_now() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// What it costs to ask, which is more than a message.
double cost_of_asking() {
    const double begin = cpu_now();
    for (int i = 0; i < 100'000; ++i) {
        static_cast<void>(cpu_now());
    }
    return (cpu_now() - begin) / 100'000;
}

/// Time spent at each end.
struct spent {
    double sender = 1e18;
    double receiver = 1e18;
};

class pair_of_ends {
  public:
    explicit pair_of_ends(qos quality)
        : sender_(self, {.spools = false}), receiver_(self, boot_id{1}, {}) {
        what_.header.quality = quality;
        what_.header.origin = self.origin;
        what_.header.publisher = 0x1234'5678'9abc'def0;
        what_.topic = topic_;
        what_.payload = payload_;
        const auto welcome = receiver_.on_hello(sender_.hello());
        static_cast<void>(sender_.on_connected(*welcome, now_, out_));
    }

    /// Both ends together, without asking for the time in between.
    double run_alternating() {
        const double begin = cpu_now();
        for (int done = 0; done < messages; ++done) {
            sender_.append(what_, {.for_subscribers = true}, waiter(), now_, out_);
            auto frame = sender_.take_frame(now_, out_);
            receive(*frame);
            sender_.give_back(std::move(frame->bytes));
            if (const auto reply = receiver_.take_reply()) {
                static_cast<void>(sender_.on_reply(*reply, now_, out_));
            }
        }
        return (cpu_now() - begin) / messages;
    }

    /// In turns of `batch` messages, as a shard makes them.
    spent run(int batch) {
        spent sum{.sender = 0, .receiver = 0};
        for (int done = 0; done < messages; done += batch) {
            const double begin = cpu_now();
            for (int i = 0; i < batch; ++i) {
                sender_.append(what_, {.for_subscribers = true}, waiter(), now_, out_);
            }
            auto frame = sender_.take_frame(now_, out_);
            const double middle = cpu_now();
            while (frame) {
                receive(*frame);
                sender_.give_back(std::move(frame->bytes));
                frame = sender_.take_frame(now_, out_);
            }
            const auto reply = receiver_.take_reply();
            const double end = cpu_now();
            if (reply) {
                static_cast<void>(sender_.on_reply(*reply, now_, out_));
            }
            sum.sender += middle - begin + (cpu_now() - end) - 2 * asking_;
            sum.receiver += end - middle - asking_;
        }
        return {.sender = sum.sender / messages, .receiver = sum.receiver / messages};
    }

  private:
    [[nodiscard]] lane_waiter waiter() const {
        return what_.header.quality == qos::at_most_once ? 0 : 1;
    }
    void receive(const lane_frame& frame) {
        const auto held = receiver_.on_frame(
            frame, now_, [this](const publication& seen, forward_flags, lane_seq seq) {
                out_.answered += seen.payload.size();
                if (seq != 0) {
                    receiver_.answer(seq, 0);
                }
            });
        receiver_.release(*held);
    }

    double asking_ = cost_of_asking();
    nothing out_;
    lane_sender sender_;
    lane_receiver receiver_;
    publication what_;
    time_point now_{};
    std::string topic_ = "bench/pair/topic/042";
    std::string payload_ = std::string(64, 'x');
};

void measure(qos quality, int batch) {
    spent best;
    for (int round = 0; round < rounds; ++round) {
        const spent once = pair_of_ends(quality).run(batch);
        best.sender = std::min(best.sender, once.sender);
        best.receiver = std::min(best.receiver, once.receiver);
    }
    std::printf("QoS %d, %4d a frame   append, take_frame, on_reply %6.1f ns   "
                "on_frame, answer, take_reply %6.1f ns\n",
                static_cast<int>(quality), batch, best.sender, best.receiver);
}

void measure_alternating(qos quality) {
    double best = 1e18;
    for (int round = 0; round < rounds; ++round) {
        best = std::min(best, pair_of_ends(quality).run_alternating());
    }
    std::printf("QoS %d,    1 a frame   both ends %6.1f ns\n", static_cast<int>(quality), best);
}

} // namespace

int main() {
    for (const qos quality : {qos::at_most_once, qos::at_least_once}) {
        for (const int batch : {2'000, 100}) {
            measure(quality, batch);
        }
        measure_alternating(quality);
    }
    return 0;
}
