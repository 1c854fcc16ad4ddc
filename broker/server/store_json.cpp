// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_json.hpp"

#include "base/log_line.hpp"
#include "base/topic.hpp"
#include "broker/auth/crypto.hpp"
#include "broker/mqtt/property_table.hpp"
#include "broker/mqtt/utf8.hpp"
#include "broker/server/stored_dates.hpp"

#include <boost/json/src.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace gv::server {

namespace {

namespace json = boost::json;

constexpr std::size_t text_size_max = 65'535;
constexpr std::uint64_t date_max = 9'000'000'000'000; // in 2255; a clock ends in 2262
constexpr mqtt::packet_set publish_place = mqtt::bit_of(mqtt::packet_type::publish);

void put_flag(json::object& to, std::string_view name, bool value) {
    if (value) {
        to[name] = true;
    }
}

[[nodiscard]] json::array properties_json(std::string_view encoded) {
    json::array all;
    for (const mqtt::property_entry& each : mqtt::property_view(encoded)) {
        json::array& one = all.emplace_back(json::array()).as_array();
        one.emplace_back(mqtt::property_name(each.id));
        switch (mqtt::find_property(static_cast<std::uint32_t>(each.id))->type) {
        case mqtt::wire_type::byte:
        case mqtt::wire_type::two_byte_integer:
        case mqtt::wire_type::four_byte_integer:
        case mqtt::wire_type::variable_byte_integer:
            one.emplace_back(each.number);
            break;
        case mqtt::wire_type::utf8_string:
            one.emplace_back(each.text);
            break;
        case mqtt::wire_type::binary_data:
            one.emplace_back(auth::base64_encode(each.text));
            break;
        case mqtt::wire_type::utf8_string_pair:
            one.emplace_back(each.key);
            one.emplace_back(each.text);
            break;
        }
    }
    return all;
}

[[nodiscard]] const mqtt::property_row* find_row(const json::array& one) {
    const auto rows = mqtt::property_rows();
    const auto found = std::ranges::find_if(rows, [&one](const mqtt::property_row& row) {
        return !one.empty() && one[0].is_string() && one[0].get_string() == row.name;
    });
    return found == rows.end() ? nullptr : &*found;
}

[[nodiscard]] std::optional<std::uint32_t> number_of(const json::value& value) {
    const std::int64_t* number = value.if_int64();
    return number != nullptr && *number >= 0 && *number <= 0xffff'ffff
               ? std::optional(static_cast<std::uint32_t>(*number))
               : std::nullopt;
}

/// Appends one property, ["content_type", "text/plain"]. False if it is none.
[[nodiscard]] bool add_property(const json::array& one, mqtt::property_writer& to) {
    const mqtt::property_row* row = find_row(one);
    const bool is_pair = row != nullptr && row->type == mqtt::wire_type::utf8_string_pair;
    if (row == nullptr || (row->packets & publish_place) == 0 || one.size() != (is_pair ? 3 : 2)) {
        return false;
    }
    if (is_pair || row->type == mqtt::wire_type::utf8_string
        || row->type == mqtt::wire_type::binary_data) {
        for (std::size_t each = 1; each < one.size(); ++each) {
            if (!one[each].is_string() || one[each].get_string().size() > text_size_max) {
                return false;
            }
        }
    }
    if (is_pair) {
        to.add_pair(one[1].get_string(), one[2].get_string());
    } else if (row->type == mqtt::wire_type::utf8_string) {
        to.add(row->id, std::string_view(one[1].get_string()));
    } else if (row->type == mqtt::wire_type::binary_data) {
        const auto bytes = auth::base64_decode(one[1].get_string());
        if (!bytes) {
            return false;
        }
        to.add(row->id, std::string_view(*bytes));
    } else {
        const auto number = number_of(one[1]);
        if (!number || *number < row->min || *number > row->max) {
            return false;
        }
        to.add(row->id, *number);
    }
    return true;
}

[[nodiscard]] std::string read_properties(const json::value* all, const std::string& place,
                                          std::string& problem) {
    mqtt::property_writer made;
    const bool is_list = all == nullptr || all->is_array();
    bool is_good = is_list;
    if (all != nullptr && is_list) {
        for (const json::value& each : all->get_array()) {
            is_good = is_good && each.is_array() && add_property(each.get_array(), made);
        }
    }
    std::string bytes = made.take();
    std::string forwarded;
    if (const auto checked = mqtt::check_properties(bytes, publish_place, 0)) {
        append_forwardable_properties(*checked, forwarded);
    }
    if ((!is_good || forwarded != bytes) && problem.empty()) {
        problem = place + " are not properties that travel with a message";
    }
    return bytes;
}

} // namespace

