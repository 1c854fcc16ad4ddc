// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/property.hpp"

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "broker/mqtt/property_table.hpp"

namespace gv::mqtt {

namespace {

constexpr std::size_t text_size_max = 65'535;

const property_row& row_of(property id) noexcept {
    const property_row* row = find_property(static_cast<std::uint32_t>(id));
    BROKER_ASSERT(row != nullptr, "a property that MQTT does not define");
    return *row;
}

bool is_integer(wire_type type) noexcept { return type <= wire_type::variable_byte_integer; }

bool is_text(wire_type type) noexcept {
    return type == wire_type::utf8_string || type == wire_type::binary_data;
}

property_entry read_entry(read_cursor& cursor) noexcept {
    property_entry entry{.id = static_cast<property>(cursor.u8())};
    switch (row_of(entry.id).type) {
    case wire_type::byte:
        entry.number = cursor.u8();
        break;
    case wire_type::two_byte_integer:
        entry.number = cursor.u16();
        break;
    case wire_type::four_byte_integer:
        entry.number = cursor.u32();
        break;
    case wire_type::variable_byte_integer:
        entry.number = cursor.variable();
        break;
    case wire_type::utf8_string:
    case wire_type::binary_data:
        entry.text = cursor.prefixed();
        break;
    case wire_type::utf8_string_pair:
        entry.key = cursor.prefixed();
        entry.text = cursor.prefixed();
        break;
    }
    return entry;
}

bool is_forwardable(property id) noexcept {
    return id != property::topic_alias && id != property::message_expiry_interval
           && id != property::subscription_identifier && id != property::will_delay_interval;
}

} // namespace

void property_iterator::advance() noexcept {
    if (rest_.empty()) {
        encoded_ = {};
        return;
    }
    read_cursor cursor(rest_);
    entry_ = read_entry(cursor);
    BROKER_DEBUG_ASSERT(!cursor.failed(), "properties were checked when they were decoded");
    encoded_ = rest_.substr(0, rest_.size() - cursor.remaining());
    rest_.remove_prefix(encoded_.size());
}

std::optional<std::uint32_t> property_view::number(property id) const noexcept {
    for (const property_entry& entry : *this) {
        if (entry.id == id && is_integer(row_of(id).type)) {
            return entry.number;
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> property_view::text(property id) const noexcept {
    for (const property_entry& entry : *this) {
        if (entry.id == id && is_text(row_of(id).type)) {
            return entry.text;
        }
    }
    return std::nullopt;
}

bool property_view::has(property id) const noexcept {
    for (const property_entry& entry : *this) {
        if (entry.id == id) {
            return true;
        }
    }
    return false;
}

property_writer& property_writer::add(property id, std::uint32_t number) {
    const property_row& row = row_of(id);
    BROKER_ASSERT(is_integer(row.type), "the property is no integer");
    BROKER_ASSERT(number >= row.min && number <= row.max, "out of the range of the property");
    byte_writer out(bytes_);
    out.u8(static_cast<std::uint8_t>(id));
    if (row.type == wire_type::byte) {
        out.u8(static_cast<std::uint8_t>(number));
    } else if (row.type == wire_type::two_byte_integer) {
        out.u16(static_cast<std::uint16_t>(number));
    } else if (row.type == wire_type::four_byte_integer) {
        out.u32(number);
    } else {
        out.variable(number);
    }
    return *this;
}

property_writer& property_writer::add(property id, std::string_view text) {
    BROKER_ASSERT(is_text(row_of(id).type), "the property is neither string nor binary data");
    BROKER_ASSERT(text.size() <= text_size_max, "too long for a property");
    byte_writer out(bytes_);
    out.u8(static_cast<std::uint8_t>(id));
    out.prefixed(text);
    return *this;
}

property_writer& property_writer::add_pair(std::string_view key, std::string_view value) {
    BROKER_ASSERT(key.size() <= text_size_max && value.size() <= text_size_max,
                  "too long for a user property");
    byte_writer out(bytes_);
    out.u8(static_cast<std::uint8_t>(property::user_property));
    out.prefixed(key);
    out.prefixed(value);
    return *this;
}

property_writer& property_writer::add_encoded(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
}

void append_forwardable_properties(property_view properties, std::string& out) {
    for (auto it = properties.begin(); it != properties.end(); ++it) {
        if (is_forwardable(it->id)) {
            out.append(it.encoded());
        }
    }
}

} // namespace gv::mqtt
