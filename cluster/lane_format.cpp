// SPDX-License-Identifier: Apache-2.0
#include "cluster/lane_format.hpp"

#include "base/topic.hpp"

#include <array>
#include <bit>

namespace gv::cluster {

namespace {

constexpr std::size_t life_at = 18; ///< in a message without origin
constexpr std::size_t run_bytes_max = 9;
constexpr std::uint64_t variable_max = (1u << 28) - 1;

constexpr std::uint64_t repeat(std::uint8_t byte) noexcept { return 0x0101'0101'0101'0101u * byte; }

/// The high bit of each byte that is equal to `byte`; for the lowest such byte exact, and nothing
/// if there is none.
constexpr std::uint64_t equal_to(std::uint64_t word, std::uint8_t byte) noexcept {
    const std::uint64_t different = word ^ repeat(byte);
    return (different - repeat(1)) & ~different & repeat(0x80);
}

/// Exact for every byte.
constexpr int count_of(std::uint64_t word, std::uint8_t byte) noexcept {
    const std::uint64_t different = word ^ repeat(byte);
    const std::uint64_t low = (different & repeat(0x7f)) + repeat(0x7f);
    return std::popcount(~(low | different | repeat(0x7f)));
}

/// As is_valid_topic_name() and count_levels(), eight bytes at a time: it is done for each message.
bool is_plain_topic(std::string_view topic, std::size_t levels_max) noexcept {
    std::uint64_t forbidden = 0;
    int slashes = 0;
    const char* at = topic.data();
    for (std::size_t left = topic.size(); left > 0;) {
        std::array<char, 8> padded;
        padded.fill('x');
        const std::size_t count = std::min<std::size_t>(left, 8);
        std::memcpy(padded.data(), at, count);
        const auto word = std::bit_cast<std::uint64_t>(padded);
        forbidden |= equal_to(word, '+') | equal_to(word, '#') | equal_to(word, 0);
        slashes += count_of(word, '/');
        at += count;
        left -= count;
    }
    return !topic.empty() && forbidden == 0 && static_cast<std::size_t>(slashes) + 1 <= levels_max;
}

time_point end_of_life(std::uint64_t life_ms, const message_reading& reading) noexcept {
    const std::uint64_t left = life_ms - std::min(life_ms, reading.age_ms);
    return reading.now + std::chrono::milliseconds(left);
}

/// What follows the first two bytes. True if nothing is wrong but, perhaps, the topic and the
/// group.
bool read_fields(read_cursor& bytes, std::uint8_t how, const message_reading& reading,
                 publication& into, forward_flags& flags, bool is_for_group) noexcept {
    envelope& head = into.header;
    head.publisher = bytes.u64();
    head.stamp.value = bytes.u64();
    head.origin = (how & lane_bits::has_origin) != 0 ? node_id{bytes.u64()} : reading.lane_origin;
    const std::uint64_t life = (how & lane_bits::has_life) != 0 ? bytes.u64() : 0;
    head.mount_point = (how & lane_bits::has_mount_point) != 0 ? bytes.u16() : std::uint16_t{0};
    flags.group = is_for_group ? bytes.prefixed() : std::string_view();
    flags.filter = is_for_group ? bytes.prefixed() : std::string_view();
    flags.errand =
        (how & lane_bits::has_errand) != 0 ? bytes.bytes(bytes.u32()) : std::string_view();
    into.topic = bytes.prefixed();
    into.properties =
        (how & lane_bits::has_properties) != 0 ? bytes.bytes(bytes.variable()) : std::string_view();
    into.payload = bytes.rest();
    if (bytes.failed() || life > lane_life_ms_max) {
        return false;
    }
    head.expires = (how & lane_bits::has_life) != 0 ? end_of_life(life, reading) : never;
    return true;
}

/// Bits that no sender sets, or sets to nothing.
bool bits_are_sound(std::uint8_t what, std::uint8_t how) noexcept {
    constexpr std::uint8_t purposes = lane_bits::for_subscribers | lane_bits::for_retained;
    const bool is_for_group = (what & lane_bits::for_group) != 0;
    const bool is_for_others = (what & purposes) != 0 || (how & lane_bits::for_kept) != 0;
    const bool is_errand = (how & lane_bits::has_errand) != 0;
    return (is_for_group ? 1 : 0) + (is_for_others ? 1 : 0) + (is_errand ? 1 : 0) == 1
           && (what & lane_bits::quality) <= 2 && (how & lane_bits::level) <= 2;
}

bool group_is_sound(const forward_flags& flags, std::string_view topic) noexcept {
    constexpr std::string_view forbidden("/+#\0", 4);
    return flags.is_for_group() && flags.group.find_first_of(forbidden) == std::string_view::npos
           && is_valid_topic_filter(flags.filter) && topic_matches(flags.filter, topic);
}

} // namespace

std::optional<lane_fault> decode_message(std::string_view message, const message_reading& reading,
                                         publication& into, forward_flags& flags) {
    if (message.size() < message_fixed_bytes) {
        return lane_fault::message_malformed;
    }
    const auto what = static_cast<std::uint8_t>(message[0]);
    const auto how = static_cast<std::uint8_t>(message[1]);
    read_cursor bytes(message.substr(2));
    const bool is_for_group = (what & lane_bits::for_group) != 0;
    if (!bits_are_sound(what, how)
        || !read_fields(bytes, how, reading, into, flags, is_for_group)) {
        return lane_fault::message_malformed;
    }
    const bool is_errand = (how & lane_bits::has_errand) != 0;
    if (is_errand == flags.errand.empty()) {
        return lane_fault::message_malformed;
    }
    if (!(is_errand && into.topic.empty()) && !is_plain_topic(into.topic, reading.levels_max)) {
        return lane_fault::topic_invalid;
    }
    if (is_for_group && !group_is_sound(flags, into.topic)) {
        return lane_fault::message_malformed;
    }
    envelope& head = into.header;
    head.quality = static_cast<qos>(what & lane_bits::quality);
    head.level = static_cast<durability>(how & lane_bits::level);
    head.retain = (what & lane_bits::retain) != 0;
    head.maybe_dup = (what & lane_bits::maybe_dup) != 0;
    head.newest_only = (what & lane_bits::newest_only) != 0;
    flags.for_subscribers = (what & lane_bits::for_subscribers) != 0;
    flags.for_retained = (what & lane_bits::for_retained) != 0;
    flags.for_kept = (how & lane_bits::for_kept) != 0;
    if (into.held) {
        into.held = {};
    }
    return std::nullopt;
}

void shift_life(char* message, std::chrono::milliseconds by) noexcept {
    const auto how = static_cast<std::uint8_t>(message[1]);
    if ((how & lane_bits::has_life) == 0) {
        return;
    }
    char* at = message + life_at + ((how & lane_bits::has_origin) != 0 ? 8 : 0);
    const auto life = static_cast<std::int64_t>(load_u64(at)) + by.count();
    const auto most = static_cast<std::int64_t>(lane_life_ms_max);
    store_u64(at, static_cast<std::uint64_t>(std::clamp<std::int64_t>(life, 0, most)));
}

std::size_t encode_taken(const std::vector<taken_run>& runs, std::size_t bytes_max,
                         std::string& out) {
    if (runs.empty()) {
        return 0;
    }
    byte_writer writer(out);
    writer.u64(runs.front().first);
    lane_seq end = runs.front().first;
    std::size_t done = 0;
    for (const taken_run& each : runs) {
        if (out.size() + run_bytes_max > bytes_max || each.count > variable_max) {
            break;
        }
        writer.variable(static_cast<std::uint32_t>(each.first - end));
        writer.variable(static_cast<std::uint32_t>(each.count));
        writer.u8(each.reason);
        end = each.first + each.count;
        ++done;
    }
    return done;
}

std::optional<taken_run> taken_reader::next() noexcept {
    if (is_bad_ || bytes_.at_end()) {
        return std::nullopt;
    }
    const lane_seq first = at_ + bytes_.variable();
    const taken_run found{.first = first, .count = bytes_.variable(), .reason = bytes_.u8()};
    const lane_seq end = found.first + found.count;
    // A number that wraps is far beyond what was ever sent, but must not look as if it were not.
    is_bad_ = bytes_.failed() || found.count == 0 || first < at_ || end < first || first == 0;
    at_ = end;
    return is_bad_ ? std::nullopt : std::optional(found);
}

std::string_view text_of(lane_fault fault) noexcept {
    switch (fault) {
    case lane_fault::wrong_lane:
        return "a hello for another lane";
    case lane_fault::numbers_invalid:
        return "numbers that no lane can have, or that contradict what was said";
    case lane_fault::gap:
        return "messages are missing before a frame";
    case lane_fault::frame_too_large:
        return "a frame that is empty or over the limit";
    case lane_fault::frame_malformed:
        return "a frame that its pieces do not fill, or a piece of unknown kind";
    case lane_fault::message_too_large:
        return "a message over the limit";
    case lane_fault::message_malformed:
        return "a message with unknown bits, values out of range, or cut short";
    case lane_fault::topic_invalid:
        return "not the name of a topic, or one with too many levels";
    case lane_fault::chunk_misplaced:
        return "a part of a message that had not begun, or something else within one";
    case lane_fault::credit_exceeded:
        return "more bytes than there was credit for";
    case lane_fault::credit_invalid:
        return "more credit than a lane may have";
    case lane_fault::too_many_unanswered:
        return "more messages without an answer than a lane may have";
    case lane_fault::reply_malformed:
        return "a reply that cannot be decoded or is over the limit";
    case lane_fault::never_sent:
        return "an answer to a message that was not sent";
    case lane_fault::unexpected:
        return "a frame or reply before hello and welcome";
    }
    return "unknown fault";
}

} // namespace gv::cluster
