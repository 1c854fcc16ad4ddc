// SPDX-License-Identifier: Apache-2.0
// A home as its shard sees it, and what clients and homes have in common when a retained replay is
// read for them.
#pragma once

#include "broker/auth/authoriser.hpp"
#include "broker/router/subscriber.hpp"
#include "broker/session/home.hpp"
#include "broker/shard/client.hpp"
#include "broker/shard/group_queue.hpp"
#include "storage/format.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <memory>

namespace gv::shard {

class home_entry final : public router::subscriber,
                         public replay_holder,
                         public session::home_owner,
                         private session::outbound_log {
  public:
    home_entry(core& owner, const session::home_context& context, std::string_view client_id,
               std::uint64_t number);

    [[nodiscard]] session::home& home() noexcept { return home_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const std::string& client_id() const noexcept { return home_.client_id(); }

    // router::subscriber
    void deliver(const publication& what, const router::grant& how) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] bool is_kept() const override { return true; }
    [[nodiscard]] std::uint64_t client_hash() const override { return home_.client_hash(); }

    // replay_holder
    [[nodiscard]] session::session_state* replay_session() override { return home_.session(); }
    [[nodiscard]] std::size_t replay_rows() override;
    void replay_row(const publication& what, const session::delivery& how) override;

    /// What no other session here gets.
    void take_alone(const publication& what, const session::delivery& how);

  private:
    friend class core;

    [[nodiscard]] partition_id partition() const noexcept {
        return partition_id{static_cast<std::uint16_t>(home_.client_hash() % partition_count)};
    }
    [[nodiscard]] storage::session_key key() const noexcept {
        return key_of(partition(), session_id_);
    }

    // outbound_log, in persist.cpp
    session::written_row row_added(std::uint64_t sequence, const publication& what,
                                   const session::delivery& how) override;
    session::written_row row_changed(std::uint64_t sequence, const session::written_row& where,
                                     const publication& what,
                                     const session::delivery& how) override;
    session::commit_mark row_done(std::uint64_t sequence,
                                  const session::written_row& where) override;
    [[nodiscard]] bool may_replace(const session::written_row& where) const override;
    void run_done(const session::stored_run& run) override;
    void forget_run(const session::stored_run& run) override;
    void rows_done(std::uint64_t first, std::uint64_t end) override;
    void read_rows(const session::row_range& range) override;
    session::commit_mark released(std::uint64_t sequence, const session::written_row& where,
                                  std::uint64_t release, packet_id id) override;
    void release_done(std::uint64_t release) override;
    void reserve(std::uint64_t until, std::uint64_t sent_until) override;
    session::commit_mark sending_begins(std::uint64_t reserved_until) override;
    [[nodiscard]] bool is_durable(session::commit_mark mark) const override;
    void wake_when(session::commit_mark mark) override;

    /// A connection that takes the session over as soon as the present one has left.
    struct successor {
        session::front_address from;
        std::optional<std::string> username;
        session::attach_request request;
        time_point due = never; ///< when it may; never: the present one has been told to leave
    };

    core* core_;
    storage::session_id session_id_{}; ///< of the session that is written down
    session::home home_;
    std::uint64_t number_;
    std::unique_ptr<successor> successor_; ///< null: none
    client* client_ = nullptr;             ///< the connection, if it is on this shard
    /// Who waits for the connection on another shard while that is full. Null: it is not.
    std::unique_ptr<waiting_publishers> waiters_;
    client_timer timer_;
    std::unique_ptr<std::string> username_;           ///< null: anonymous
    std::shared_ptr<const auth::access_view> access_; ///< null: everything is allowed
    std::size_t bytes_pushed_ = 0; ///< to a front on another shard since it last had room
    hybrid_time connected_at_{};   ///< the present connection
    std::uint64_t left_at_ = 0;    ///< by the client, as the record says; 0: it is connected
    /// QoS 2 messages of a client on another node that this node cannot yet count as routed, and
    /// who gives them out. Null: none.
    struct unrouted {
        storage::unrouted_record by;
        boost::unordered_flat_set<std::uint16_t> ids;
    };
    std::unique_ptr<unrouted> unrouted_;
    std::unique_ptr<group_queue> group_; ///< null: the session is that of a client
    /// Its shared subscriptions. Null: none.
    std::unique_ptr<std::vector<queue_membership>> memberships_;
    bool is_moving_ = false; ///< its session goes over to another node
    bool is_stored_ = false; ///< counted among the stored sessions
    bool is_waking_ = false; ///< already among those who wait for the journal
};

/// How a message goes to a session that is granted it so.
[[nodiscard]] session::delivery delivery_of(const publication& what, const router::grant& how);

/// Homes of a shard by client id. The hash is kept in the home, so that a table of pointers does.
struct home_hash {
    using is_transparent = void;
    std::size_t operator()(const home_entry* entry) const noexcept { return entry->client_hash(); }
    std::size_t operator()(std::string_view client_id) const noexcept { return hash64(client_id); }
};
struct home_equal {
    using is_transparent = void;
    bool operator()(const home_entry* a, const home_entry* b) const noexcept { return a == b; }
    bool operator()(std::string_view client_id, const home_entry* entry) const noexcept {
        return entry->client_id() == client_id;
    }
    bool operator()(const home_entry* entry, std::string_view client_id) const noexcept {
        return entry->client_id() == client_id;
    }
};

} // namespace gv::shard
