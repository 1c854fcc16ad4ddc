// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/describe.hpp"

#include "broker/mqtt/property_table.hpp"

#include <array>

namespace gv::mqtt {

namespace {

constexpr std::array<std::string_view, 16> type_names = {
    "RESERVED", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};

constexpr std::size_t shown_max = 256;

/// Makes a line out of words, with one blank between them.
class line {
  public:
    explicit line(packet_type type) : text_(type_name(type)) {}

    line& word(std::string_view text) {
        text_ += ' ';
        text_ += text;
        return *this;
    }
    line& field(std::string_view name, std::uint64_t value) {
        return word(name).append(std::to_string(value));
    }
    line& flag(std::string_view name, bool is_set) { return is_set ? word(name) : *this; }
    line& quoted(std::string_view text) {
        text_ += ' ';
        append_quoted(text);
        return *this;
    }
    line& id(packet_id value) { return field("m", value.value); }
    line& size_of(std::string_view bytes) {
        return word(std::to_string(bytes.size())).append(" bytes");
    }
    line& reason(reason_code code) { return word(reason_name(code)); }
    line& properties(property_view properties);

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    line& append(std::string_view text) {
        text_ += text;
        return *this;
    }
    void append_quoted(std::string_view text);
    void append_value(const property_entry& entry);

    std::string text_;
};

void line::append_quoted(std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    text_ += '"';
    for (const char c : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
            text_ += c;
        } else {
            text_ += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        }
    }
    text_ += text.size() > shown_max ? "\"…" : "\"";
}

void line::append_value(const property_entry& entry) {
    const property_row* row = find_property(static_cast<std::uint32_t>(entry.id));
    if (row->type <= wire_type::variable_byte_integer) {
        append(std::to_string(entry.number));
    } else if (row->type == wire_type::binary_data) {
        // Authentication data is a secret, correlation data nobody's business.
        append(std::to_string(entry.text.size())).append(" bytes");
    } else if (row->type == wire_type::utf8_string_pair) {
        append_quoted(entry.key);
        append(":");
        append_quoted(entry.text);
    } else {
        append_quoted(entry.text);
    }
}

line& line::properties(property_view properties) {
    for (const property_entry& entry : properties) {
        word(property_name(entry.id)).append("=");
        append_value(entry);
    }
    return *this;
}

void add_will(const will_view& will, line& out) {
    out.word("will").field("q", static_cast<unsigned>(will.quality)).field("r", will.retain);
    out.quoted(will.topic).size_of(will.payload).properties(will.properties);
}

std::string describe_one(const connect_view& packet) {
    line out(packet_type::connect);
    out.word(version_name(packet.version)).flag("bridge", packet.is_bridge);
    out.quoted(packet.client_id).field("c", packet.clean_start).field("k", packet.keep_alive);
    out.properties(packet.properties);
    if (packet.username) {
        out.word("user").quoted(*packet.username);
    }
    out.flag("with password", packet.password.has_value());
    if (packet.will) {
        add_will(*packet.will, out);
    }
    return out.take();
}

std::string describe_one(const connack_view& packet) {
    line out(packet_type::connack);
    out.reason(packet.reason).flag("session present", packet.session_present);
    return out.properties(packet.properties).take();
}

std::string describe_one(const publish_view& packet) {
    line out(packet_type::publish);
    out.field("d", packet.dup).field("q", static_cast<unsigned>(packet.quality));
    out.field("r", packet.retain).id(packet.id).quoted(packet.topic).size_of(packet.payload);
    return out.properties(packet.properties).take();
}

std::string describe_one(const ack_view& packet) {
    line out(packet.type);
    return out.id(packet.id).reason(packet.reason).properties(packet.properties).take();
}

std::string describe_one(const subscribe_view& packet) {
    line out(packet_type::subscribe);
    out.id(packet.id).properties(packet.properties);
    for (const subscription_request& request : packet.filters) {
        out.quoted(request.filter).field("q", static_cast<unsigned>(request.quality));
        out.flag("no local", request.no_local).flag("as published", request.retain_as_published);
        out.flag("retained if new", request.handling == retain_handling::if_new);
        out.flag("retained never", request.handling == retain_handling::never);
    }
    return out.take();
}

std::string describe_one(const suback_view& packet) {
    line out(packet.type);
    out.id(packet.id).properties(packet.properties);
    for (const reason_code reason : packet.reasons) {
        // "success" would not say which QoS was granted.
        if (reason == reason_code::granted_qos_0 && packet.type == packet_type::suback) {
            out.word("granted_qos_0");
        } else {
            out.reason(reason);
        }
    }
    return out.take();
}

std::string describe_one(const unsubscribe_view& packet) {
    line out(packet_type::unsubscribe);
    out.id(packet.id).properties(packet.properties);
    for (const std::string_view filter : packet.filters) {
        out.quoted(filter);
    }
    return out.take();
}

std::string describe_one(const pingreq_view& /*packet*/) {
    return line(packet_type::pingreq).take();
}

std::string describe_one(const pingresp_view& /*packet*/) {
    return line(packet_type::pingresp).take();
}

std::string describe_one(const disconnect_view& packet) {
    line out(packet_type::disconnect);
    return out.reason(packet.reason).properties(packet.properties).take();
}

std::string describe_one(const auth_view& packet) {
    line out(packet_type::auth);
    return out.reason(packet.reason).properties(packet.properties).take();
}

} // namespace

std::string describe(const packet_view& packet) {
    return std::visit([](const auto& one) { return describe_one(one); }, packet);
}

std::string_view type_name(packet_type type) noexcept {
    return type_names[static_cast<std::uint8_t>(type) & 15];
}

std::string_view version_name(protocol_version version) noexcept {
    switch (version) {
    case protocol_version::v3_1:
        return "3.1";
    case protocol_version::v3_1_1:
        return "3.1.1";
    case protocol_version::v5:
        return "5.0";
    }
    return "unknown";
}

std::string describe(const violation& fault) {
    std::string text(reason_name(fault.reason));
    text += " at byte " + std::to_string(fault.offset) + ": ";
    text += fault.text;
    if (!fault.rule.empty()) {
        text += " [";
        text += fault.rule;
        text += ']';
    }
    return text;
}

} // namespace gv::mqtt
