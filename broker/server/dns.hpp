// SPDX-License-Identifier: Apache-2.0
// Questions to the resolver of the system. They block for some seconds at most, whatever
// /etc/resolv.conf says of patience, so they are for threads that may wait.
#pragma once

#include "base/result.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gv::server {

struct srv_target {
    std::string host;
    std::uint16_t port = 0;
    friend bool operator==(const srv_target&, const srv_target&) = default;
};

/// All targets of that name, whatever their priority and weight: each is to be tried. Names are
/// completed by the search list of the system. Errors: why there are none, for a person.
[[nodiscard]] result<std::vector<srv_target>, std::string> look_up_srv(const std::string& name);

/// What more targets a name has than these is left out.
inline constexpr std::size_t srv_targets_max = 64;

/// The targets in an answer of DNS, `srv_targets_max` at most. Errors: it cannot be read, or says
/// that there is no such service.
[[nodiscard]] result<std::vector<srv_target>, std::string>
parse_srv_answer(std::span<const unsigned char> answer);

/// All addresses of a host, of both families, by every way that the system knows (files, DNS,
/// mDNS). Errors: why there are none, for a person.
[[nodiscard]] result<std::vector<boost::asio::ip::tcp::endpoint>, std::string>
look_up_host(const std::string& host, std::uint16_t port);

} // namespace gv::server
