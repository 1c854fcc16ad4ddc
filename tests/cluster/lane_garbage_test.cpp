// SPDX-License-Identifier: Apache-2.0
// Honest traffic with single bytes changed on its way. Under the sanitizers this finds what is used
// before it is checked; beside it, whatever a peer does, nobody is answered twice, and after a
// fault a new link finds both ends in order.
#include "tests/cluster/lane_script.hpp"

#include <random>
#include <set>

namespace gv::cluster::testing {
namespace {

class changed_on_its_way {
  public:
    explicit changed_on_its_way(std::uint64_t seed) : random_(seed), lane_(in_memory) {}

    void run() {
        for (int step = 0; step < 60; ++step) {
            linked_ ? static_cast<void>(0) : connect();
            append();
            pass_frame();
            pass_reply();
        }
        std::set<lane_waiter> once;
        for (const auto& [waiter, reason] : lane_.out.answers) {
            EXPECT_TRUE(once.insert(waiter).second) << "answered twice: " << waiter;
        }
    }
    std::uint64_t faults = 0;

  private:
    std::size_t below(std::size_t end) { return random_() % end; }

    void connect() {
        const auto welcome = lane_.receiver.on_hello(lane_.sender.hello());
        if (!welcome) {
            // It was made to believe an answer that nobody gave: only another life helps.
            lane_.receiver = lane_receiver(lane_of_seven, boot_id{++boots_}, {});
            unanswered_.clear();
            return;
        }
        linked_ = lane_.sender.on_connected(*welcome, lane_.now, lane_.out).has_value();
        if (!linked_) {
            lane_.receiver = lane_receiver(lane_of_seven, boot_id{++boots_}, {});
            unanswered_.clear();
        }
    }
    void close() {
        ++faults;
        linked_ = false;
        lane_.disconnect();
    }
    void append() {
        for (std::size_t count = below(4); count > 0; --count) {
            const auto quality = static_cast<qos>(below(3));
            const std::size_t size = below(30) == 0 ? 300'000 : below(40);
            lane_.append(quality, std::string(size, 'x'),
                         quality == qos::at_most_once ? 0 : ++waiters_);
        }
    }
    void change(std::string& bytes) {
        if (!bytes.empty() && below(3) == 0) {
            bytes[below(std::min<std::size_t>(bytes.size(), 60))] = static_cast<char>(random_());
        }
    }
    void pass_frame() {
        auto frame = lane_.sender.take_frame(lane_.now, lane_.out);
        if (!frame) {
            return;
        }
        change(frame->bytes);
        frame->first += below(20) == 0 ? random_() >> below(64) : 0;
        frame->oldest += below(20) == 0 ? random_() >> below(64) : 0;
        const auto held = lane_.receiver.on_frame(
            *frame, lane_.now, [this](const publication&, forward_flags, lane_seq seq) {
                seq != 0 ? unanswered_.push_back(seq) : void();
            });
        held ? lane_.receiver.release(*held) : close();
    }
    void pass_reply() {
        while (!unanswered_.empty() && below(3) != 0) {
            const std::size_t which = below(unanswered_.size());
            lane_.receiver.answer(unanswered_[which], static_cast<lane_reason>(below(2)));
            unanswered_.erase(unanswered_.begin() + static_cast<std::ptrdiff_t>(which));
        }
        auto reply = lane_.receiver.take_reply();
        if (!linked_ || !reply) {
            return;
        }
        change(reply->taken);
        reply->credit_bytes += below(20) == 0 ? random_() >> below(64) : 0;
        lane_.sender.on_reply(*reply, lane_.now, lane_.out) ? void() : close();
    }

    std::mt19937_64 random_;
    lane_pair lane_;
    std::vector<lane_seq> unanswered_;
    std::uint32_t boots_ = 1;
    lane_waiter waiters_ = 0;
    bool linked_ = false;
};

TEST(LaneGarbage, NoByteOfAPeerBreaksAnything) {
    std::uint64_t faults = 0;
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        changed_on_its_way run(seed);
        run.run();
        faults += run.faults;
    }
    EXPECT_GT(faults, 10'000u);
}

} // namespace
} // namespace gv::cluster::testing
