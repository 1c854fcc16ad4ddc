// SPDX-License-Identifier: Apache-2.0
// The grammars are at the head of the decode files. Bodies are made first, as their length comes
// before them.
#include "broker/mqtt/encode.hpp"

#include "base/assert.hpp"
#include "broker/mqtt/frame.hpp"

namespace gv::mqtt {

namespace {

/// Collects a body and appends the packet around it.
class body_writer {
  public:
    explicit body_writer(protocol_version version) noexcept : version_(version) {}
    body_writer(const body_writer&) = delete;
    body_writer& operator=(const body_writer&) = delete;

    [[nodiscard]] bool is_v5() const noexcept { return version_ == protocol_version::v5; }

    void u8(std::uint8_t value) { out_.u8(value); }
    void u16(std::uint16_t value) { out_.u16(value); }
    void id(packet_id value) { out_.u16(value.value); }
    void reason(reason_code value) { out_.u8(static_cast<std::uint8_t>(value)); }
    void raw(std::string_view value) { out_.bytes(value); }
    /// A string or binary data, with its length.
    void text(std::string_view value) {
        BROKER_ASSERT(value.size() <= 65'535, "too long for a field of a packet");
        out_.prefixed(value);
    }
    void properties(property_view value) {
        if (is_v5()) {
            out_.variable(static_cast<std::uint32_t>(value.raw().size()));
            out_.bytes(value.raw());
        }
    }

    void append_to(std::string& out, packet_type type, unsigned flags) const {
        BROKER_ASSERT(body_.size() <= remaining_length_max, "too long for a packet");
        byte_writer header(out);
        header.u8(static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | flags));
        header.variable(static_cast<std::uint32_t>(body_.size()));
        header.bytes(body_);
    }

  private:
    protocol_version version_;
    std::string body_;
    byte_writer out_{body_};
};

unsigned connect_flags(const connect_view& packet) noexcept {
    unsigned flags = packet.clean_start ? 0x02 : 0;
    if (packet.will) {
        flags |= 0x04U | (static_cast<unsigned>(packet.will->quality) << 3)
                 | (packet.will->retain ? 0x20U : 0U);
    }
    flags |= packet.password ? 0x40U : 0U;
    flags |= packet.username ? 0x80U : 0U;
    return flags;
}

void write_will(const will_view& will, body_writer& body) {
    body.properties(will.properties);
    body.text(will.topic);
    body.text(will.payload);
}

unsigned subscription_options(const subscription_request& request, bool is_v5) noexcept {
    const auto quality = static_cast<unsigned>(request.quality);
    if (!is_v5) {
        return quality;
    }
    return quality | (request.no_local ? 4U : 0U) | (request.retain_as_published ? 8U : 0U)
           | (static_cast<unsigned>(request.handling) << 4);
}

/// Reason and properties of a DISCONNECT or AUTH; both are left off if they say nothing.
void write_ending(reason_code reason, property_view properties, body_writer& body) {
    if (reason == reason_code::success && properties.empty()) {
        return;
    }
    body.reason(reason);
    body.properties(properties);
}

} // namespace

void encode(const connect_view& packet, std::string& out) {
    body_writer body(packet.version);
    body.text(packet.version == protocol_version::v3_1 ? "MQIsdp" : "MQTT");
    body.u8(static_cast<std::uint8_t>(static_cast<unsigned>(packet.version)
                                      | (packet.is_bridge ? 0x80U : 0U)));
    body.u8(static_cast<std::uint8_t>(connect_flags(packet)));
    body.u16(packet.keep_alive);
    body.properties(packet.properties);
    body.text(packet.client_id);
    if (packet.will) {
        write_will(*packet.will, body);
    }
    if (packet.username) {
        body.text(*packet.username);
    }
    if (packet.password) {
        body.text(*packet.password);
    }
    body.append_to(out, packet_type::connect, 0);
}

void encode(const connack_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    // The first byte is unused in 3.1.
    body.u8(packet.session_present && version != protocol_version::v3_1 ? 1 : 0);
    body.u8(body.is_v5() ? static_cast<std::uint8_t>(packet.reason) : v3_connack(packet.reason));
    body.properties(packet.properties);
    body.append_to(out, packet_type::connack, 0);
}

void encode(const publish_view& packet, protocol_version version, std::string& out) {
    const publish_parts parts{.topic = packet.topic,
                              .forwarded = packet.properties.raw(),
                              .id = packet.id,
                              .quality = packet.quality,
                              .dup = packet.dup,
                              .retain = packet.retain};
    BROKER_ASSERT(packet.topic.size() <= 65'535, "too long for a topic");
    const std::size_t size = publish_size(parts, packet.payload.size(), version);
    BROKER_ASSERT(size <= packet_size_max, "too long for a packet");
    const std::size_t start = out.size();
    out.resize(start + size);
    write_publish(out.data() + start, parts, packet.payload, version);
}

void encode(const ack_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    body.id(packet.id);
    const bool has_properties = body.is_v5() && !packet.properties.empty();
    if (has_properties || (body.is_v5() && packet.reason != reason_code::success)) {
        body.reason(packet.reason);
    }
    if (has_properties) {
        body.properties(packet.properties);
    }
    body.append_to(out, packet.type, packet.type == packet_type::pubrel ? 2 : 0);
}

void encode(const subscribe_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    body.id(packet.id);
    body.properties(packet.properties);
    for (const subscription_request& request : packet.filters) {
        body.text(request.filter);
        body.u8(static_cast<std::uint8_t>(subscription_options(request, body.is_v5())));
    }
    body.append_to(out, packet_type::subscribe, 2);
}

void encode(const suback_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    body.id(packet.id);
    body.properties(packet.properties);
    const bool has_reasons = body.is_v5() || packet.type == packet_type::suback;
    if (has_reasons) {
        for (const reason_code reason : packet.reasons) {
            body.u8(body.is_v5() ? static_cast<std::uint8_t>(reason) : v3_suback(reason));
        }
    }
    body.append_to(out, packet.type, 0);
}

void encode(const unsubscribe_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    body.id(packet.id);
    body.properties(packet.properties);
    for (const std::string_view filter : packet.filters) {
        body.text(filter);
    }
    body.append_to(out, packet_type::unsubscribe, 2);
}

void encode(const pingreq_view& /*packet*/, protocol_version version, std::string& out) {
    body_writer(version).append_to(out, packet_type::pingreq, 0);
}

void encode(const pingresp_view& /*packet*/, protocol_version version, std::string& out) {
    body_writer(version).append_to(out, packet_type::pingresp, 0);
}

void encode(const disconnect_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    if (body.is_v5()) {
        write_ending(packet.reason, packet.properties, body);
    }
    body.append_to(out, packet_type::disconnect, 0);
}

void encode(const auth_view& packet, protocol_version version, std::string& out) {
    body_writer body(version);
    BROKER_ASSERT(body.is_v5(), "there is no AUTH before 5.0");
    write_ending(packet.reason, packet.properties, body);
    body.append_to(out, packet_type::auth, 0);
}

void encode(const packet_view& packet, protocol_version version, std::string& out) {
    if (const auto* connect = std::get_if<connect_view>(&packet)) {
        encode(*connect, out);
        return;
    }
    std::visit(
        [&]<typename Packet>(const Packet& one) {
            if constexpr (!std::is_same_v<Packet, connect_view>) {
                encode(one, version, out);
            }
        },
        packet);
}

} // namespace gv::mqtt
