// SPDX-License-Identifier: Apache-2.0
#include "storage/mosquitto_db.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace gv::storage {

namespace {

constexpr std::string_view magic("\x00\xB5\x00mosquitto db", 15);
constexpr std::uint32_t version_min = 5;
constexpr std::uint32_t version_max = 6;
constexpr std::size_t id_size = 8;
/// Seconds; a date that is later was written in the other byte order.
constexpr std::uint64_t time_max = std::uint64_t{1} << 40;

enum class chunk_kind : std::uint32_t {
    configuration = 1,
    message = 2,
    client_message = 3,
    retained = 4,
    subscription = 5,
    client = 6
};

using state = mosquitto_delivery::state;
/// By the number that Mosquitto gives a state. What is to be sent again counts as sent: whether the
/// client has it is not known.
constexpr std::array<state, 12> states{state::unknown,  state::sent,    state::sent,
                                       state::sent,     state::sent,    state::sent,
                                       state::released, state::unknown, state::unknown,
                                       state::released, state::unknown, state::queued};

[[nodiscard]] state state_of(std::uint8_t number) noexcept {
    return number < states.size() ? states[number] : state::unknown;
}

/// An integer as the machine that wrote it had it: little-endian on all that Mosquitto is packaged
/// for today.
[[nodiscard]] std::uint64_t native_u64(read_cursor& in) noexcept {
    return __builtin_bswap64(in.u64());
}

[[nodiscard]] std::int64_t native_time(read_cursor& in) noexcept {
    const std::uint64_t found = native_u64(in);
    const std::uint64_t time = found < time_max ? found : __builtin_bswap64(found);
    return static_cast<std::int64_t>(std::min(time, time_max));
}

class db_reader {
  public:
    db_reader(std::string_view bytes, std::string_view name, mosquitto_reader& to)
        : bytes_(bytes), name_(name), to_(to), in_(bytes) {}

    [[nodiscard]] result<void, problem> read() {
        if (const auto wrong = read_header()) {
            return failure(*wrong);
        }
        while (!in_.at_end()) {
            if (const auto wrong = read_chunk()) {
                return failure(*wrong);
            }
        }
        if (!is_configured_) {
            return failure(truncated(place()));
        }
        return {};
    }

  private:
    using outcome = std::optional<problem>;

    [[nodiscard]] std::size_t place() const noexcept { return bytes_.size() - in_.remaining(); }

    [[nodiscard]] problem at(std::size_t where, std::string what, std::string remedy) const {
        return {.place = std::string(name_) + ", byte " + std::to_string(where),
                .what = std::move(what),
                .remedy = std::move(remedy)};
    }
    [[nodiscard]] problem truncated(std::size_t where) const {
        return at(where, "the file ends in the middle",
                  "stop Mosquitto in good order and import the file that it then writes");
    }
    [[nodiscard]] problem damaged(std::size_t where, std::string_view kind) const {
        return at(where, "this " + std::string(kind) + " does not fit its own size",
                  "stop Mosquitto in good order and import the file that it then writes");
    }

    outcome read_header() {
        if (!is_mosquitto_db(bytes_)) {
            return at(0, "this is no persistence file of Mosquitto",
                      "give the file that persistence_location of mosquitto.conf says");
        }
        static_cast<void>(in_.bytes(magic.size() + 4));
        header_.version = in_.u32();
        if (in_.failed()) {
            return truncated(bytes_.size());
        }
        if (header_.version < version_min || header_.version > version_max) {
            return at(magic.size() + 4,
                      "its format has version " + std::to_string(header_.version)
                          + "; 5 and 6 are known",
                      header_.version < version_min
                          ? "start Mosquitto 2.0 with it and stop it again: it writes version 6"
                          : "write it with Mosquitto 2.0");
        }
        return {};
    }

    outcome read_chunk() {
        const std::size_t where = place();
        const auto kind = in_.u32();
        const auto size = in_.u32();
        if (in_.failed() || in_.remaining() < size) {
            return truncated(where);
        }
        const auto known = static_cast<chunk_kind>(kind);
        read_cursor body(in_.bytes(size));
        if (known != chunk_kind::configuration && !is_configured_) {
            return at(where, "the file does not begin with its configuration",
                      "import a file that Mosquitto wrote itself");
        }
        return read_body(known, body, where);
    }

    outcome read_body(chunk_kind kind, read_cursor& in, std::size_t where) {
        switch (kind) {
        case chunk_kind::configuration:
            return read_configuration(in, where);
        case chunk_kind::message:
            return check(read_message(in), where, "message");
        case chunk_kind::client_message:
            return check(read_delivery(in), where, "client message");
        case chunk_kind::retained:
            return check(read_retained(in), where, "retained message");
        case chunk_kind::subscription:
            return check(read_subscription(in), where, "subscription");
        case chunk_kind::client:
            return check(read_client(in), where, "client");
        }
        to_.on_unknown(static_cast<std::uint32_t>(kind));
        return {};
    }

