// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/authenticator.hpp"

#include <utility>

namespace gv::auth {

namespace {

/// Owns what the views of credentials point to.
struct kept_credentials {
    explicit kept_credentials(const credentials& given)
        : client_id(given.client_id), username(given.username), password(given.password),
          listener(given.listener), peer_address(given.peer_address),
          certificate_identity(given.certificate_identity) {}

    [[nodiscard]] credentials view() const {
        return {.client_id = client_id,
                .username = username,
                .password = password,
                .listener = listener,
                .peer_address = peer_address,
                .certificate_identity = certificate_identity};
    }

    std::string client_id;
    std::optional<std::string> username;
    std::optional<std::string> password;
    std::string listener;
    std::string peer_address;
    std::optional<std::string> certificate_identity;
};

/// One client on its way through a chain; whoever calls the completion takes it to the next member.
struct walk {
    std::shared_ptr<const authenticator_chain::members> members;
    kept_credentials given;
    completion done;
    std::size_t position = 0;
    std::string last_rule = "nobody decided";
};

void step(std::unique_ptr<walk> client);

void answered(std::unique_ptr<walk> client, verdict answer) {
    if (answer.outcome != decision::next) {
        client->done(std::move(answer));
        return;
    }
    if (!answer.rule.empty()) {
        client->last_rule = std::move(answer.rule);
    }
    ++client->position;
    step(std::move(client));
}

void step(std::unique_ptr<walk> client) {
    if (client->position == client->members->size()) {
        client->done({.outcome = decision::deny, .rule = std::move(client->last_rule), .who = {}});
        return;
    }
    // The walk moves into its own completion, so what the call needs is taken out first. The kept
    // strings stay where they are: the walk is on the heap and lives until the completion ran.
    const auto& member = *(*client->members)[client->position];
    const credentials given = client->given.view();
    member.authenticate(given, [client = std::move(client)](verdict answer) mutable {
        answered(std::move(client), std::move(answer));
    });
}

} // namespace

authenticator_chain::authenticator_chain(members in_order)
    : members_(std::make_shared<const members>(std::move(in_order))) {}

void authenticator_chain::authenticate(const credentials& given, completion done) const {
    step(std::make_unique<walk>(members_, kept_credentials(given), std::move(done)));
}

void anonymous_authenticator::authenticate(const credentials& given, completion done) const {
    switch (policy_) {
    case anonymous_policy::everybody:
        return done({.outcome = decision::allow, .rule = "no authentication", .who = {}});
    case anonymous_policy::without_username:
        return done(
            given.username
                ? verdict{.outcome = decision::next, .rule = {}, .who = {}}
                : verdict{.outcome = decision::allow, .rule = "allow_anonymous", .who = {}});
    case anonymous_policy::nobody:
        return done(given.username ? verdict{.outcome = decision::next, .rule = {}, .who = {}}
                                   : verdict{.outcome = decision::deny,
                                             .rule = "allow_anonymous = false: no username given",
                                             .who = {}});
    }
}

void certificate_authenticator::authenticate(const credentials& given, completion done) const {
    if (!given.certificate_identity || given.certificate_identity->empty()) {
        return done({.outcome = decision::next, .rule = {}, .who = {}});
    }
    done({.outcome = decision::allow,
          .rule = "client certificate",
          .who = {.username = std::string(*given.certificate_identity)}});
}

} // namespace gv::auth
