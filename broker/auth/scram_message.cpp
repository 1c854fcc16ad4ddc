// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/scram_message.hpp"

#include "broker/auth/crypto.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace gv::auth {

namespace {

std::unexpected<std::string_view> wrong(std::string_view what) { return failure(what); }

/// Reads attributes one after the other: "n=user,r=nonce".
class attribute_reader {
  public:
    explicit attribute_reader(std::string_view rest) : rest_(rest) {}

    /// The value of the next attribute, if it has that name.
    std::optional<std::string_view> take(char name) {
        if (rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') {
            return std::nullopt;
        }
        const std::size_t end = std::min(rest_.find(','), rest_.size());
        const std::string_view value = rest_.substr(2, end - 2);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        return value;
    }

  private:
    std::string_view rest_;
};

/// saslname: no "," and "=" only as =2C or =3D (RFC 5802, 5.1).
std::optional<std::string> decode_name(std::string_view text) {
    std::string name;
    while (!text.empty()) {
        const bool is_comma = text.starts_with("=2C");
        const bool is_equals = text.starts_with("=3D");
        if (text.front() == '=' && !is_comma && !is_equals) {
            return std::nullopt;
        }
        name += is_comma ? ',' : is_equals ? '=' : text.front();
        text.remove_prefix(is_comma || is_equals ? 3 : 1);
    }
    return name.empty() ? std::nullopt : std::optional(std::move(name));
}

/// printable: %x21-2B / %x2D-7E.
bool is_nonce(std::string_view text) {
    return !text.empty()
           && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != ','; });
}

/// Length of the gs2-header, with its second comma; 0 if there is none.
std::size_t header_size(std::string_view message) {
    const std::size_t first = message.find(',');
    const std::size_t second =
        first == std::string_view::npos ? first : message.find(',', first + 1);
    return second == std::string_view::npos ? 0 : second + 1;
}

} // namespace

result<scram_client_first, std::string_view> parse_client_first(std::string_view message) {
    scram_client_first parsed;
    const std::size_t size = header_size(message);
    if (message.starts_with("p=")) {
        return wrong("channel binding is not offered");
    }
    if (size == 0 || !(message.starts_with("n,") || message.starts_with("y,"))) {
        return wrong("the GS2 header is malformed");
    }
    parsed.gs2_header = message.substr(0, size);
    parsed.bare = message.substr(size);
    if (const auto authzid = parsed.gs2_header.substr(2, size - 3); !authzid.empty()) {
        auto name = authzid.starts_with("a=") ? decode_name(authzid.substr(2)) : std::nullopt;
        if (!name) {
            return wrong("the authorisation identity is malformed");
        }
        parsed.authorise_as = std::move(*name);
    }
    attribute_reader attributes(parsed.bare);
    const auto name = attributes.take('n'); // "m=" would stand here
    auto username = name ? decode_name(*name) : std::nullopt;
    if (!username) {
        return wrong("the username is missing or malformed");
    }
    parsed.username = std::move(*username);
    parsed.nonce = attributes.take('r').value_or("");
    if (!is_nonce(parsed.nonce)) {
        return wrong("the nonce is missing or malformed");
    }
    return parsed;
}

result<scram_client_final, std::string_view> parse_client_final(std::string_view message) {
    scram_client_final parsed;
    const std::size_t proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos) {
        return wrong("the proof is missing");
    }
    parsed.without_proof = message.substr(0, proof_at);
    auto proof = base64_decode(message.substr(proof_at + 3));
    if (!proof || proof->size() != digest_size(digest::sha256)) {
        return wrong("the proof is malformed");
    }
    parsed.proof = std::move(*proof);
    attribute_reader attributes(parsed.without_proof);
    auto header = base64_decode(attributes.take('c').value_or(""));
    if (!header || header->empty()) {
        return wrong("the channel binding is malformed");
    }
    parsed.gs2_header = std::move(*header);
    parsed.nonce = attributes.take('r').value_or("");
    if (!is_nonce(parsed.nonce)) {
        return wrong("the nonce is missing or malformed");
    }
    return parsed;
}

} // namespace gv::auth
