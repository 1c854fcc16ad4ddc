// SPDX-License-Identifier: Apache-2.0
// A connected client as its shard sees it: the front and what the shard must remember of it. The
// driver derives from it: a socket's connection in the broker, a script in the tests.
#pragma once

#include "base/timer_wheel.hpp"
#include "broker/auth/authentication_exchange.hpp"
#include "broker/auth/authoriser.hpp"
#include "broker/router/subscriber.hpp"
#include "broker/session/front.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <atomic>
#include <memory>
#include <string>

namespace gv::shard {

class core;

/// What a listener says about those who come through it. Immutable, shared by its connections.
struct listener_profile {
    std::string name;
    std::shared_ptr<const auth::authenticator> authenticator; ///< null: everybody may come in
    std::shared_ptr<const auth::authentication_methods> methods;
    bool uses_identity_as_username = false; ///< that of the client's certificate
    durability level = durability::fsync;   ///< of what comes through it
    /// Open connections through this listener, and through all; counted up by who accepts.
    std::shared_ptr<std::atomic<std::uint32_t>> open =
        std::make_shared<std::atomic<std::uint32_t>>();
    std::shared_ptr<std::atomic<std::uint32_t>> open_total =
        std::make_shared<std::atomic<std::uint32_t>>();
};

/// A timer of the wheel that knows what it wakes.
struct client_timer : timer {
    class client* owner = nullptr;
    class home_entry* home = nullptr;
};

/// Whoever a retained replay is read for: the front of a volatile client or a home.
class replay_holder {
  public:
    /// Null if there is no session (any more).
    [[nodiscard]] virtual session::session_state* replay_session() = 0;
    /// Rows that may be given now at the QoS of the current replay.
    [[nodiscard]] virtual std::size_t replay_rows() = 0;
    virtual void replay_row(const publication& what, const session::delivery& how) = 0;
    /// Whether access rules let it have messages of this topic.
    [[nodiscard]] virtual bool may_receive(std::string_view topic) const = 0;
    [[nodiscard]] virtual std::uint64_t client_hash() const = 0;

  protected:
    ~replay_holder() = default;
};

/// Publishers that wait for the same thing: those of this shard, and those of others by number.
struct waiting_publishers {
    ring<class client*> here;
    boost::unordered_flat_set<std::uint64_t> elsewhere;
};

class client : public router::subscriber, public session::front_owner, public replay_holder {
  public:
    client(core& owner, std::shared_ptr<const listener_profile> profile);
    ~client() override;

    // What the driver does on the shard's behalf.

    /// Frames may be taken again: go on with input that was left over, then read.
    virtual void resume_input() = 0;
    /// Send what is in the output, then close; then core::on_closed. Input is of no more interest.
    virtual void end() = 0;
    /// "192.0.2.7:50123", for logs and authentication.
    [[nodiscard]] virtual std::string peer_text() const = 0;
    /// Subject of a verified client certificate that serves as username.
    [[nodiscard]] virtual std::optional<std::string> certificate_identity() const {
        return std::nullopt;
    }

    [[nodiscard]] session::front& front() noexcept { return front_; }
    [[nodiscard]] const session::front& front() const noexcept { return front_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const listener_profile& profile() const noexcept { return *profile_; }

    // router::subscriber, for volatile clients
    void deliver(const publication& what, const router::grant& how) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] std::uint64_t client_hash() const override { return front_.client_hash(); }

    // replay_holder, for volatile clients
    [[nodiscard]] session::session_state* replay_session() override { return front_.own_session(); }
    [[nodiscard]] std::size_t replay_rows() override;
    void replay_row(const publication& what, const session::delivery& how) override;

  private:
    friend class core;
    friend class home_entry;

    core* core_;
    session::front front_;
    std::uint64_t number_;
    std::uint64_t home_ = 0; ///< number that the home's shard gave it
    shard_id home_at_{};     ///< shard or node of the home, once it was asked
    /// What the home is to be asked again when it is back. Null: it is on this node, or keeps the
    /// session.
    std::unique_ptr<session::attach_request> registration_;
    client_timer timer_;
    std::shared_ptr<const listener_profile> profile_;
    std::shared_ptr<const auth::access_view> access_; ///< null: everything is allowed
    std::unique_ptr<auth::authentication_exchange> exchange_;
    /// Only while this client is full or somebody waits for it.
    struct congestion {
        waiting_publishers waiters; ///< held because this client is full
        time_point full_since;
        time_point progress_at;
    };
    std::unique_ptr<congestion> congestion_;
    ring<client*>* held_in_ = nullptr; ///< where this client itself is held
    time_point opened_at_;
    std::uint32_t holds_elsewhere_ = 0; ///< how much on other shards waits for something
    bool is_dirty_ = false;
    bool is_choked_ = false; ///< its input waits for its own output to drain
    bool is_ended_ = false;
    bool is_attached_ = false;
    bool is_registered_ = false; ///< and its home knows of it
    bool wants_room_ = false;
};

} // namespace gv::shard
