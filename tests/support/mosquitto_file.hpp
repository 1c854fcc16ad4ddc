// SPDX-License-Identifier: Apache-2.0
// Writes a mosquitto.db chunk by chunk, as a Mosquitto on a little-endian machine does.
#pragma once

#include "base/bytes.hpp"
#include "storage/mosquitto_db.hpp"

#include <string>
#include <vector>

namespace gv::storage {

class mosquitto_file {
  public:
    enum class machine : std::uint8_t { little_endian, big_endian, x86_32 };

    explicit mosquitto_file(std::uint32_t version = 6, machine on = machine::little_endian)
        : version_(version), machine_(on) {
        byte_writer to(bytes_);
        to.bytes(std::string_view("\x00\xB5\x00mosquitto db", 15));
        to.u32(0);
        to.u32(version);
        std::string body;
        native(body, 99);
        body.append({1, 8});
        body.append(on == machine::x86_32 ? 2 : 6, '\0');
        chunk(1, body);
    }

    mosquitto_file& message(const mosquitto_message& what) {
        std::string body;
        native(body, what.id);
        native(body, static_cast<std::uint64_t>(what.expires));
        byte_writer to(body);
        to.u32(static_cast<std::uint32_t>(what.payload.size()));
        to.u16(7);
        to.u16(static_cast<std::uint16_t>(what.publisher.size()));
        to.u16(3);
        to.u16(static_cast<std::uint16_t>(what.topic.size()));
        to.u16(1883);
        to.u8(what.quality);
        to.u8(what.retain ? 1 : 0);
        to.bytes(what.publisher);
        to.bytes("bob");
        to.bytes(what.topic);
        to.bytes(what.payload);
        properties(body, what.properties);
        return chunk(2, body);
    }
    /// `what.raw_state` is what is written.
    mosquitto_file& delivery(const mosquitto_delivery& what) {
        std::string body;
        native(body, what.message);
        byte_writer to(body);
        to.u16(what.packet_id);
        to.u16(static_cast<std::uint16_t>(what.client_id.size()));
        to.u8(what.quality);
        to.u8(what.raw_state);
        to.u8(what.retain ? 0x11 : 0x01);
        to.u8(static_cast<std::uint8_t>(what.way));
        to.bytes(what.client_id);
        properties(body, what.properties);
        return chunk(3, body);
    }
    mosquitto_file& retained(std::uint64_t message) {
        std::string body;
        native(body, message);
        return chunk(4, body);
    }
    mosquitto_file& subscription(const mosquitto_subscription& what) {
        std::string body;
        byte_writer to(body);
        to.u32(what.identifier);
        to.u16(static_cast<std::uint16_t>(what.client_id.size()));
        to.u16(static_cast<std::uint16_t>(what.filter.size()));
        to.u8(what.quality);
        to.u8(static_cast<std::uint8_t>((what.no_local ? 4 : 0)
                                        | (what.retain_as_published ? 8 : 0)));
        to.u16(0);
        to.bytes(what.client_id);
        to.bytes(what.filter);
        return chunk(5, body);
    }
    mosquitto_file& client(const mosquitto_client& what) {
        std::string body;
        native(body, static_cast<std::uint64_t>(what.expires));
        byte_writer to(body);
        to.u32(what.expiry_seconds);
        to.u16(12);
        to.u16(static_cast<std::uint16_t>(what.client_id.size()));
        if (version_ >= 6) {
            to.u16(1883);
            to.u16(static_cast<std::uint16_t>(what.username.size()));
            to.bytes(machine_ == machine::x86_32 ? "" : std::string_view("\0\0\0\0", 4));
        }
        to.bytes(what.client_id);
        to.bytes(version_ >= 6 ? what.username : "");
        return chunk(6, body);
    }
    mosquitto_file& chunk(std::uint32_t kind, std::string_view body) {
        beginnings_.push_back(bytes_.size());
        byte_writer to(bytes_);
        to.u32(kind);
        to.u32(static_cast<std::uint32_t>(body.size()));
        to.bytes(body);
        return *this;
    }

    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    /// Where each chunk begins, the configuration first.
    [[nodiscard]] const std::vector<std::size_t>& beginnings() const noexcept {
        return beginnings_;
    }

  private:
    void native(std::string& out, std::uint64_t value) const {
        byte_writer(out).u64(machine_ == machine::big_endian ? value : __builtin_bswap64(value));
    }
    static void properties(std::string& out, std::string_view encoded) {
        if (!encoded.empty()) {
            byte_writer to(out);
            to.variable(static_cast<std::uint32_t>(encoded.size()));
            to.bytes(encoded);
        }
    }

    std::uint32_t version_;
    machine machine_;
    std::string bytes_;
    std::vector<std::size_t> beginnings_;
};

} // namespace gv::storage