json::value date_json(std::uint64_t milliseconds) {
    if (milliseconds > date_max) {
        return milliseconds;
    }
    return json::value(log::to_iso8601(
        wall_time(std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds)))));
}

void put_date(json::object& to, std::string_view name, std::uint64_t milliseconds) {
    if (milliseconds != 0) {
        to[name] = date_json(milliseconds);
    }
}

void put_stamp(json::object& to, std::string_view name, hybrid_time stamp) {
    put_date(to, name, stamp.value >> 16);
    if ((stamp.value & 0xffff) != 0) {
        to[std::string(name) + "_count"] = stamp.value & 0xffff;
    }
}

std::string hex_json(std::uint64_t value) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
    return text.data();
}

json::object message_json(const publication& what) {
    json::object made;
    made["topic"] = what.topic;
    made["qos"] = static_cast<unsigned>(what.header.quality);
    put_flag(made, "retain", what.header.retain);
    put_flag(made, "maybe_dup", what.header.maybe_dup);
    put_flag(made, "newest_only", what.header.newest_only);
    put_stamp(made, "stamp", what.header.stamp);
    made["origin"] = hex_json(what.header.origin.value);
    made["publisher"] = hex_json(what.header.publisher);
    put_date(made, "expires", stored_dates.to_stored(what.header.expires));
    if (!what.properties.empty()) {
        made["properties"] = properties_json(what.properties);
    }
    made["payload"] = auth::base64_encode(what.payload);
    if (!what.payload.empty() && mqtt::is_valid_utf8(what.payload)) {
        made["text"] = what.payload;
    }
    return made;
}

std::string body_name(const storage::body_id& body) {
    return std::to_string(body.in.slot) + "-" + std::to_string(body.in.boot.value) + "-"
           + std::to_string(body.in.shard.value) + "-" + std::to_string(body.number);
}

void json_fields::fail(std::string_view name, std::string_view what) {
    if (problem_.empty()) {
        problem_ = place(name) + " " + std::string(what);
    }
}

const json::value* json_fields::find(std::string_view name, need how) {
    asked_.push_back(name);
    const json::value* found = from_.if_contains(name);
    if (found == nullptr && how == need::required) {
        fail(name, "is missing");
    }
    return found;
}

std::uint64_t json_fields::number(std::string_view name, std::uint64_t max, need how) {
    const json::value* found = find(name, how);
    if (found == nullptr) {
        return 0;
    }
    const bool is_number = found->is_uint64() || (found->is_int64() && found->get_int64() >= 0);
    const std::uint64_t value = !is_number          ? 0
                                : found->is_int64() ? static_cast<std::uint64_t>(found->get_int64())
                                                    : found->get_uint64();
    if (!is_number || value > max) {
        fail(name, "is not a number from 0 to " + std::to_string(max));
        return 0;
    }
    return value;
}

bool json_fields::flag(std::string_view name) {
    const json::value* found = find(name, need::optional);
    if (found != nullptr && !found->is_bool()) {
        fail(name, "is neither true nor false");
    }
    return found != nullptr && found->is_bool() && found->get_bool();
}

std::optional<std::string> json_fields::optional_text(std::string_view name) {
    const json::value* found = find(name, need::optional);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (!found->is_string() || found->get_string().size() > text_size_max) {
        fail(name, "is not a text of at most 65,535 bytes");
        return std::nullopt;
    }
    return std::string(found->get_string());
}

std::string json_fields::text(std::string_view name, need how) {
    const auto found = optional_text(name);
    if (!found && how == need::required) {
        fail(name, "is missing");
    }
    return found.value_or("");
}

std::uint64_t json_fields::hex(std::string_view name) {
    const std::string digits = text(name);
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
    if (!digits.empty() && (error != std::errc() || stop != end)) {
        fail(name, "is not a number of 16 hexadecimal digits");
    }
    return value;
}

