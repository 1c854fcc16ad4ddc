// SPDX-License-Identifier: Apache-2.0
// The home of a client: what must be in one place whichever connection the client has. It lives on
// the shard of the client's partition. It registers the connection (attach epoch), keeps the will,
// and for a persistent session all of its state; the front sends and receives for it. A takeover
// moves nothing: the old front is kicked, and when it has left (all that it had to say, its last
// acknowledgements and identifiers, has come by then) the new one is attached.
//
//   state     input                     effects                             next
//   new       attach                    answer                              attached
//   attached  takeover                  kick                                attached
//   attached  detach, session goes on   will due after its delay            away
//   attached  detach, session ends      will, ended                         gone
//   attached  its node is lost          will due after its delay, but not   away, or lost: gone but
//                                       before the wait of the notice       for the will
//   lost      attach                    will cancelled, answer              attached
//   lost      a late word that the      will cancelled                      gone
//             client said goodbye
//   lost      deadline of the will      will                                gone
//   away      attach, not clean         will cancelled, answer, resend      attached
//   away      attach, clean             will, new session, answer           attached
//   away      deadline of the will      will                                away
//   away      deadline of the session   will if still due, ended            gone
#pragma once

#include "broker/session/effects.hpp"
#include "broker/session/limits.hpp"
#include "broker/session/session_state.hpp"

#include <memory>
#include <optional>
#include <string>

namespace gv::session {

class home;

/// Whoever holds a home; effects find it again from the home.
class home_owner {
  protected:
    ~home_owner() = default;
};

/// A connection, anywhere on this node.
struct front_address {
    shard_id shard;
    std::uint64_t connection = 0;
    friend bool operator==(front_address, front_address) = default;
};

class home_effects {
  public:
    virtual void answer_attach(home& from, front_address to, attached answer) = 0;
    virtual void kick(home& from, front_address to, close_cause cause, mqtt::reason_code reason,
                      std::string_view why) = 0;
    virtual void push(home& from, front_address to, const publication& what,
                      const delivery& how) = 0;
    virtual void push_pubrel(home& from, front_address to, packet_id id) = 0;
    [[nodiscard]] virtual bool has_room(const home& from, front_address to) const = 0;
    /// Publishes in the name of the client. Lifetime: `what` is valid during the call.
    virtual void publish_will(home& from, const publication& what) = 0;
    /// The stored state has ended: its subscriptions are to be withdrawn before this returns.
    virtual void session_ended(home& from, session_state& state) = 0;
    virtual void dropped(drop_reason reason) = 0;
    /// See outbound_sink.
    virtual void group_settled(home& from, group_origin group) = 0;
    virtual void loan_kept(home& from, group_origin loan) {
        static_cast<void>(from);
        static_cast<void>(loan);
    }
    virtual void loan_returned(home& from, group_origin loan) {
        static_cast<void>(from);
        static_cast<void>(loan);
    }

  protected:
    ~home_effects() = default;
};

/// What of a session is written down beside its rows and subscriptions.
struct stored_registration {
    attach_epoch epoch;
    std::uint32_t session_expiry = 0;
    time_point left_at = never; ///< never: a client was connected
    std::optional<will_message> will;
};

struct home_context {
    const turn* now;
    const session_limits* limits;
    queue_account* queued;
    home_effects* effects;
    user_accounts* users; ///< null: nothing is limited by user
};

class home : private outbound_sink {
  public:
    /// `log` is null if the session is not written down.
    home(const home_context& context, home_owner& owner, std::string_view client_id,
         outbound_log* log = nullptr);
    home(const home&) = delete;
    home& operator=(const home&) = delete;

    /// Whose limit its queue counts for from now on; empty: those without a name.
    void set_user(std::string_view name);
    /// The session as it was stored; its rows follow through session()->out. Requires: new. A
    /// client that was connected then is gone since now.
    void restore(stored_registration before);
    /// For the record of the session.
    [[nodiscard]] std::uint32_t session_expiry() const noexcept { return session_expiry_; }
    [[nodiscard]] const will_message* will() const noexcept { return will_.get(); }
    /// Of a will that waits since the node of the front was lost: how long it still does, for the
    /// record. Nothing: its own delay says it.
    [[nodiscard]] std::optional<std::chrono::seconds> will_wait() const noexcept;

