// SPDX-License-Identifier: Apache-2.0
// The cryptography that authentication needs, through OpenSSL 3. Bytes are strings, as everywhere.
// Nothing here can fail on account of its input; if OpenSSL itself cannot work (no provider, no
// randomness), the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gv::auth {

enum class digest : std::uint8_t { sha256, sha512 };

/// Bytes of a value of `kind`: 32 or 64.
[[nodiscard]] constexpr std::size_t digest_size(digest kind) noexcept {
    return kind == digest::sha256 ? 32 : 64;
}

[[nodiscard]] std::string hash(digest kind, std::string_view bytes);

[[nodiscard]] std::string hmac(digest kind, std::string_view key, std::string_view bytes);

/// PBKDF2 with HMAC (RFC 8018); the derived key is as long as the digest. Takes about 0.4 ms a
/// thousand iterations with sha512. Requires: iterations > 0.
[[nodiscard]] std::string pbkdf2(digest kind, std::string_view password, std::string_view salt,
                                 std::uint32_t iterations);

/// Cryptographically strong.
[[nodiscard]] std::string random_bytes(std::size_t count);

/// Takes the same time wherever the first difference is. Different sizes are unequal, at once.
[[nodiscard]] bool constant_time_equal(std::string_view left, std::string_view right) noexcept;

/// Overwrites the bytes of a secret, then empties it.
void wipe(std::string& secret) noexcept;

/// With padding, on one line (RFC 4648, 4).
[[nodiscard]] std::string base64_encode(std::string_view bytes);

/// Nothing unless `text` is exactly what base64_encode() gives for some bytes.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

} // namespace gv::auth
