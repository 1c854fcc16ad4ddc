// SPDX-License-Identifier: Apache-2.0
// The bytes of frames and replies. Integers are big-endian; `variable` is the variable byte integer
// of MQTT.
//
//   frame    = 1*piece                              ; fills it exactly
//   piece    = kind:u8 length:u24 content
//     whole  (0)  content = message                 ; length bytes
//     begin  (1)  content = total:u32 part          ; a message of `total` bytes begins
//     more   (2)  content = part                    ; the last one brings it to `total`
//     skip   (3)  no content                        ; `length` numbers, at least 1, were taken
//   message  = what:u8 how:u8 publisher:u64 stamp:u64
//              [origin:u64] [life_ms:u64] [mount_point:u16]
//              [group_length:u16 group filter_length:u16 filter]
//              [errand_length:u32 errand]
//              topic_length:u16 topic [properties_length:variable properties] payload
//     what     bits 0-1 QoS, 2 retain, 3 maybe_dup, 4 newest_only, 5 for_subscribers,
//              6 for_retained, 7 for one member of a group: then none of 5, 6 and for_kept
//     how      bits 0-1 durability, 2 has origin (else: that of the lane), 3 has life_ms (else:
//              never expires), 4 has mount point, 5 has properties, 6 has an errand: then it is
//              for nothing else, and the topic may be empty, 7 for_kept
//
//   taken    = [first:u64 1*(gap:variable count:variable reason:u8)]
//              ; a run begins `gap` numbers after the end of the one before, the first `gap` after
//              ; `first`; count is 1 or more
#pragma once

#include "base/bytes.hpp"
#include "base/message.hpp"
#include "cluster/lane.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::cluster {

// --- pieces

enum class piece_kind : std::uint8_t { whole, begin, more, skip };

inline constexpr std::size_t piece_header_bytes = 4;
inline constexpr std::size_t total_bytes = 4; ///< of a piece `begin`, before its part
inline constexpr std::uint32_t piece_length_max = (1u << 24) - 1;

/// Requires: length at most piece_length_max.
inline char* store_piece_header(char* at, piece_kind kind, std::size_t length) noexcept {
    return store_u32(at,
                     (static_cast<std::uint32_t>(kind) << 24) | static_cast<std::uint32_t>(length));
}

struct piece {
    piece_kind kind = piece_kind::whole;
    std::uint32_t length = 0;
    std::string_view content;
};

/// Walks the pieces of a frame. What is cut short or of an unknown kind makes it fail.
class piece_reader {
  public:
    explicit piece_reader(std::string_view bytes) noexcept : bytes_(bytes) {}
    /// Nothing at the end, or where it failed.
    [[nodiscard]] std::optional<piece> next() noexcept {
        const std::uint32_t word = bytes_.u32();
        const auto kind = static_cast<piece_kind>(word >> 24);
        piece found{.kind = kind, .length = word & piece_length_max};
        if (kind != piece_kind::skip) {
            found.content = bytes_.bytes(found.length);
        }
        is_bad_ = is_bad_ || kind > piece_kind::skip || found.length == 0;
        return bytes_.failed() || is_bad_ ? std::nullopt : std::optional(found);
    }
    [[nodiscard]] bool at_end() const noexcept { return bytes_.at_end(); }

  private:
    read_cursor bytes_;
    bool is_bad_ = false;
};

// --- messages

namespace lane_bits {
inline constexpr std::uint8_t quality = 0x03, retain = 0x04, maybe_dup = 0x08, newest_only = 0x10,
                              for_subscribers = 0x20, for_retained = 0x40, for_group = 0x80;
inline constexpr std::uint8_t level = 0x03, has_origin = 0x04, has_life = 0x08,
                              has_mount_point = 0x10, has_properties = 0x20, has_errand = 0x40,
                              for_kept = 0x80;
} // namespace lane_bits

/// What of a message is not the same wherever it is sent.
struct message_framing {
    node_id lane_origin;
    time_point counted_from; ///< of what is left of its life
};

