// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_authenticator.hpp"

#include "broker/auth/crypto.hpp"
#include "broker/auth/text_file.hpp"

#include <utility>

namespace gv::auth {

namespace {

verdict next(std::string rule) {
    return {.outcome = decision::next, .rule = std::move(rule), .who = {}};
}

verdict deny(std::string rule) {
    return {.outcome = decision::deny, .rule = std::move(rule), .who = {}};
}

/// One password to check; it owns all it needs, since connection and configuration may go.
struct password_check {
    std::shared_ptr<const password_table> table;
    std::string username;
    std::string password;

    /// Hashes exactly once, whoever the user is.
    verdict decide() {
        const auto* user = table->find(username);
        const bool is_known = user != nullptr && user->password.has_value();
        const password_hash* kept = is_known ? &*user->password : table->password_decoy(username);
        const bool is_right = kept != nullptr && verify_password(*kept, password);
        wipe(password);
        if (!is_known) {
            return next(table->place()
                        + (user ? ": the user has a SCRAM entry only" : ": no such user"));
        }
        std::string rule = place_of(table->place(), user->password_line);
        if (!is_right) {
            return deny(std::move(rule) + " wrong password");
        }
        return {.outcome = decision::allow, .rule = std::move(rule), .who = {std::move(username)}};
    }
};

} // namespace

password_authenticator::password_authenticator(std::shared_ptr<const password_table> table,
                                               hash_pool& pool)
    : table_(std::move(table)), pool_(pool) {}

void password_authenticator::authenticate(const credentials& given, completion done) const {
    if (!given.username) {
        return done(next({}));
    }
    if (!given.password) {
        return done(deny(table_->place() + ": no password given"));
    }
    password_check check{.table = table_,
                         .username = std::string(*given.username),
                         .password = std::string(*given.password)};
    pool_.submit(
        [check = std::move(check), done = std::move(done)](hash_pool::admission got) mutable {
            if (got == hash_pool::admission::queue_full) {
                return done({.outcome = decision::busy,
                             .rule = "too many passwords are waiting to be checked",
                             .who = {}});
            }
            done(check.decide());
        });
}

} // namespace gv::auth
