// SPDX-License-Identifier: Apache-2.0
// Addresses of peers and listeners, small enough to keep one a connection.
#pragma once

#include "base/result.hpp"

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gv::transport {

/// Where a peer or a listener is: an IPv4 or IPv6 address and a port.
struct endpoint {
    enum class family : std::uint8_t { none, v4, v6 };

    std::array<unsigned char, 16> address{}; ///< network order; IPv4 uses the first four
    std::uint32_t scope = 0;                 ///< interface of a link-local IPv6 address, or 0
    std::uint16_t port = 0;
    family kind = family::none;

    /// "192.0.2.1", "2001:db8::1"; an IPv4 address mapped into IPv6 is shown as IPv4.
    [[nodiscard]] std::string host() const;
    /// "192.0.2.1:1883", "[2001:db8::1]:1883".
    [[nodiscard]] std::string text() const;
};

[[nodiscard]] endpoint from_sockaddr(const sockaddr_storage& address) noexcept;

/// Fills `address` and returns its size. Requires: `from` has a family.
socklen_t to_sockaddr(const endpoint& from, sockaddr_storage& address) noexcept;

/// Reads a numeric address: "127.0.0.1", "::1", "fe80::1%eth0", with or without brackets.
[[nodiscard]] result<endpoint, problem> parse_endpoint(std::string_view host, std::uint16_t port);

/// Where to listen for `host`: a numeric address, a name of this machine, or "" and "*" for every
/// address (one IPv6 endpoint that takes IPv4 as well, where the machine has IPv6). Blocks on the
/// resolver: for start-up only. Errors: place is `host`.
[[nodiscard]] result<std::vector<endpoint>, problem> resolve_bind(const std::string& host,
                                                                  std::uint16_t port);

} // namespace gv::transport
