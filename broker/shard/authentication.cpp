// SPDX-License-Identifier: Apache-2.0
// Who may come in, and what they may do.
#include "base/log.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using session::authentication_answer;
using session::credential_check;

void core::authenticate(session::front& who, credential_check kind,
                        std::optional<std::string_view> password, std::string_view data) {
    client& asking = owner_of(who);
    if (kind != credential_check::plain) {
        run_exchange(asking, kind, data);
        return;
    }
    if (!asking.profile_->authenticator) {
        accept(asking,
               {.username = who.has_username() ? std::optional(who.username()) : std::nullopt}, {});
        return;
    }
    const std::string peer = asking.peer_text();
    const std::optional<std::string> certificate = asking.certificate_identity();
    auth::credentials given{.client_id = who.client_id(),
                            .username = {},
                            .password = password,
                            .listener = asking.profile_->name,
                            .peer_address = peer,
                            .certificate_identity = certificate};
    if (who.has_username()) {
        given.username = who.username();
    }
    asking.profile_->authenticator->authenticate(given, driver_->verdict_for(asking.number_));
}

void core::on_verdict(std::uint64_t connection, auth::verdict verdict) {
    client* asking = find_client(connection);
    if (asking == nullptr) {
        return;
    }
    if (verdict.outcome == auth::decision::allow) {
        accept(*asking, verdict.who, {});
    } else {
        const bool is_busy = verdict.outcome == auth::decision::busy;
        ++(is_busy ? counts_.turned_away_busy : counts_.turned_away);
        log::info({.conn = connection, .client = asking->front_.client_id()}, "client_refused",
                  {{"from", asking->peer_text()}, {"rule", verdict.rule}});
        asking->front_.on_authenticated(
            {.result = authentication_answer::outcome::refused,
             .reason = is_busy ? mqtt::reason_code::server_busy
                               : mqtt::reason_code::bad_user_name_or_password,
             .detail = is_busy ? "too many logins at once, try again"
                               : "user name or password is not right",
             .data = {},
             .username = {}});
    }
    touch(*asking);
    if (!asking->is_ended_) {
        arm(*asking);
        asking->resume_input();
    }
}

void core::run_exchange(client& who, credential_check kind, std::string_view data) {
    auth::exchange_step step;
    if (kind == credential_check::exchange_begin) {
        const auto* method = who.profile_->methods
                                 ? who.profile_->methods->find(who.front_.authentication_method())
                                 : nullptr;
        if (method == nullptr) {
            ++counts_.turned_away;
            who.front_.on_authenticated({.result = authentication_answer::outcome::refused,
                                         .reason = mqtt::reason_code::bad_authentication_method,
                                         .detail = "this authentication method is not offered here",
                                         .data = {},
                                         .username = {}});
            return;
        }
        auth::exchange_context context;
        if (who.front_.state() == session::front::phase::connected) {
            context.bound_to = auth::identity{.username = who.front_.has_username()
                                                              ? std::optional(who.front_.username())
                                                              : std::nullopt};
        }
        who.exchange_ = method->begin(context);
        step = who.exchange_->start(data);
    } else if (who.exchange_) {
        step = who.exchange_->next(data);
    }
    switch (step.state) {
    case auth::exchange_state::proceed:
        who.front_.on_authenticated({.result = authentication_answer::outcome::proceed,
                                     .detail = {},
                                     .data = step.data,
                                     .username = {}});
        return;
    case auth::exchange_state::success:
        who.exchange_.reset();
        accept(who, step.who, step.data);
        return;
    case auth::exchange_state::failure:
        ++counts_.turned_away;
        who.exchange_.reset();
        log::info({.conn = who.number_, .client = who.front_.client_id()}, "client_refused",
                  {{"from", who.peer_text()}, {"rule", step.rule}});
        who.front_.on_authenticated({.result = authentication_answer::outcome::refused,
                                     .reason = mqtt::reason_code::not_authorized,
                                     .detail = "authentication failed",
                                     .data = {},
                                     .username = {}});
        return;
    }
}

void core::accept(client& who, const auth::identity& identity, std::string data) {
    std::optional<std::string_view> name;
    if (identity.username) {
        name = *identity.username;
    }
    ++(name ? counts_.let_in : counts_.let_in_anonymous);
    who.access_ = access_of(who.front_.client_id(), name);
    who.front_.on_authenticated({.result = authentication_answer::outcome::accepted,
                                 .reason = mqtt::reason_code::success,
                                 .detail = {},
                                 .data = std::move(data),
                                 .username = identity.username});
}

std::shared_ptr<const auth::access_view>
core::access_of(std::string_view client_id, std::optional<std::string_view> username) const {
    if (!options_.authoriser) {
        return nullptr;
    }
    auto view = options_.authoriser->view_of({.client_id = client_id, .username = username});
    return view->allows_everything() ? nullptr : view;
}

std::string core::assign_client_id() {
    const std::uint64_t number = ++next_number_;
    const std::uint64_t mixed =
        hash64({reinterpret_cast<const char*>(&number), sizeof number}) ^ options_.id_salt;
    static constexpr char digits[] = "0123456789abcdef";
    std::string id = "auto-";
    for (int shift = 60; shift >= 0; shift -= 4) {
        id.push_back(digits[(mixed >> shift) & 15]);
    }
    return id;
}

session::permission core::may_publish(const session::front& who, std::string_view topic) {
    const client& asking = owner_of(const_cast<session::front&>(who));
    if (topic.starts_with("$SYS/") || topic == "$SYS") {
        return may_publish_sys(who, topic);
    }
    if (!asking.access_) {
        return {};
    }
    const auth::permission found = asking.access_->check(auth::action::publish, topic);
    counts_.publishes_forbidden += found.allowed ? 0U : 1U;
    return {.is_allowed = found.allowed, .rule = found.rule};
}

// The broker's own topics: only the state of a bridge, which Mosquitto keeps there, comes from
// outside.
session::permission core::may_publish_sys(const session::front&, std::string_view topic) {
    const bool is_bridge_state =
        topic.starts_with("$SYS/broker/connection/") && topic.ends_with("/state");
    return {.is_allowed = is_bridge_state, .rule = "$SYS is written by the broker"};
}

session::permission core::may_subscribe(const session::front& who, std::string_view filter) {
    const client& asking = owner_of(const_cast<session::front&>(who));
    if (!asking.access_) {
        return {};
    }
    const auth::permission found = asking.access_->check(auth::action::subscribe, filter);
    counts_.subscriptions_forbidden += found.allowed ? 0U : 1U;
    return {.is_allowed = found.allowed, .rule = found.rule};
}

void core::denied(const session::front& who, std::string_view topic, mqtt::reason_code reason,
                  std::string_view rule) {
    log::info({.client = who.client_id()}, "denied",
              {{"topic", topic}, {"reason", mqtt::reason_name(reason)}, {"rule", rule}});
}

} // namespace gv::shard
