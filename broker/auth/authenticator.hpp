// SPDX-License-Identifier: Apache-2.0
// The seam through which a client comes in: who may connect, and as whom. An authenticator looks
// at what a CONNECT carried and says allow, deny, next (somebody else decides) or busy, always
// with the rule that made it say so. Authenticators are immutable: a reload builds new ones and
// hands each shard the new chain.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::auth {

/// What a CONNECT and its connection say about the client. Lifetime: views, valid for the duration
/// of the call that they are passed to; whoever needs them longer copies them.
struct credentials {
    std::string_view client_id;
    std::optional<std::string_view> username;
    std::optional<std::string_view> password; ///< any bytes; MQTT 5 allows it without a username
    std::string_view listener;                ///< name of the listener that accepted the socket
    std::string_view peer_address;            ///< "192.0.2.7:50123", for rules and logs
    /// Subject of a client certificate that the TLS handshake has verified.
    std::optional<std::string_view> certificate_identity;
};

/// Whom the broker takes the client for. A name that was claimed but not proven is not here.
struct identity {
    std::optional<std::string> username; ///< none: anonymous

    friend bool operator==(const identity&, const identity&) = default;
};

enum class decision : std::uint8_t {
    allow,
    deny, ///< CONNACK 0x86 (v3: 4)
    next, ///< not mine to decide
    busy, ///< could not be decided now: CONNACK 0x89 (v3: 3), the client may try again
};

/// One decision on one client.
struct verdict {
    decision outcome = decision::deny;
    /// Which rule decided ("passwords:3", "allow_anonymous"). For the log and the audit trail; it
    /// may tell an unknown user from a wrong password, so it is never sent to the client.
    std::string rule;
    identity who; ///< meaningful with decision::allow
};

/// Called exactly once, unless the process shuts down first; then it is destroyed uncalled.
/// Thread: foreign. It must only post the verdict to the shard of the connection.
using completion = std::move_only_function<void(verdict)>;

/// Decides on clients. Thread-safe: one instance serves all shards.
class authenticator {
  public:
    virtual ~authenticator() = default;
    authenticator() = default;
    authenticator(const authenticator&) = delete;
    authenticator& operator=(const authenticator&) = delete;

    /// Decides on `given` and calls `done`: at once, on the caller's thread, if that is cheap; else
    /// later on another thread. Never blocks the caller. Lifetime: once `done` is called, or handed
    /// to another thread, neither `given` nor this authenticator need exist any more.
    virtual void authenticate(const credentials& given, completion done) const = 0;
};

/// Asks its members in order; the first that does not say `next` decides. If all say `next`, the
/// client is denied.
class authenticator_chain final : public authenticator {
  public:
    using members = std::vector<std::shared_ptr<const authenticator>>;

    explicit authenticator_chain(members in_order);
    void authenticate(const credentials& given, completion done) const override;

  private:
    std::shared_ptr<const members> members_;
};

/// Who gets in without proof.
enum class anonymous_policy : std::uint8_t {
    nobody,           ///< a client without username is denied
    without_username, ///< a client without username is anonymous; others are asked to prove it
    everybody,        ///< no authentication: all are anonymous, whatever name they claim
};

/// Decides, at once, on those who offer no username, or on all.
class anonymous_authenticator final : public authenticator {
  public:
    explicit anonymous_authenticator(anonymous_policy policy) : policy_(policy) {}
    void authenticate(const credentials& given, completion done) const override;

  private:
    anonymous_policy policy_;
};

/// Lets in, at once, whoever has shown a verified certificate; its identity becomes the username.
class certificate_authenticator final : public authenticator {
  public:
    void authenticate(const credentials& given, completion done) const override;
};

} // namespace gv::auth
