// SPDX-License-Identifier: Apache-2.0
// The HTTP request that begins a WebSocket, without I/O: bytes go in, a verdict comes out.
#pragma once

#include "broker/transport/websocket.hpp"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace gv::transport {

using upgrade_request = boost::beast::http::request<boost::beast::http::empty_body>;

/// The request may go on: the answer names `subprotocol`.
struct upgrade {
    upgrade_request request;
    std::string subprotocol;
    std::string leftover;              ///< bytes behind the request
    std::optional<endpoint> real_peer; ///< as a trusted proxy tells
};

/// The request ends here: send `response` (empty: nothing, it is not HTTP) and close.
struct refusal {
    std::string response;
    std::string reason; ///< for the log
};

class upgrade_reader {
  public:
    explicit upgrade_reader(const websocket_options& options);

    /// Nothing while the request is incomplete. Requires: no verdict yet.
    using verdict = std::optional<result<upgrade, refusal>>;
    [[nodiscard]] verdict put(std::string_view bytes);

  private:
    [[nodiscard]] result<upgrade, refusal> judge();
    [[nodiscard]] std::optional<endpoint> forwarded_peer(const upgrade_request& request) const;

    const websocket_options& options_;
    boost::beast::http::request_parser<boost::beast::http::empty_body> parser_;
    std::string unparsed_;
};

} // namespace gv::transport
