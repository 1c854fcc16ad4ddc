// SPDX-License-Identifier: Apache-2.0
#include "broker/server/access.hpp"

#include "broker/auth/acl.hpp"
#include "broker/auth/authenticator.hpp"
#include "broker/auth/password_authenticator.hpp"
#include "broker/auth/scram.hpp"
#include "broker/server/validate.hpp"

namespace gv::server {

access_load load_access(const options& all, const std::string& decoy_secret) {
    access_load loaded;
    if (!all.auth.password_file->empty()) {
        auth::password_load file = auth::load_password_file(*all.auth.password_file);
        // One bad line locks out one user; a file that cannot be read would lock out all.
        auto& reported = file.table ? loaded.warnings : loaded.errors;
        reported.insert(reported.end(), file.problems.begin(), file.problems.end());
        loaded.rules.passwords = file.table;
    }
    if (!all.auth.acl_file->empty()) {
        auth::acl_load file = auth::load_acl_file(*all.auth.acl_file);
        loaded.errors.insert(loaded.errors.end(), file.problems.begin(), file.problems.end());
        if (file.table) {
            loaded.rules.authoriser = std::make_shared<auth::acl_authoriser>(file.table);
        }
    }
    if (loaded.rules.passwords) {
        loaded.rules.methods = std::make_shared<auth::authentication_methods>(
            std::vector<std::shared_ptr<const auth::authentication_method>>{
                std::make_shared<auth::scram_sha256>(loaded.rules.passwords, decoy_secret)});
    }
    return loaded;
}

std::shared_ptr<const auth::authenticator> authenticator_for(const options& all,
                                                             const listener_options& listener,
                                                             const access_rules& rules,
                                                             auth::hash_pool& pool) {
    const bool anonymous = allows_anonymous(all, listener);
    if (anonymous && !rules.passwords && !*listener.use_identity_as_username) {
        return nullptr;
    }
    auth::authenticator_chain::members chain;
    if (*listener.use_identity_as_username) {
        chain.push_back(std::make_shared<auth::certificate_authenticator>());
    }
    if (rules.passwords) {
        chain.push_back(std::make_shared<auth::password_authenticator>(rules.passwords, pool));
    }
    chain.push_back(std::make_shared<auth::anonymous_authenticator>(
        !anonymous        ? auth::anonymous_policy::nobody
        : rules.passwords ? auth::anonymous_policy::without_username
                          : auth::anonymous_policy::everybody));
    return std::make_shared<auth::authenticator_chain>(std::move(chain));
}

} // namespace gv::server
