// SPDX-License-Identifier: Apache-2.0
// TLS by OpenSSL, straight on the descriptor: no buffer of ours, none of OpenSSL's while idle.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "broker/transport/socket.hpp"
#include "broker/transport/transport.hpp"

#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;

namespace gv::transport {

/// A certificate with the intermediates that lead to its root, and its private key; both PEM.
struct tls_certificate {
    std::string chain_file;
    std::string key_file;
};

enum class client_certificates : std::uint8_t { ignored, optional, required };
enum class tls_version : std::uint8_t { v1_2, v1_3 };

struct tls_options {
    /// At most one of each key type: an RSA and an ECDSA certificate may serve one listener, and
    /// each client gets the one that it can check.
    std::vector<tls_certificate> certificates;
    /// Authorities that may have signed a client's certificate; PEM.
    std::string client_ca_file;
    client_certificates clients = client_certificates::ignored;
    tls_version version_min = tls_version::v1_2;
    /// For TLS 1.2, in OpenSSL's notation; empty: forward-secret ones with authenticated
    /// encryption, which includes ECDHE-RSA-AES128-GCM-SHA256.
    std::string ciphers;
    /// For TLS 1.3; empty: OpenSSL's.
    std::string cipher_suites;
};

class tls_context;

/// What came of reading certificates and keys: a context, or errors and no context. Warnings
/// (an expired certificate) hinder nothing.
struct tls_load {
    std::shared_ptr<const tls_context> context;
    std::vector<problem> errors;
    std::vector<problem> warnings;
};

/// Certificates and rules of a TLS listener. Immutable; thread-safe. To renew a certificate, load
/// another one and hand it to the listener: connections that exist keep what they have.
class tls_context {
  public:
    /// Reads all files and reports every problem, each with its file and remedy. Blocks on the
    /// disk. `now` is what the validity of the certificates is judged by.
    [[nodiscard]] static tls_load load(const tls_options& options, wall_time now);

    tls_context(const tls_context&) = delete;
    tls_context& operator=(const tls_context&) = delete;
    ~tls_context();

    [[nodiscard]] ssl_ctx_st* native() const noexcept { return native_; }

  private:
    explicit tls_context(ssl_ctx_st* adopted) noexcept : native_(adopted) {}
    ssl_ctx_st* native_;
};

/// The server side of TLS on `from`. The handshake begins with the first wait_readable() or
/// read(). Lifetime: the context may go before the stream does.
[[nodiscard]] stream_ptr make_tls_stream(boost::asio::io_context& context, accepted_socket from,
                                         const tls_context& rules);

} // namespace gv::transport