inline constexpr std::size_t message_fixed_bytes = 20; ///< what, how, publisher, stamp, length

/// How a message is encoded, found out once.
class message_shape {
  public:
    message_shape(const publication& what, const message_framing& framing,
                  const forward_flags& flags) noexcept
        : life_ms_(life_of(what.header.expires, framing.counted_from)) {
        const gv::envelope& head = what.header;
        how_ = static_cast<std::uint8_t>(head.level);
        size_ = message_fixed_bytes + what.topic.size() + what.payload.size();
        add(lane_bits::has_origin, head.origin != framing.lane_origin, 8);
        add(lane_bits::has_life, life_ms_ != no_life, 8);
        add(lane_bits::has_mount_point, head.mount_point != 0, 2);
        if (flags.is_for_group()) {
            size_ += 4 + flags.group.size() + flags.filter.size();
        }
        if (!flags.errand.empty()) {
            add(lane_bits::has_errand, true, 4 + flags.errand.size());
        }
        if (!what.properties.empty()) {
            const auto length = static_cast<std::uint32_t>(what.properties.size());
            add(lane_bits::has_properties, true, variable_size(length) + length);
        }
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Writes size() bytes. Returns where they end. Requires: the flags it was made with.
    char* store(char* at, const publication& what, const forward_flags& flags) const noexcept;

  private:
    static constexpr std::uint64_t no_life = ~std::uint64_t{0};
    /// A life too long to be told is endless.
    [[nodiscard]] static std::uint64_t life_of(time_point expires, time_point from) noexcept {
        if (expires == never) {
            return no_life;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(expires - from);
        const auto count =
            static_cast<std::uint64_t>(std::max(left.count(), decltype(left)::rep{}));
        return count > lane_life_ms_max ? no_life : count;
    }
    void add(std::uint8_t bit, bool is_there, std::size_t bytes) noexcept {
        how_ = static_cast<std::uint8_t>(how_ | (is_there ? bit : 0));
        size_ += is_there ? bytes : 0;
    }

    std::uint64_t life_ms_;
    std::size_t size_;
    std::uint8_t how_;
};

inline char* message_shape::store(char* at, const publication& what,
                                  const forward_flags& flags) const noexcept {
    const gv::envelope& head = what.header;
    const unsigned bits = static_cast<unsigned>(head.quality)
                          | (head.retain ? lane_bits::retain : 0u)
                          | (head.maybe_dup ? lane_bits::maybe_dup : 0u)
                          | (head.newest_only ? lane_bits::newest_only : 0u)
                          | (flags.for_subscribers ? lane_bits::for_subscribers : 0u)
                          | (flags.for_retained ? lane_bits::for_retained : 0u)
                          | (flags.is_for_group() ? lane_bits::for_group : 0u);
    at = store_u8(at, static_cast<std::uint8_t>(bits));
    at =
        store_u8(at, static_cast<std::uint8_t>(how_ | (flags.for_kept ? lane_bits::for_kept : 0u)));
    at = store_u64(at, head.publisher);
    at = store_u64(at, head.stamp.value);
    at = (how_ & lane_bits::has_origin) != 0 ? store_u64(at, head.origin.value) : at;
    at = (how_ & lane_bits::has_life) != 0 ? store_u64(at, life_ms_) : at;
    at = (how_ & lane_bits::has_mount_point) != 0 ? store_u16(at, head.mount_point) : at;
    if (flags.is_for_group()) {
        at = store_u16(at, static_cast<std::uint16_t>(flags.group.size()));
        at = store_bytes(at, flags.group);
        at = store_u16(at, static_cast<std::uint16_t>(flags.filter.size()));
        at = store_bytes(at, flags.filter);
    }
    if ((how_ & lane_bits::has_errand) != 0) {
        at = store_u32(at, static_cast<std::uint32_t>(flags.errand.size()));
        at = store_bytes(at, flags.errand);
    }
    at = store_u16(at, static_cast<std::uint16_t>(what.topic.size()));
    at = store_bytes(at, what.topic);
    if ((how_ & lane_bits::has_properties) != 0) {
        at = store_variable(at, static_cast<std::uint32_t>(what.properties.size()));
        at = store_bytes(at, what.properties);
    }
    return store_bytes(at, what.payload);
}

/// QoS of an encoded message. Requires: not empty.
[[nodiscard]] inline qos quality_of(std::string_view message) noexcept {
    return static_cast<qos>(static_cast<std::uint8_t>(message.front()) & lane_bits::quality);
}
inline void mark_maybe_dup(char* message) noexcept {
    *message = static_cast<char>(static_cast<std::uint8_t>(*message) | lane_bits::maybe_dup);
}
/// How durable it must be where it is kept. Requires: a message that decode_message() accepts.
[[nodiscard]] inline durability level_of(std::string_view message) noexcept {
    return static_cast<durability>(static_cast<std::uint8_t>(message[1]) & lane_bits::level);
}
/// Whether kept sessions want it. Requires: as above.
[[nodiscard]] inline bool is_for_kept(std::string_view message) noexcept {
    return (static_cast<std::uint8_t>(message[1]) & lane_bits::for_kept) != 0;
}
/// Whether nobody but volatile subscribers wants it.
[[nodiscard]] inline bool is_for_volatile_only(std::string_view message) noexcept {
    constexpr unsigned purposes = lane_bits::for_subscribers | lane_bits::for_retained;
    return (static_cast<std::uint8_t>(message[0]) & purposes) == lane_bits::for_subscribers
           && !is_for_kept(message);
}
/// Those who were connected to the peer are not any more: it is for kept sessions alone from now
/// on. One that was for nobody else is so, too: there must be a purpose. One for a group stays what
/// it is: whoever comes back there may have members.
inline void mark_for_kept_only(char* message) noexcept {
    if (is_for_volatile_only({message, message_fixed_bytes})) {
        message[1] = static_cast<char>(static_cast<std::uint8_t>(message[1]) | lane_bits::for_kept);
    }
    message[0] =
        static_cast<char>(static_cast<std::uint8_t>(message[0]) & ~lane_bits::for_subscribers);
}
/// Adds to what is left of the life of an encoded message, which may be less than is taken away.
/// Does nothing if it never expires. Requires: a message that decode_message() accepts.
void shift_life(char* message, std::chrono::milliseconds by) noexcept;

struct message_reading {
    node_id lane_origin;
    time_point now;
    std::uint64_t age_ms = 0; ///< see lane_frame
    std::size_t levels_max = 128;
};

/// Fills `into` and `flags`; into.held is emptied. The properties are not looked into, and that
/// texts are UTF-8 is not checked: the node that took the message from its publisher did.
/// Errors: the fault; `into` then holds anything. Lifetime: views of `message`.
[[nodiscard]] std::optional<lane_fault> decode_message(std::string_view message,
                                                       const message_reading& reading,
                                                       publication& into, forward_flags& flags);

// --- answers

/// Messages first, first + 1, … were taken for the same reason.
struct taken_run {
    lane_seq first = 0;
    std::uint64_t count = 0;
    lane_reason reason = 0;
    friend bool operator==(const taken_run&, const taken_run&) = default;
};

/// Appends as many of `runs` to the empty `out` as fit. Returns how many did.
/// Requires: in ascending order, apart from each other by less than 2^28 numbers.
std::size_t encode_taken(const std::vector<taken_run>& runs, std::size_t bytes_max,
                         std::string& out);

/// Walks runs; each begins after the end of the one before.
class taken_reader {
  public:
    explicit taken_reader(std::string_view taken) noexcept : bytes_(taken) {
        at_ = taken.empty() ? 0 : bytes_.u64();
        is_bad_ = bytes_.failed() || (!taken.empty() && bytes_.at_end());
    }
    /// Nothing at the end, or where it failed.
    [[nodiscard]] std::optional<taken_run> next() noexcept;
    [[nodiscard]] bool failed() const noexcept { return is_bad_; }

  private:
    read_cursor bytes_;
    lane_seq at_;
    bool is_bad_;
};

} // namespace gv::cluster
