// SPDX-License-Identifier: Apache-2.0
// The two ends of a lane by hand: a sender whose effects are written down, a receiver, and what is
// passed between them.
#pragma once

#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gv::cluster::testing {

inline constexpr lane_identity lane_of_seven{node_id{7}, boot_id{1}, shard_id{2}};
inline constexpr forward_flags to_subscribers{.for_subscribers = true};
/// Without a spool: what is not about it is easier to see.
inline const lane_sender_options in_memory{.spools = false};

/// A message. Lifetime: of its views, those of the arguments.
inline publication make_message(qos quality, std::string_view payload,
                                std::string_view topic = "t") {
    publication made;
    made.header.quality = quality;
    made.header.origin = lane_of_seven.origin;
    made.topic = topic;
    made.payload = payload;
    return made;
}

struct written_effects final : lane_effects {
    void taken(lane_waiter waiter, lane_reason reason) override {
        answers.emplace_back(waiter, reason);
    }
    void given_back(lane_waiter waiter, lane_return why) override {
        returned.emplace_back(waiter, why);
    }
    void has_room() override { ++rooms; }
    void spool_put(lane_seq seq, std::string_view bytes, lane_waiter waiter) override {
        EXPECT_TRUE(rows.try_emplace(seq, bytes).second) << "row " << seq << " twice";
        put_for.push_back(waiter);
    }
    void spool_read(lane_seq from, std::size_t) override { reads.push_back(from); }
    void spool_erase(lane_seq first, lane_seq last) override {
        rows.erase(rows.lower_bound(first), rows.upper_bound(last));
    }

    std::vector<std::pair<lane_waiter, lane_reason>> answers;
    std::vector<std::pair<lane_waiter, lane_return>> returned;
    std::map<lane_seq, std::string> rows;
    std::vector<lane_waiter> put_for;
    std::vector<lane_seq> reads; ///< not answered yet
    int rooms = 0;
};

/// What a receiver gave out.
struct given {
    std::string payload;
    lane_seq seq = 0;
    bool maybe_dup = false;
    forward_flags flags{};
};

class lane_pair {
  public:
    explicit lane_pair(const lane_sender_options& options = in_memory,
                       const lane_receiver_options& other = {})
        : sender(lane_of_seven, options), receiver(lane_of_seven, boot_id{1}, other) {}

    void connect() {
        const auto welcome = receiver.on_hello(sender.hello());
        ASSERT_TRUE(welcome.has_value()) << text_of(welcome.error());
        const auto fine = sender.on_connected(*welcome, now, out);
        ASSERT_TRUE(fine.has_value()) << text_of(fine.error());
    }
    void disconnect() {
        sender.on_disconnected(now, out);
        receiver.on_disconnected();
    }
    void append(qos quality, std::string_view payload, lane_waiter waiter = 0,
                forward_flags flags = to_subscribers) {
        sender.append(make_message(quality, payload), flags, waiter, now, out);
    }
    void arrive(const lane_frame& frame) {
        const auto held = receiver.on_frame(
            frame, now, [this](const publication& seen, forward_flags flags, lane_seq seq) {
                all.push_back({std::string(seen.payload), seq, seen.header.maybe_dup, flags});
                last_expires = seen.header.expires;
            });
        ASSERT_TRUE(held.has_value()) << text_of(held.error());
        receiver.release(*held);
    }
    /// All frames there are. Returns their number.
    std::size_t pass_frames() {
        std::size_t count = 0;
        while (const auto frame = sender.take_frame(now, out)) {
            arrive(*frame);
            ++count;
        }
        return count;
    }
    void pass_reply() {
        if (const auto reply = receiver.take_reply()) {
            const auto fine = sender.on_reply(*reply, now, out);
            ASSERT_TRUE(fine.has_value()) << text_of(fine.error());
        }
    }
    /// Everything, until nothing moves.
    void pass_all() {
        while (pass_frames() > 0 || receiver.has_reply()) {
            pass_reply();
        }
    }
    void answer_read(bool is_of_former_life = false) {
        ASSERT_FALSE(out.reads.empty());
        const lane_seq from = out.reads.front();
        out.reads.erase(out.reads.begin());
        std::vector<lane_spool_row> found;
        for (auto at = out.rows.lower_bound(from); at != out.rows.end(); ++at) {
            found.push_back({.seq = at->first,
                             .bytes = at->second,
                             .age = {},
                             .is_of_former_life = is_of_former_life});
        }
        sender.on_spool_rows(found, now, out);
    }
    /// What was given out, as "payload payload!", with ! for maybe_dup.
    [[nodiscard]] std::string text() const {
        std::string made;
        for (const given& each : all) {
            made += (made.empty() ? "" : " ") + each.payload + (each.maybe_dup ? "!" : "");
        }
        return made;
    }

    written_effects out;
    lane_sender sender;
    lane_receiver receiver;
    std::vector<given> all;
    time_point last_expires{};
    time_point now{1000s};
};

} // namespace gv::cluster::testing
