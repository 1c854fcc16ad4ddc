// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/websocket_handshake.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <algorithm>
#include <cctype>

namespace gv::transport {

namespace http = boost::beast::http;

namespace {

constexpr std::string_view explanation =
    "This port speaks MQTT over WebSocket: connect with an MQTT client that offers the WebSocket "
    "subprotocol \"mqtt\".\n";

std::string response(http::status status, std::string_view extra_header, std::string_view body) {
    std::string text = "HTTP/1.1 " + std::to_string(static_cast<unsigned>(status)) + " "
                       + std::string(http::obsolete_reason(status)) + "\r\n";
    text.append("Server: grapevine\r\nContent-Type: text/plain; charset=utf-8\r\n")
        .append(extra_header)
        .append("Content-Length: ")
        .append(std::to_string(body.size()))
        .append("\r\n\r\n")
        .append(body);
    return text;
}

refusal refuse(http::status status, std::string reason) {
    auto answer = response(status, "Connection: close\r\n", reason + ".\n");
    return {.response = std::move(answer), .reason = std::move(reason)};
}

refusal refuse_plain_http(const upgrade_request& request) {
    return {.response =
                response(http::status::upgrade_required,
                         "Upgrade: websocket\r\nConnection: Upgrade, close\r\n", explanation),
            .reason = "plain HTTP request (" + std::string(request.method_string()) + " "
                      + std::string(request.target().substr(0, 64)) + ") on a WebSocket port"};
}

/// What speaks to us if the first byte cannot begin an HTTP request.
const char* stranger(unsigned char first) {
    constexpr unsigned char mqtt_connect = 0x10;
    constexpr unsigned char tls_handshake_record = 0x16;
    if (first == mqtt_connect) {
        return "plain MQTT on a WebSocket port";
    }
    if (first == tls_handshake_record) {
        return "TLS on a plain WebSocket port";
    }
    return std::isalpha(first) != 0 ? nullptr : "not HTTP";
}

// In the client's order of preference; exactly one is echoed [MQTT-6.0.0-4]. The names are
// registered in lower case and compared as they are.
std::optional<std::string> choose_subprotocol(const upgrade_request& request) {
    const auto [first, last] = request.equal_range(http::field::sec_websocket_protocol);
    for (auto header = first; header != last; ++header) {
        for (const auto each : http::token_list{header->value()}) {
            if (each == "mqtt" || each == "mqttv3.1") {
                return std::string(each);
            }
        }
    }
    return std::nullopt;
}

bool is_origin_allowed(const upgrade_request& request, const websocket_options& options) {
    const auto origin = request.find(http::field::origin);
    return options.origins.empty() || origin == request.end()
           || std::ranges::any_of(options.origins, [&](const std::string& allowed) {
                  return boost::beast::iequals(origin->value(), allowed);
              });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

} // namespace

upgrade_reader::upgrade_reader(const websocket_options& options) : options_(options) {
    parser_.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
}

upgrade_reader::verdict upgrade_reader::put(std::string_view bytes) {
    unparsed_.append(bytes);
    if (unparsed_.empty()) {
        return std::nullopt;
    }
    if (!parser_.got_some()) {
        if (const char* what = stranger(static_cast<unsigned char>(unparsed_.front()))) {
            return failure(refusal{.response = {}, .reason = what});
        }
    }
    boost::system::error_code error;
    const auto taken = parser_.put(boost::asio::buffer(unparsed_), error);
    unparsed_.erase(0, taken);
    if (error == http::error::header_limit || unparsed_.size() > options_.header_bytes_max) {
        return failure(refuse(http::status::request_header_fields_too_large,
                              "the HTTP header is larger than "
                                  + std::to_string(options_.header_bytes_max) + " bytes"));
    }
    if (error && error != http::error::need_more) {
        return failure(
            refuse(http::status::bad_request, "malformed HTTP request: " + error.message()));
    }
    if (!parser_.is_header_done()) {
        return std::nullopt;
    }
    return judge();
}

result<upgrade, refusal> upgrade_reader::judge() {
    auto request = parser_.release();
    if (!boost::beast::websocket::is_upgrade(request)) {
        return failure(refuse_plain_http(request));
    }
    if (!is_origin_allowed(request, options_)) {
        return failure(refuse(http::status::forbidden,
                              "the origin " + std::string(request[http::field::origin])
                                  + " is not in the list of this listener"));
    }
    auto subprotocol = choose_subprotocol(request);
    if (!subprotocol) {
        return failure(
            refuse(http::status::bad_request,
                   "the WebSocket client offers neither subprotocol \"mqtt\" nor \"mqttv3.1\""));
    }
    auto peer = forwarded_peer(request);
    return upgrade{.request = std::move(request),
                   .subprotocol = std::move(*subprotocol),
                   .leftover = std::move(unparsed_),
                   .real_peer = peer};
}

std::optional<endpoint> upgrade_reader::forwarded_peer(const upgrade_request& request) const {
    if (!options_.trusts_forwarded) {
        return std::nullopt;
    }
    std::string_view address = request["X-Real-IP"];
    if (address.empty()) {
        // The last entry is the proxy's own word; those before it came from whoever asked it.
        const std::string_view list = request["X-Forwarded-For"];
        const auto comma = list.rfind(',');
        address = comma == std::string_view::npos ? list : list.substr(comma + 1);
    }
    const auto parsed = parse_endpoint(trim(address), 0);
    return parsed ? std::optional(*parsed) : std::nullopt;
}

} // namespace gv::transport
