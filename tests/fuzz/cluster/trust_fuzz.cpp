// SPDX-License-Identifier: Apache-2.0
// Any bytes as a join token, as the identity in a certificate, or as certificates: what somebody
// hands to a node before anybody trusts it. The first byte chooses.
#include "base/assert.hpp"
#include "cluster/certificates.hpp"
#include "cluster/join_token.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace gv;
using namespace gv::cluster;

void check_token(std::string_view text) {
    const auto token = parse_join_token(text);
    if (!token) {
        BROKER_ASSERT(!token.error().empty(), "a fault has a text");
        return;
    }
    const auto again = parse_join_token(text_of(*token));
    BROKER_ASSERT(again.has_value() && *again == *token, "a token changes when it is written");
}

void check_identity(std::string_view uri) {
    if (const auto who = parse_identity_uri(uri)) {
        const auto again = parse_identity_uri(identity_uri(*who));
        BROKER_ASSERT(again && again->cluster == who->cluster && again->node == who->node,
                      "an identity changes when it is written");
    }
}

void check_certificates(std::string_view pem) {
    const auto facts = read_certificate(pem);
    BROKER_ASSERT(facts.has_value() || !facts.error().empty(), "a fault has a text");
    BROKER_ASSERT(!facts || fingerprint(pem).size() == 64, "a certificate has a fingerprint");
    if (const auto trusted = authorities::read(pem); !trusted) {
        BROKER_ASSERT(!trusted.error().empty(), "a fault has a text");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        check_token(bytes);
        break;
    case 1:
        check_identity(bytes);
        break;
    default:
        check_certificates(bytes);
        break;
    }
    return 0;
}
