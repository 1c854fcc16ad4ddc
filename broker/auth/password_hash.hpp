// SPDX-License-Identifier: Apache-2.0
// What is kept of a password, and how it is written in a password file:
//
//   $7$ iterations $ salt $ hash         hash = PBKDF2-HMAC-SHA512(password, salt, iterations)
//   $6$ salt $ hash                      hash = SHA-512(password, then salt)
//   $scram-sha-256$ iterations $ salt $ stored key $ server key          (RFC 5802, 3; RFC 7677)
//
// Salts, hashes and keys are base64 with padding; iterations are decimal. The first two are
// Mosquitto's. There are no blanks around the `$`.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace gv::auth {

/// Beyond this a log-in would take seconds: most likely a slip of the pen.
inline constexpr std::uint32_t iterations_max = 10'000'000;
/// For new credentials: about 4 ms a log-in. Mosquitto 2 writes 101.
inline constexpr std::uint32_t iterations_default = 10'000;
/// RFC 7677, 4: "at least 4096".
inline constexpr std::uint32_t scram_iterations_min = 4'096;

enum class hash_scheme : std::uint8_t { sha512 = 6, pbkdf2_sha512 = 7 };

/// Checks a password that the server is shown.
struct password_hash {
    hash_scheme scheme = hash_scheme::pbkdf2_sha512;
    std::uint32_t iterations = iterations_default; ///< not used by sha512
    std::string salt;
    std::string hash; ///< 64 bytes
};

/// Checks a SCRAM proof; the password itself never reaches the server.
struct scram_credential {
    std::uint32_t iterations = iterations_default;
    std::string salt;
    std::string stored_key; ///< 32 bytes
    std::string server_key; ///< 32 bytes
};

using credential = std::variant<password_hash, scram_credential>;

/// Reads a credential in one of the three forms. The error is one clause that says what is wrong.
[[nodiscard]] result<credential, std::string> parse_credential(std::string_view text);

[[nodiscard]] std::string format_credential(const credential& kept);

/// With a fresh random salt. Requires: iterations > 0 (not used by sha512).
[[nodiscard]] password_hash make_password_hash(std::string_view password, hash_scheme scheme,
                                               std::uint32_t iterations);

/// With a fresh random salt. Requires: iterations > 0.
[[nodiscard]] scram_credential make_scram_credential(std::string_view password,
                                                     std::uint32_t iterations);

/// The same with a given salt; for test vectors.
[[nodiscard]] scram_credential make_scram_credential(std::string_view password,
                                                     std::uint32_t iterations, std::string salt);

/// Whether `password` is the one. Takes as long as one hash, whatever the answer.
[[nodiscard]] bool verify_password(const password_hash& kept, std::string_view password);

} // namespace gv::auth
