// SPDX-License-Identifier: Apache-2.0
// Who lets nodes in that have a token and no certificate yet.
#pragma once

#include "cluster/certificate_authority.hpp"

#include <string>

namespace gv::cluster {

struct admitted {
    std::string certificate;
    std::string authorities;
};

/// Thread-safe: called by threads of the transport, which wait for it.
class admission_desk {
  public:
    virtual ~admission_desk() = default;
    /// Whether it has proven to have a token that is good now.
    [[nodiscard]] virtual bool knows(const applicant& who) = 0;
    /// A certificate for who asks by `request`; the token is used up. Errors: for a person.
    [[nodiscard]] virtual result<admitted, std::string> admit(const applicant& who,
                                                              const std::string& request) = 0;
};

} // namespace gv::cluster