std::uint64_t json_fields::date(std::string_view name) {
    const json::value* found = from_.if_contains(name);
    if (found == nullptr || !found->is_string()) {
        return number(name, std::uint64_t{1} << 63);
    }
    const std::string digits = text(name);
    std::tm parts{};
    const char* rest = ::strptime(digits.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string_view fraction = rest == nullptr ? "" : rest;
    unsigned milliseconds = 0;
    const bool is_good =
        fraction == "Z"
        || (fraction.size() == 5 && fraction.front() == '.' && fraction.back() == 'Z'
            && std::from_chars(fraction.data() + 1, fraction.data() + 4, milliseconds).ptr
                   == fraction.data() + 4);
    const std::int64_t seconds = is_good ? ::timegm(&parts) : -1;
    if (seconds < 0) {
        fail(name, "is not a date like 2026-11-21T07:13:22.123Z");
        return 0;
    }
    return static_cast<std::uint64_t>(seconds) * 1000 + milliseconds;
}

hybrid_time json_fields::stamp(std::string_view name) {
    const std::uint64_t milliseconds = date(name);
    const std::string count = std::string(name) + "_count";
    const json::value* found = from_.if_contains(count);
    std::uint64_t more = 0;
    if (found != nullptr) {
        more = number(from_.find(count)->key(), 0xffff);
    }
    if (milliseconds >> 48 != 0) {
        fail(name, "is too late");
    }
    return {(milliseconds << 16) | more};
}

qos json_fields::quality(std::string_view name) { return static_cast<qos>(number(name, 2)); }

std::optional<storage::body_id> json_fields::body(std::string_view name) {
    const auto found = optional_text(name);
    if (!found) {
        return std::nullopt;
    }
    storage::body_id made;
    const char* at = found->data();
    const char* end = at + found->size();
    const auto part = [&](auto& value, bool is_last) {
        const auto [stop, error] = std::from_chars(at, end, value);
        const bool is_good =
            error == std::errc() && (is_last ? stop == end : stop < end && *stop == '-');
        at = is_good && !is_last ? stop + 1 : stop;
        return is_good;
    };
    if (!part(made.in.slot, false) || !part(made.in.boot.value, false)
        || !part(made.in.shard.value, false) || !part(made.number, true)) {
        fail(name, "is not the name of a body like 463012-1-0-17");
    }
    return made;
}

std::vector<std::uint32_t> json_fields::numbers(std::string_view name) {
    const json::value* found = find(name, need::optional);
    std::vector<std::uint32_t> all;
    if (found != nullptr && found->is_array()) {
        for (const json::value& each : found->get_array()) {
            const bool is_good =
                each.is_int64() && each.get_int64() > 0 && each.get_int64() <= 268'435'455;
            all.push_back(is_good ? static_cast<std::uint32_t>(each.get_int64()) : 0);
        }
    }
    if (found != nullptr && (!found->is_array() || std::ranges::find(all, 0U) != all.end())) {
        fail(name, "is not a list of subscription identifiers");
    }
    return all;
}

const json::object* json_fields::object(std::string_view name, need how) {
    const json::value* found = find(name, how);
    if (found != nullptr && !found->is_object()) {
        fail(name, "is not an object");
    }
    return found == nullptr ? nullptr : found->if_object();
}

std::string json_fields::payload() {
    const json::value* encoded = find("payload", need::optional);
    const json::value* text = find("text", need::optional);
    if (encoded != nullptr) {
        auto bytes =
            encoded->is_string() ? auth::base64_decode(encoded->get_string()) : std::nullopt;
        if (!bytes) {
            fail("payload", "is not base64");
        }
        return std::move(bytes).value_or("");
    }
    if (text != nullptr && !text->is_string()) {
        fail("text", "is not a text");
    }
    return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

void json_fields::finish() {
    for (const auto& each : from_) {
        if (std::ranges::find(asked_, std::string_view(each.key())) == asked_.end()) {
            fail(each.key(), "is not a field of this");
        }
    }
}

message_value read_message(json_fields& from, std::string_view name, std::string& problem) {
    message_value made;
    const json::object* found = from.object(name, json_fields::need::required);
    if (found == nullptr) {
        return made;
    }
    json_fields fields(*found, problem, from.place(name) + ".");
    made.topic = fields.text("topic", json_fields::need::required);
    if (!is_valid_topic_name(made.topic)) {
        fields.fail("topic", "is not a topic");
    }
    made.header.quality = fields.quality("qos");
    made.header.retain = fields.flag("retain");
    made.header.maybe_dup = fields.flag("maybe_dup");
    made.header.newest_only = fields.flag("newest_only");
    made.header.stamp = fields.stamp("stamp");
    made.header.origin.value = fields.hex("origin");
    made.header.publisher = fields.hex("publisher");
    made.header.expires = stored_dates.from_stored(fields.date("expires"));
    made.properties =
        read_properties(found->if_contains("properties"), fields.place("properties"), problem);
    fields.pass("properties");
    made.payload = fields.payload();
    fields.finish();
    return made;
}

} // namespace gv::server