    [[nodiscard]] outcome check(bool is_whole, std::size_t where, std::string_view kind) const {
        return is_whole ? outcome() : damaged(where, kind);
    }

    outcome read_configuration(read_cursor& in, std::size_t where) {
        constexpr std::size_t packed_size = 12;
        is_packed_ = in.remaining() <= packed_size;
        static_cast<void>(in.u64());
        header_.is_final = in.u8() != 0;
        const std::uint8_t size = in.u8();
        if (in.failed()) {
            return damaged(where, "configuration");
        }
        if (size != id_size) {
            return at(where, "its message numbers have " + std::to_string(size) + " bytes, not 8",
                      "write it with a Mosquitto of a distribution");
        }
        if (!is_configured_) {
            is_configured_ = true;
            to_.on_header(header_);
        }
        return {};
    }

    /// What is left of a chunk are properties after their length, or nothing.
    [[nodiscard]] static bool take_properties(read_cursor& in, std::string_view& properties) {
        if (in.failed() || in.at_end()) {
            return !in.failed();
        }
        properties = in.bytes(in.variable());
        return !in.failed() && in.at_end();
    }

    bool read_message(read_cursor& in) {
        mosquitto_message found;
        found.id = native_u64(in);
        found.expires = native_time(in);
        const std::uint32_t payload_size = in.u32();
        static_cast<void>(in.u16()); // its packet identifier
        const std::uint16_t publisher_size = in.u16();
        const std::uint16_t username_size = in.u16();
        const std::uint16_t topic_size = in.u16();
        static_cast<void>(in.u16()); // the port that it came to
        found.quality = in.u8();
        found.retain = in.u8() != 0;
        found.publisher = in.bytes(publisher_size);
        static_cast<void>(in.bytes(username_size));
        found.topic = in.bytes(topic_size);
        found.payload = in.bytes(payload_size);
        if (!take_properties(in, found.properties) || found.quality > 2) {
            return false;
        }
        to_.on_message(found);
        return true;
    }

    bool read_delivery(read_cursor& in) {
        mosquitto_delivery found;
        found.message = native_u64(in);
        found.packet_id = in.u16();
        const std::uint16_t client_size = in.u16();
        found.quality = in.u8();
        found.raw_state = in.u8();
        found.progress = state_of(found.raw_state);
        found.retain = (in.u8() & 0xf0) != 0;
        const std::uint8_t way = in.u8();
        found.way = way == 0 ? mosquitto_delivery::direction::from_client
                             : mosquitto_delivery::direction::to_client;
        found.client_id = in.bytes(client_size);
        if (!take_properties(in, found.properties) || found.quality > 2 || way > 1) {
            return false;
        }
        to_.on_delivery(found);
        return true;
    }

    bool read_retained(read_cursor& in) {
        const std::uint64_t message = native_u64(in);
        if (in.failed() || !in.at_end()) {
            return false;
        }
        to_.on_retained(message);
        return true;
    }

    bool read_subscription(read_cursor& in) {
        mosquitto_subscription found;
        found.identifier = in.u32();
        const std::uint16_t client_size = in.u16();
        const std::uint16_t filter_size = in.u16();
        found.quality = in.u8();
        const std::uint8_t options = in.u8();
        found.no_local = (options & 0x04) != 0;
        found.retain_as_published = (options & 0x08) != 0;
        static_cast<void>(in.bytes(2));
        found.client_id = in.bytes(client_size);
        found.filter = in.bytes(filter_size);
        if (in.failed() || !in.at_end() || found.quality > 2) {
            return false;
        }
        to_.on_subscription(found);
        return true;
    }

    bool read_client(read_cursor& in) {
        mosquitto_client found;
        found.expires = native_time(in);
        found.expiry_seconds = in.u32();
        static_cast<void>(in.u16()); // the last packet identifier it was given
        const std::uint16_t client_size = in.u16();
        std::uint16_t username_size = 0;
        if (header_.version >= 6) {
            static_cast<void>(in.u16()); // the port that it came to
            username_size = in.u16();
            static_cast<void>(in.bytes(is_packed_ ? 0 : 4));
        }
        found.client_id = in.bytes(client_size);
        found.username = in.bytes(username_size);
        if (in.failed() || !in.at_end()) {
            return false;
        }
        to_.on_client(found);
        return true;
    }

    std::string_view bytes_;
    std::string_view name_;
    mosquitto_reader& to_;
    read_cursor in_;
    mosquitto_header header_;
    bool is_configured_ = false;
    bool is_packed_ = false; ///< numbers of 8 bytes align to 4
};

} // namespace

bool is_mosquitto_db(std::string_view bytes) noexcept { return bytes.starts_with(magic); }

result<void, problem> read_mosquitto_db(std::string_view bytes, std::string_view name,
                                        mosquitto_reader& to) {
    return db_reader(bytes, name, to).read();
}

} // namespace gv::storage
