// SPDX-License-Identifier: Apache-2.0
// A run of equally long PUBLISH packets, ready to be sent with one write. Bodies are filled once;
// for each message only the head is copied in from the publisher's template and its id and stamp
// are set. One buffer serves all publishers of a run.
#pragma once

#include "bench/load/stamp.hpp"
#include "bench/load/wire.hpp"

#include <array>
#include <string>
#include <string_view>

namespace gv::load {

/// The head of the PUBLISH packets of one publisher, up to and with the stamp.
class frame_template {
  public:
    /// Copied as a whole for each message, which a compiler makes two or four moves of.
    static constexpr std::size_t head_size = 64;

    /// Requires: payload_size >= sizeof(stamp), and a head that fits (topic up to 27 bytes).
    frame_template(std::string_view topic, std::size_t payload_size, unsigned qos,
                   const stamp& constant);

    [[nodiscard]] std::size_t frame_size() const noexcept { return frame_size_; }

    /// Writes the head of a packet. Writes head_size bytes, even if the packet is shorter: write
    /// packets in ascending order, with room behind the last.
    void write(char* at, const stamp& value, std::uint16_t packet_id) const noexcept {
        std::memcpy(at, head_.data(), head_size);
        if (has_packet_id_) {
            store_u16(at + stamp_at_ - 2, packet_id);
        }
        store_stamp(at + stamp_at_, value);
    }

    /// Replaces characters of the topic in the template.
    void patch_topic(std::size_t offset, std::string_view text) noexcept {
        std::memcpy(head_.data() + topic_at_ + offset, text.data(), text.size());
    }

  private:
    std::array<char, head_size> head_{};
    std::size_t frame_size_;
    std::size_t topic_at_;
    std::size_t stamp_at_;
    bool has_packet_id_;
};

class frame_batch {
  public:
    explicit frame_batch(std::size_t frame_size);

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] char* at(std::uint32_t index) noexcept {
        return bytes_.data() + index * frame_size_;
    }
    [[nodiscard]] std::string_view first(std::uint32_t count) const noexcept {
        return {bytes_.data(), count * frame_size_};
    }

  private:
    std::size_t frame_size_;
    std::uint32_t capacity_;
    std::string bytes_;
};

} // namespace gv::load
