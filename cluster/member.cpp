// SPDX-License-Identifier: Apache-2.0
#include "cluster/member.hpp"

#include <algorithm>

namespace gv::cluster {

namespace {

[[nodiscard]] bool is_control(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

[[nodiscard]] bool is_address(std::string_view text) noexcept {
    return text.size() <= address_bytes_max
           && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

} // namespace

bool is_plain_name(std::string_view text, std::size_t bytes_max) noexcept {
    return !text.empty() && text.size() <= bytes_max && std::ranges::none_of(text, is_control);
}

result<void, message_fault> check(const member_profile& profile) {
    if (!is_plain_name(profile.name, node_name_bytes_max)) {
        return failure(message_fault::node_name);
    }
    if (profile.peer_address.empty() || !is_address(profile.peer_address)
        || !is_address(profile.client_address)) {
        return failure(message_fault::address);
    }
    if (profile.wire.min > profile.wire.max) {
        return failure(message_fault::wire_versions);
    }
    if (profile.unknown.size() > unknown_bytes_max) {
        return failure(message_fault::unknown_fields);
    }
    return {};
}

result<void, message_fault> check(const member_row& row) {
    if (row.node == node_id{} || row.boot == boot_id{}) {
        return failure(message_fault::no_sender);
    }
    if (row.incarnation > incarnation_max) {
        return failure(message_fault::incarnation);
    }
    if (row.state > member_state::gone) {
        return failure(message_fault::state);
    }
    if (row.unknown.size() + row.profile.unknown.size() > unknown_bytes_max) {
        return failure(message_fault::unknown_fields);
    }
    return check(row.profile);
}

// Protocol Buffers: numbers that are small or random are of fixed length here, each with its tag;
// a string has tag and up to two bytes of length.
std::size_t wire_bytes(const member_row& row) noexcept {
    constexpr std::size_t ids = 9 + 9;             // node, accuser
    constexpr std::size_t counts = 6 + 6 + 2;      // boot, incarnation, state
    constexpr std::size_t profile = 3 + 4 + 4 + 9; // nested message, wire versions, features
    constexpr std::size_t texts = 3 * 3;
    constexpr std::size_t row_itself = 3;
    return ids + counts + profile + texts + row_itself + row.profile.name.size()
           + row.profile.peer_address.size() + row.profile.client_address.size()
           + row.profile.unknown.size() + row.unknown.size();
}

} // namespace gv::cluster
