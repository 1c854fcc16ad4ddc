// SPDX-License-Identifier: Apache-2.0
// Tokens of this node, which has the key of the authority, and the certificates that are made for
// them. What is known of tokens is in a file, so that they outlive a restart, and the command that
// makes them need not speak with the broker:
//
//   NUMBER SECRET UNTIL USED      a line each; until in seconds since 1970; used: hash of the key
//                                 that has a certificate for it, or -
#pragma once

#include "cluster/admission.hpp"
#include "cluster/join_token.hpp"

#include <string>
#include <utility>

namespace gv::server {

struct token_places {
    std::string tokens;        ///< path of the file; it may not be there
    std::string authority;     ///< path of the authorities, of which one has the key
    std::string authority_key; ///< path
    std::string user;          ///< whose the file is, if root makes it; empty: root's
};

/// Thread-safe, and safe against others that use the file.
class token_desk final : public cluster::admission_desk {
  public:
    token_desk(std::string cluster, token_places places)
        : cluster_(std::move(cluster)), places_(std::move(places)) {}

    /// A new token, good until then, that names `address`. Errors: the key is not here, or cannot
    /// be used; the file cannot be written.
    [[nodiscard]] result<cluster::join_token, problem> make(const std::string& address,
                                                            wall_time until, wall_time now);

    /// Errors: there is none here with its key, or they do not fit.
    [[nodiscard]] result<cluster::certified_key, problem> authority() const;

    // cluster::admission_desk
    [[nodiscard]] bool knows(const cluster::applicant& who) override;
    [[nodiscard]] result<cluster::admitted, std::string> admit(const cluster::applicant& who,
                                                               const std::string& request) override;

  private:
    const std::string cluster_;
    const token_places places_;
};

} // namespace gv::server