    /// Requires: no front is attached.
    void on_attach(front_address from, attach_request request);
    /// The client is sent away and will come back: its will is due so much later at least.
    void delay_will(std::chrono::seconds least);
    /// Another front wants in: kicks the present one. on_detach() follows, maybe before this
    /// returns.
    void take_over();
    void on_detach(attach_epoch epoch, const detach_notice& notice);
    /// A client whose connection was lost with that party is connected there no more, for certain:
    /// what its will still waits is the delay, or `grace` from now on.
    void on_certain_loss(shard_id party, duration grace);
    /// After restore(): the will of a client that was connected waits for `grace` from now on.
    void await_clients(duration grace);
    /// Returns what the client did wrong, for the front to judge.
    outbound::ack on_ack(const delivery_ack& ack);
    void hold_inbound(packet_id id) {
        if (session_) {
            session_->inbound.insert(id.value);
        }
    }
    void release_inbound(packet_id id) {
        if (session_) {
            session_->inbound.erase(id.value);
        }
    }
    void on_delivery(const publication& what, const delivery& how);
    void on_replay_row(const publication& what, const delivery& how);
    /// Whether a loan would go out to the client now.
    [[nodiscard]] bool takes_loan(qos quality) const {
        return session_ && front_ && session_->out.takes_loan(quality, *this);
    }
    /// The front has room again.
    void on_room();
    /// What the session waited for is on disk.
    void on_durable();
    /// Rows of the queue that were read again.
    void on_page(std::vector<queued_row> rows, std::uint64_t read_until);
    void on_deadline();
    [[nodiscard]] time_point next_deadline() const noexcept;
    /// Ends the session wherever it stands; the connection is kicked. Publishes no will.
    void remove();

    /// The session goes on as another one of the client would have, which that has left later.
    /// Requires: there is one, and no front is attached.
    void adopt(std::uint32_t session_expiry, time_point left_at);
    /// The session goes on elsewhere: it ends here as in remove(). Requires: no front is attached.
    void let_go();

    [[nodiscard]] home_owner& owner() const noexcept { return *owner_; }
    [[nodiscard]] const std::string& client_id() const noexcept { return client_id_; }
    [[nodiscard]] std::uint64_t client_hash() const noexcept { return client_hash_; }
    [[nodiscard]] attach_epoch epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::optional<front_address> front() const noexcept { return front_; }
    [[nodiscard]] session_state* session() noexcept { return session_.get(); }
    /// Nobody is connected and nothing is left to keep: the registration may go.
    [[nodiscard]] bool is_gone() const noexcept { return !front_ && !session_ && !will_; }

  private:
    void make_session();
    void await_return(time_point left_at);
    void await_sign_of_life(front_address lost, duration at_least);
    void drop_will() noexcept;
    [[nodiscard]] bool is_will_held() const noexcept { return will_ && will_->lost_at != never; }
    void settle_previous(const attach_request& next);
    void publish_will();
    void end_session();

    // outbound_sink
    void transmit(const publication& what, const delivery& how) override;
    void transmit_pubrel(packet_id id) override;
    [[nodiscard]] bool has_room() const override;
    void dropped(drop_reason reason) override { context_->effects->dropped(reason); }
    void group_settled(group_origin group) override {
        context_->effects->group_settled(*this, group);
    }
    void loan_kept(group_origin loan) override { context_->effects->loan_kept(*this, loan); }
    void loan_returned(group_origin loan) override {
        context_->effects->loan_returned(*this, loan);
    }

    [[nodiscard]] time_point now() const noexcept { return context_->now->now; }

    struct kept_will : will_message {
        time_point lost_at = never; ///< not never: it waits, since the client may be connected
        shard_id lost_with{};       ///< the node that is held for dead
    };

    const home_context* context_;
    home_owner* owner_;
    outbound_log* log_;
    std::string client_id_;
    std::uint64_t client_hash_;
    attach_epoch epoch_;
    std::optional<front_address> front_;
    std::unique_ptr<session_state> session_;
    std::shared_ptr<user_account> user_;
    std::unique_ptr<kept_will> will_;
    time_point will_due_ = never;
    time_point expires_ = never;
    std::uint32_t session_expiry_ = 0;
};

} // namespace gv::session
