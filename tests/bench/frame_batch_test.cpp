// SPDX-License-Identifier: Apache-2.0
#include "bench/load/frame_batch.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gv::load {
namespace {

/// Writes `count` packets and takes them apart again.
std::vector<publish_parts> round_trip(const frame_template& source, frame_batch& batch,
                                      std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        source.write(batch.at(i), {.due = 100 + i, .number = i, .sequence = i},
                     static_cast<std::uint16_t>(i + 1));
    }
    std::vector<publish_parts> found;
    const std::string_view bytes = batch.first(count);
    const char* at = bytes.data();
    while (at < bytes.data() + bytes.size()) {
        const frame_split next = split_frame(at, bytes.data() + bytes.size());
        found.push_back(split_publish(next.value));
        at += next.total();
    }
    return found;
}

void expect_all_intact(std::size_t payload, unsigned qos) {
    const frame_template source("bench/0042", payload, qos, {});
    frame_batch batch(source.frame_size());
    const std::uint32_t count = std::min(batch.capacity(), 5U);
    const auto found = round_trip(source, batch, count);
    ASSERT_EQ(found.size(), count);
    for (std::uint32_t i = 0; i < count; ++i) {
        EXPECT_EQ(found[i].topic, "bench/0042");
        EXPECT_EQ(found[i].packet_id, qos == 0 ? 0 : i + 1);
        ASSERT_EQ(found[i].payload_size, payload);
        const stamp mark = load_stamp(found[i].payload);
        EXPECT_EQ(mark.number, i);
        EXPECT_EQ(mark.due, 100 + i);
        EXPECT_EQ(std::string_view(found[i].payload, payload).substr(sizeof(stamp)),
                  std::string(payload - sizeof(stamp), 'x'));
    }
}

TEST(FrameBatch, PacketsShorterThanAHeadDoNotHarmEachOther) { expect_all_intact(24, 0); }

TEST(FrameBatch, SmallPackets) {
    expect_all_intact(64, 0);
    expect_all_intact(64, 1);
}

TEST(FrameBatch, LargePackets) {
    expect_all_intact(65'536, 1);
    expect_all_intact(1'000'000, 0);
}

TEST(FrameBatch, TheTopicCanBePatched) {
    frame_template source("w/0000/a", 64, 1, {});
    source.patch_topic(2, "0815");
    frame_batch batch(source.frame_size());
    EXPECT_EQ(round_trip(source, batch, 1)[0].topic, "w/0815/a");
}

} // namespace
} // namespace gv::load
