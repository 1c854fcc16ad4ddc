// SPDX-License-Identifier: Apache-2.0
// Words for what OpenSSL says in numbers and structures.
#pragma once

#include <string>

struct X509_name_st;

namespace gv::transport {

/// What a person can act on, for a reason code of OpenSSL; null: no better text than OpenSSL's.
[[nodiscard]] const char* tls_reason(int reason) noexcept;

/// What speaks to us if its first byte is not that of a TLS handshake record; null: it is.
[[nodiscard]] const char* tls_stranger(unsigned char first) noexcept;

/// The CN. Nothing if there is more than one, or if a NUL in it could make it look like another's.
[[nodiscard]] std::string tls_common_name(X509_name_st* subject);

/// All of it, as in RFC 2253: "CN=sensor-7,O=Example".
[[nodiscard]] std::string tls_subject(X509_name_st* subject);

} // namespace gv::transport
