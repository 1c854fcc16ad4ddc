// SPDX-License-Identifier: Apache-2.0
#include "broker/server/seed_place.hpp"

#include <charconv>
#include <optional>

namespace gv::server {

namespace {

constexpr std::size_t text_bytes_max = 255;
constexpr std::string_view srv_prefix = "srv:";

[[nodiscard]] std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
    return failed == std::errc{} && end == text.data() + text.size() && port > 0
               ? std::optional(port)
               : std::nullopt;
}

[[nodiscard]] bool is_plain(std::string_view host) {
    return !host.empty() && host.find_first_of(" \t/") == std::string_view::npos;
}

[[nodiscard]] result<seed_place, std::string> parse_srv(std::string_view name) {
    if (name.find(':') != std::string_view::npos) {
        return failure(std::string("has a port, which DNS is asked for"));
    }
    if (!is_plain(name) || name.front() == '.') {
        return failure(std::string("is not a name for SRV"));
    }
    return seed_place{.host = std::string(name)};
}

} // namespace

result<seed_place, std::string> parse_seed(std::string_view text) {
    if (text.size() > text_bytes_max) {
        return failure(std::string("is longer than 255 bytes"));
    }
    if (text.starts_with(srv_prefix)) {
        return parse_srv(text.substr(srv_prefix.size()));
    }
    if (text.starts_with('_')) {
        return parse_srv(text);
    }
    const std::size_t colon = text.rfind(':');
    const auto port =
        colon == std::string_view::npos ? std::nullopt : port_of(text.substr(colon + 1));
    std::string_view host = text.substr(0, port ? colon : 0);
    const bool is_bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
    if (is_bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    if (!port || !is_plain(host)
        || (!is_bracketed && host.find_first_of(":[]") != std::string_view::npos)) {
        return failure(std::string("is not host:port"));
    }
    return seed_place{.host = std::string(host), .port = *port};
}

} // namespace gv::server
