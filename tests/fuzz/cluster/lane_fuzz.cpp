// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames and replies of a lane. An input is a byte that chooses: frames, a reply, or a
// row of the spool; then for frames, each with a length of two bytes before it, the bytes.
#include "base/assert.hpp"
#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"

#include <cstdint>
#include <vector>

namespace {

using namespace gv;
using namespace gv::cluster;

constexpr lane_identity self{node_id{1}, boot_id{1}, shard_id{0}};
constexpr forward_flags for_subscribers{.for_subscribers = true};

struct owner final : lane_effects {
    void taken(lane_waiter waiter, lane_reason) override {
        BROKER_ASSERT(waiter >= 1 && waiter <= 3, "somebody waits");
        BROKER_ASSERT(!answered[waiter], "each is answered once");
        answered[waiter] = true;
    }
    void given_back(lane_waiter, lane_return) override {
        BROKER_ASSERT(false, "nothing is for a group");
    }
    void has_room() override {}
    void spool_put(lane_seq, std::string_view bytes, lane_waiter) override {
        publication seen;
        forward_flags flags;
        BROKER_ASSERT(!decode_message(bytes, {.lane_origin = self.origin}, seen, flags),
                      "what is put in the spool can be read");
    }
    void spool_read(lane_seq, std::size_t) override { is_reading = true; }
    void spool_erase(lane_seq, lane_seq) override {}
    std::array<bool, 4> answered{};
    bool is_reading = false;
};

/// A message that was accepted says the same when it is sent on.
void check_again(const publication& seen, const forward_flags& flags) {
    const message_framing framing{.lane_origin = self.origin, .counted_from = {}};
    const message_shape shape(seen, framing, flags);
    std::string bytes(shape.size(), '\0');
    const char* end = shape.store(bytes.data(), seen, flags);
    BROKER_ASSERT(end == bytes.data() + bytes.size(), "a message is as long as it was said to be");
    publication again;
    forward_flags again_flags;
    const message_reading reading{.lane_origin = self.origin, .now = {}};
    BROKER_ASSERT(!decode_message(bytes, reading, again, again_flags), "it can be decoded again");
    BROKER_ASSERT(again.topic == seen.topic && again.payload == seen.payload
                      && again.properties == seen.properties && again_flags == flags
                      && again.header.expires == seen.header.expires
                      && again.header.quality == seen.header.quality
                      && again.header.origin == seen.header.origin,
                  "it is the same again");
}

void give_frames(std::string_view input) {
    lane_receiver receiver(self, boot_id{1}, {.message_bytes_max = 1'000'000});
    const auto welcome = receiver.on_hello({.lane = self, .oldest = 1});
    BROKER_ASSERT(welcome.has_value(), "an honest hello");
    read_cursor rest(input);
    lane_seq next = 1;
    while (!rest.at_end()) {
        const std::uint16_t size = rest.u16();
        lane_frame frame{.first = next};
        frame.bytes = std::string(rest.bytes(std::min<std::size_t>(size, rest.remaining())));
        lane_seq last = next - 1;
        const auto held = receiver.on_frame(
            frame, {}, [&](const publication& seen, forward_flags flags, lane_seq seq) {
                BROKER_ASSERT(seq == 0 || seq > last, "numbers grow");
                last = seq == 0 ? last : seq;
                check_again(seen, flags);
                seq == 0 ? static_cast<void>(0) : receiver.answer(seq, 0);
            });
        if (!held) {
            BROKER_ASSERT(!text_of(held.error()).empty(), "a fault says what is wrong");
            return;
        }
        receiver.release(*held);
        next = receiver.watermark();
        static_cast<void>(receiver.take_reply());
        BROKER_ASSERT(receiver.counted().held_bytes == 0, "all is released");
    }
}

void give_reply(std::string_view input) {
    owner out;
    lane_sender sender(self, {.spools = false});
    const auto linked = sender.on_connected({boot_id{1}, 1, 10'000}, {}, out);
    BROKER_ASSERT(linked.has_value(), "an honest welcome");
    publication what;
    what.topic = "t";
    what.header.quality = qos::at_least_once;
    for (lane_waiter waiter = 1; waiter <= 3; ++waiter) {
        sender.append(what, for_subscribers, waiter, {}, out);
    }
    static_cast<void>(sender.take_frame({}, out));
    const auto fine = sender.on_reply({.taken = std::string(input)}, {}, out);
    const bool any = out.answered[1] || out.answered[2] || out.answered[3];
    BROKER_ASSERT(fine || !any, "of a reply at fault nothing is applied");
}

void give_row(std::string_view input) {
    owner out;
    lane_sender sender(self, {}, {.first = 5, .last = 5, .rows = 1, .bytes = input.size()});
    const auto linked = sender.on_connected({boot_id{1}, 5, 10'000'000}, {}, out);
    BROKER_ASSERT(linked.has_value() && out.is_reading, "the spool is drained");
    const std::vector<lane_spool_row> rows{{.seq = 5, .bytes = input, .age = 3s}};
    sender.on_spool_rows(rows, {}, out);
    lane_receiver receiver(self, boot_id{1}, {});
    BROKER_ASSERT(receiver.on_hello({.lane = self, .oldest = 5}).has_value(), "an honest hello");
    while (const auto frame = sender.take_frame({}, out)) {
        BROKER_ASSERT(frame->bytes.size() <= lane_frame_bytes_max, "no frame is larger");
        BROKER_ASSERT(receiver.on_frame(*frame, {}, [](auto&&...) {}).has_value(),
                      "what is sent is accepted, whatever the row was");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        give_frames(rest);
        break;
    case 1:
        give_reply(rest);
        break;
    default:
        give_row(rest);
        break;
    }
    return 0;
}
