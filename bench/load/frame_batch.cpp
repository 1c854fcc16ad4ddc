// SPDX-License-Identifier: Apache-2.0
#include "bench/load/frame_batch.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::load {

namespace {

constexpr char filler = 'x';
constexpr std::size_t batch_bytes = 256 * 1024;

} // namespace

frame_template::frame_template(std::string_view topic, std::size_t payload_size, unsigned qos,
                               const stamp& constant)
    : has_packet_id_(qos > 0) {
    BROKER_ASSERT(payload_size >= sizeof(stamp), "a payload must hold its stamp");
    const std::string whole =
        encode_publish(topic, std::string(payload_size, filler), {.qos = qos});
    frame_size_ = whole.size();
    stamp_at_ = frame_size_ - payload_size;
    topic_at_ = stamp_at_ - (has_packet_id_ ? 2U : 0U) - topic.size();
    BROKER_ASSERT(stamp_at_ + sizeof(stamp) <= head_size, "the topic is too long for the head");
    head_.fill(filler);
    std::copy_n(whole.data(), std::min(whole.size(), head_size), head_.data());
    store_stamp(head_.data() + stamp_at_, constant);
}

frame_batch::frame_batch(std::size_t frame_size)
    : frame_size_(frame_size),
      capacity_(static_cast<std::uint32_t>(std::max<std::size_t>(1, batch_bytes / frame_size))),
      bytes_(capacity_ * frame_size + frame_template::head_size, filler) {}

} // namespace gv::load
