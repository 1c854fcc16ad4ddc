// SPDX-License-Identifier: Apache-2.0
// SCRAM-SHA-256, server side (RFC 5802, RFC 7677), over MQTT 5 AUTH packets. What a client sends
// and gets, in the words of RFC 5802, 7:
//
//   client-first   gs2-header "n=" saslname ",r=" c-nonce [ "," extensions ]
//   server-first   "r=" c-nonce s-nonce ",s=" salt ",i=" iterations
//   client-final   "c=" base64(gs2-header) ",r=" c-nonce s-nonce [ "," extensions ] ",p=" proof
//   server-final   "v=" server signature
//   gs2-header     ( "n" | "y" ) "," [ "a=" saslname ] ","
//
//   state         input                    next          step
//   want_first    "" (CONNECT had none)    want_first    proceed, empty (RFC 4422, 5.1)
//   want_first    client-first             want_final    proceed, server-first
//   want_final    client-final, proof good done          success, server-final
//   any           anything else            done          failure
//
// Channel binding ("p=") is not offered and mandatory extensions ("m=") are not known: both fail.
// Usernames and passwords are compared as UTF-8 bytes, without SASLprep: what differs only by
// Unicode normalisation, or by characters that SASLprep maps away, differs here. Messages hold at
// most 4,096 bytes. An unknown user is led through the same exchange and fails at its end.
#pragma once

#include "broker/auth/authentication_exchange.hpp"
#include "broker/auth/password_file.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gv::auth {

inline constexpr std::size_t scram_message_bytes_max = 4'096;

/// Checks against the SCRAM entries of a password file. A step costs a few HMACs (microseconds):
/// it may run on a shard.
class scram_sha256 final : public authentication_method {
  public:
    /// Gives the printable part of a nonce that the server adds.
    using nonce_source = std::function<std::string()>;

    /// `decoy_secret`: random, the same for the life of the process, so that the salt shown for an
    /// unknown user does not change at a reload. Requires: `table` is not null.
    scram_sha256(std::shared_ptr<const password_table> table, std::string decoy_secret);
    /// With the nonces of `nonces`, for test vectors.
    scram_sha256(std::shared_ptr<const password_table> table, std::string decoy_secret,
                 nonce_source nonces);

    [[nodiscard]] std::string_view name() const noexcept override { return "SCRAM-SHA-256"; }
    [[nodiscard]] std::unique_ptr<authentication_exchange>
    begin(exchange_context context) const override;

  private:
    std::shared_ptr<const password_table> table_;
    std::string decoy_secret_;
    nonce_source nonces_;
};

} // namespace gv::auth
