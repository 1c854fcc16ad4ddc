// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/crypto.hpp"

#include "base/assert.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

namespace gv::auth {

namespace {

const EVP_MD* algorithm(digest kind) {
    return kind == digest::sha256 ? EVP_sha256() : EVP_sha512();
}

const unsigned char* in(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* out(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

} // namespace

std::string hash(digest kind, std::string_view bytes) {
    std::string value(digest_size(kind), '\0');
    const int done =
        EVP_Digest(bytes.data(), bytes.size(), out(value), nullptr, algorithm(kind), nullptr);
    BROKER_ASSERT(done == 1, "OpenSSL cannot hash");
    return value;
}

std::string hmac(digest kind, std::string_view key, std::string_view bytes) {
    std::string value(digest_size(kind), '\0');
    const auto* done = HMAC(algorithm(kind), key.data(), static_cast<int>(key.size()), in(bytes),
                            bytes.size(), out(value), nullptr);
    BROKER_ASSERT(done != nullptr, "OpenSSL cannot compute an HMAC");
    return value;
}

std::string pbkdf2(digest kind, std::string_view password, std::string_view salt,
                   std::uint32_t iterations) {
    BROKER_ASSERT(iterations > 0, "PBKDF2 without iterations");
    std::string key(digest_size(kind), '\0');
    // A null pointer would mean "no password given" to OpenSSL 3, which then derives nothing.
    const char* secret = password.empty() ? "" : password.data();
    const int done = PKCS5_PBKDF2_HMAC(secret, static_cast<int>(password.size()), in(salt),
                                       static_cast<int>(salt.size()), static_cast<int>(iterations),
                                       algorithm(kind), static_cast<int>(key.size()), out(key));
    BROKER_ASSERT(done == 1, "OpenSSL cannot derive a key");
    return key;
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    BROKER_ASSERT(RAND_bytes(out(bytes), static_cast<int>(count)) == 1, "OpenSSL has no entropy");
    return bytes;
}

bool constant_time_equal(std::string_view left, std::string_view right) noexcept {
    return left.size() == right.size()
           && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

void wipe(std::string& secret) noexcept {
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

std::string base64_encode(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0'); // EVP_EncodeBlock adds a NUL
    const int size = EVP_EncodeBlock(out(text), in(bytes), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(out(bytes), in(text), static_cast<int>(text.size()));
    if (size < 0) {
        return std::nullopt;
    }
    const std::size_t tail =
        text.substr(text.size() - std::min<std::size_t>(2, text.size())).find('=');
    const std::size_t padding = text.empty() || tail == std::string_view::npos ? 0 : 2 - tail;
    bytes.resize(static_cast<std::size_t>(size) - padding);
    // EVP_DecodeBlock forgives blanks around the text and stray bits before the padding.
    return base64_encode(bytes) == text ? std::optional(std::move(bytes)) : std::nullopt;
}

} // namespace gv::auth
