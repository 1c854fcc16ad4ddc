// SPDX-License-Identifier: Apache-2.0
// The authority of a cluster: makes certificates of nodes, each for both ends of TLS and with the
// name of one node (cluster/certificates.hpp). Keys are of the curve P-256. All texts are PEM.
#pragma once

#include "cluster/certificates.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gv::cluster {

struct certified_key {
    std::string certificate;
    std::string key;
};

struct validity {
    wall_time from{};
    wall_time until{};
};

/// From an hour before, so that a clock that is slow believes it too.
[[nodiscard]] validity valid_for(wall_time now, std::chrono::hours how_long);

inline constexpr std::chrono::hours authority_lifetime{24 * 365 * 20};
/// Longer: renewed less often. Shorter: a key that was stolen is of use for less time.
inline constexpr std::chrono::hours node_lifetime{24 * 365 * 2};

[[nodiscard]] std::string make_key();
[[nodiscard]] certified_key make_authority(const std::string& cluster, const validity& when);

/// A request of the node for a certificate of its key. Requires: a key of make_key().
[[nodiscard]] std::string make_request(const std::string& key, const certified_node& who);

struct certificate_request {
    certified_node who;
    std::string key_hash; ///< of the key that it is for, as fingerprint() of a certificate
};
/// Errors: what is wrong with it, for a person. What is read was signed by the key it is for.
[[nodiscard]] result<certificate_request, std::string> read_request(std::string_view pem);

/// A certificate of the request's key for `who`: nothing else is taken from the request. Errors:
/// for a person.
[[nodiscard]] result<std::string, std::string> sign_request(const certified_key& by,
                                                            std::string_view request,
                                                            const certified_node& who,
                                                            const validity& when);

/// Whether `by` has a certificate of an authority and its key. Errors: for a person.
[[nodiscard]] result<void, std::string> check_authority(const certified_key& by);

/// What a node shows that has nothing yet but a token: a certificate of its own making, with
///
///   grapevine-token:TOKEN/PROOF   number of the token; HMAC-SHA-256 of the key by its secret
struct applicant {
    std::string token; ///< 16 hexadecimal digits
    std::string proof; ///< 64 hexadecimal digits
    std::string key;   ///< public; DER
};
[[nodiscard]] certified_key make_applicant(const std::string& token, std::string_view secret,
                                           const validity& when);
/// Nothing: it is not that of an applicant.
[[nodiscard]] std::optional<applicant> read_applicant(std::string_view pem);
[[nodiscard]] bool is_proven(const applicant& by, std::string_view secret);

/// Cryptographically strong.
[[nodiscard]] std::string random_bytes(std::size_t count);

} // namespace gv::cluster
