// SPDX-License-Identifier: Apache-2.0
// Checks usernames and passwords against a password file, on the hash pool.
#pragma once

#include "broker/auth/authenticator.hpp"
#include "broker/auth/hash_pool.hpp"
#include "broker/auth/password_file.hpp"

#include <memory>

namespace gv::auth {

/// Allows the right password, denies a wrong or missing one, and says `next` to clients without a
/// username and to users that are not in its file. An unknown user costs the same time as a known
/// one. Says `busy` if the pool's queue is full.
class password_authenticator final : public authenticator {
  public:
    /// Requires: `pool` outlives every call; `table` is not null.
    password_authenticator(std::shared_ptr<const password_table> table, hash_pool& pool);
    void authenticate(const credentials& given, completion done) const override;

  private:
    std::shared_ptr<const password_table> table_;
    hash_pool& pool_;
};

} // namespace gv::auth
