// SPDX-License-Identifier: Apache-2.0
// Who may come in through each listener and what they may do: the authenticators and rules that the
// options and their files make. Built at the start and again on SIGHUP.
#pragma once

#include "broker/auth/authentication_exchange.hpp"
#include "broker/auth/authoriser.hpp"
#include "broker/auth/hash_pool.hpp"
#include "broker/auth/password_file.hpp"
#include "broker/server/options.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gv::server {

/// What the files say. Immutable.
struct access_rules {
    std::shared_ptr<const auth::password_table> passwords; ///< null: no file
    std::shared_ptr<const auth::authoriser> authoriser;    ///< null: everything is allowed
    std::shared_ptr<const auth::authentication_methods> methods;
};

struct access_load {
    access_rules rules;
    std::vector<problem> errors;   ///< the rules must not be used
    std::vector<problem> warnings; ///< lines that were left out
};

/// Reads password and ACL file. Blocks on the disk. `decoy_secret`: random, the same for the life
/// of the process.
[[nodiscard]] access_load load_access(const options& all, const std::string& decoy_secret);

/// Null if everybody may come in through this listener whatever they claim. Lifetime: `pool`
/// outlives what is made.
[[nodiscard]] std::shared_ptr<const auth::authenticator>
authenticator_for(const options& all, const listener_options& listener, const access_rules& rules,
                  auth::hash_pool& pool);

} // namespace gv::server
