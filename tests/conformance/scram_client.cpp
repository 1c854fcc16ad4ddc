// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/scram_client.hpp"

#include "tests/conformance/wire.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace gv::conformance {
namespace {

constexpr std::size_t digest_bytes = 32;
constexpr const char* nonce = "rOprNGfwEbeRWgbNEkqO";

const unsigned char* raw(const std::string& bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string hmac(const std::string& key, const std::string& text) {
    std::string made(digest_bytes, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(),
         reinterpret_cast<unsigned char*>(made.data()), nullptr);
    return made;
}

std::string sha256(const std::string& text) {
    std::string made(digest_bytes, '\0');
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(made.data()), nullptr,
               EVP_sha256(), nullptr);
    return made;
}

std::string salted(const std::string& password, const std::string& salt, int iterations) {
    std::string made(digest_bytes, '\0');
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                      static_cast<int>(salt.size()), iterations, EVP_sha256(),
                      static_cast<int>(digest_bytes),
                      reinterpret_cast<unsigned char*>(made.data()));
    return made;
}

std::string to_base64(const std::string& bytes) {
    std::string made(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(made.data()), raw(bytes),
                                     static_cast<int>(bytes.size()));
    made.resize(static_cast<std::size_t>(size));
    return made;
}

std::string from_base64(const std::string& text) {
    std::string made(3 * (text.size() / 4) + 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(made.data()), raw(text),
                                     static_cast<int>(text.size()));
    if (size < 0) {
        throw wire_error("not base64 in the server's SCRAM message: " + text);
    }
    const auto padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
    made.resize(static_cast<std::size_t>(size) - padding);
    return made;
}

/// The value of "r=" and the like.
std::string attribute(const std::string& message, char name) {
    const std::string start = {name, '='};
    std::size_t at = message.starts_with(start) ? 0 : message.find("," + start);
    if (at == std::string::npos) {
        throw wire_error(std::string("no ") + name + "= in the server's SCRAM message: " + message);
    }
    at += at == 0 ? 2 : 3;
    return message.substr(at, message.find(',', at) - at);
}

std::string exclusive_or(std::string left, const std::string& right) {
    for (std::size_t at = 0; at < left.size(); ++at) {
        left[at] = static_cast<char>(left[at] ^ right[at]);
    }
    return left;
}

} // namespace

std::string scram_client::first() const { return "n,,n=" + username_ + ",r=" + nonce; }

std::string scram_client::final(const std::string& server_first) {
    const auto both_nonces = attribute(server_first, 'r');
    if (!both_nonces.starts_with(nonce) || both_nonces == nonce) {
        throw wire_error("the server's nonce does not continue the client's: " + server_first);
    }
    const auto without_proof = "c=biws,r=" + both_nonces;
    const auto signed_text = first().substr(3) + "," + server_first + "," + without_proof;
    const auto key = salted(password_, from_base64(attribute(server_first, 's')),
                            std::stoi(attribute(server_first, 'i')));
    const auto client_key = hmac(key, "Client Key");
    const auto proof = exclusive_or(client_key, hmac(sha256(client_key), signed_text));
    expected_end_ = "v=" + to_base64(hmac(hmac(key, "Server Key"), signed_text));
    return without_proof + ",p=" + to_base64(proof);
}

} // namespace gv::conformance
