// SPDX-License-Identifier: Apache-2.0
// Properties of MQTT 5 packets (2.2.2). They stay encoded: a property_view is the bytes between the
// property length and the next field, checked once when the packet was decoded; a property_writer
// makes such bytes. What each property is, and where it may stand, is in property_table.hpp.
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gv::mqtt {

enum class property : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0b,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1a,
    server_reference = 0x1c,
    reason_string = 0x1f,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2a,
};

/// One property with its value: `number` for the integers, `text` for strings and binary data,
/// `key` and `text` for a user property.
struct property_entry {
    property id{};
    std::uint32_t number = 0;
    std::string_view text{};
    std::string_view key{};

    friend bool operator==(const property_entry&, const property_entry&) = default;
};

/// Walks encoded properties. Requires: valid ones.
class property_iterator {
  public:
    using value_type = property_entry;
    using difference_type = std::ptrdiff_t;

    property_iterator() = default;
    explicit property_iterator(std::string_view bytes) noexcept : rest_(bytes) { advance(); }

    const property_entry& operator*() const noexcept { return entry_; }
    const property_entry* operator->() const noexcept { return &entry_; }
    /// The property as encoded, id included.
    [[nodiscard]] std::string_view encoded() const noexcept { return encoded_; }
    property_iterator& operator++() noexcept {
        advance();
        return *this;
    }
    void operator++(int) noexcept { advance(); }
    friend bool operator==(const property_iterator& it, std::default_sentinel_t) noexcept {
        return it.encoded_.empty();
    }

  private:
    void advance() noexcept;

    property_entry entry_;
    std::string_view encoded_{}; ///< empty at the end
    std::string_view rest_{};
};

/// Valid encoded properties that somebody else owns. Looking one up walks the bytes.
class property_view {
  public:
    property_view() = default;
    /// Requires: bytes that decoding has checked, or that a property_writer made.
    explicit property_view(std::string_view checked) noexcept : bytes_(checked) {}

    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    /// The encoded properties, without their length.
    [[nodiscard]] std::string_view raw() const noexcept { return bytes_; }
    /// The first value of an integer property.
    [[nodiscard]] std::optional<std::uint32_t> number(property id) const noexcept;
    /// The first value of a string or binary property. Lifetime: that of the bytes.
    [[nodiscard]] std::optional<std::string_view> text(property id) const noexcept;
    [[nodiscard]] bool has(property id) const noexcept;

    [[nodiscard]] property_iterator begin() const noexcept { return property_iterator(bytes_); }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    /// Calls `visit(const property_entry&)` for each property, in order.
    template <typename Visitor>
    void for_each(Visitor&& visit) const {
        for (const property_entry& entry : *this) {
            visit(entry);
        }
    }

    friend bool operator==(property_view, property_view) = default;

  private:
    std::string_view bytes_{};
};

/// Encodes properties, in the order of the calls. Requires: the kind of value that the property
/// has, in its range, and strings of at most 65,535 bytes (asserted); not checked: whether the
/// packet may carry it, and that strings are UTF-8.
class property_writer {
  public:
    property_writer& add(property id, std::uint32_t number);
    /// A string or binary property.
    property_writer& add(property id, std::string_view text);
    /// A user property.
    property_writer& add_pair(std::string_view key, std::string_view value);
    /// Copies valid encoded properties.
    property_writer& add_encoded(std::string_view bytes);

    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    /// Encoded bytes so far, without the length field.
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    /// Lifetime: until the next change of the writer.
    [[nodiscard]] property_view view() const noexcept { return property_view(bytes_); }
    /// Hands the bytes over and leaves the writer empty.
    [[nodiscard]] std::string take() noexcept { return std::exchange(bytes_, {}); }
    void clear() noexcept { bytes_.clear(); }

  private:
    std::string bytes_;
};

/// Copies the properties of a PUBLISH (or of a will) that travel to its receivers, in order: all
/// but topic alias, message expiry, subscription identifiers and will delay, which each hop says
/// anew or not at all [MQTT-3.3.2-4, 3.3.2-15 to 3.3.2-20].
void append_forwardable_properties(property_view properties, std::string& out);

} // namespace gv::mqtt
