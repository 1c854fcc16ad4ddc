// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace gv::transport {

namespace {

constexpr std::array<unsigned char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(const endpoint& where) {
    return where.kind == endpoint::family::v6
           && std::equal(mapped_prefix.begin(), mapped_prefix.end(), where.address.begin());
}

bool machine_has_ipv6() {
    const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return false;
    }
    ::close(probe);
    return true;
}

endpoint every_address(std::uint16_t port) {
    endpoint where;
    where.port = port;
    where.kind = machine_has_ipv6() ? endpoint::family::v6 : endpoint::family::v4;
    return where;
}

std::string_view without_brackets(std::string_view host) {
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    return bracketed ? host.substr(1, host.size() - 2) : host;
}

} // namespace

std::string endpoint::host() const {
    if (kind == family::none) {
        return "unknown";
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool as_v4 = kind == family::v4 || is_mapped(*this);
    const unsigned char* from = address.data() + (is_mapped(*this) ? mapped_prefix.size() : 0);
    ::inet_ntop(as_v4 ? AF_INET : AF_INET6, from, text.data(), text.size());
    std::string name = text.data();
    if (std::array<char, IF_NAMESIZE> interface{};
        scope != 0 && ::if_indextoname(scope, interface.data()) != nullptr) {
        name.append("%").append(interface.data());
    }
    return name;
}

std::string endpoint::text() const {
    const auto name = host();
    const auto number = std::to_string(port);
    return name.contains(':') ? "[" + name + "]:" + number : name + ":" + number;
}

endpoint from_sockaddr(const sockaddr_storage& address) noexcept {
    endpoint where;
    if (address.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &address, sizeof v4);
        std::memcpy(where.address.data(), &v4.sin_addr, sizeof v4.sin_addr);
        where.port = ntohs(v4.sin_port);
        where.kind = endpoint::family::v4;
    } else if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, &address, sizeof v6);
        std::memcpy(where.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
        where.scope = v6.sin6_scope_id;
        where.port = ntohs(v6.sin6_port);
        where.kind = endpoint::family::v6;
    }
    return where;
}

socklen_t to_sockaddr(const endpoint& from, sockaddr_storage& address) noexcept {
    address = {};
    if (from.kind == endpoint::family::v4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(from.port);
        std::memcpy(&v4.sin_addr, from.address.data(), sizeof v4.sin_addr);
        std::memcpy(&address, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(from.port);
    v6.sin6_scope_id = from.scope;
    std::memcpy(&v6.sin6_addr, from.address.data(), sizeof v6.sin6_addr);
    std::memcpy(&address, &v6, sizeof v6);
    return sizeof v6;
}

result<endpoint, problem> parse_endpoint(std::string_view host, std::uint16_t port) {
    std::string name(without_brackets(host));
    endpoint where;
    where.port = port;
    if (::inet_pton(AF_INET, name.c_str(), where.address.data()) == 1) {
        where.kind = endpoint::family::v4;
        return where;
    }
    const auto percent = name.find('%');
    if (percent != std::string::npos) {
        where.scope = ::if_nametoindex(name.c_str() + percent + 1);
        if (where.scope == 0) {
            return failure(problem{.place = std::string(host),
                                   .what = "no network interface " + name.substr(percent + 1),
                                   .remedy = "see `ip link` for the names"});
        }
        name.resize(percent);
    }
    if (::inet_pton(AF_INET6, name.c_str(), where.address.data()) == 1) {
        where.kind = endpoint::family::v6;
        return where;
    }
    return failure(problem{.place = std::string(host),
                           .what = "not an IPv4 or IPv6 address",
                           .remedy = "write it like 192.0.2.1 or 2001:db8::1"});
}

result<std::vector<endpoint>, problem> resolve_bind(const std::string& host, std::uint16_t port) {
    if (host.empty() || host == "*") {
        return std::vector{every_address(port)};
    }
    if (const auto numeric = parse_endpoint(host, port)) {
        return std::vector{*numeric};
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) {
        return failure(problem{.place = host,
                               .what = std::string("cannot be resolved: ") + ::gai_strerror(code),
                               .remedy = "use an address or a name of this machine"});
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::vector<endpoint> where;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        sockaddr_storage address{};
        std::memcpy(&address, each->ai_addr, each->ai_addrlen);
        where.push_back(from_sockaddr(address));
        where.back().port = port;
    }
    return where;
}

} // namespace gv::transport
