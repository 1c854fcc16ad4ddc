// SPDX-License-Identifier: Apache-2.0
// A home as its shard sees it, and what clients and homes have in common when a retained replay is
// read for them.
#pragma once

#include "broker/auth/authoriser.hpp"
#include "broker/router/subscriber.hpp"
#include "broker/session/home.hpp"
#include "broker/shard/client.hpp"

#include <memory>

namespace gv::shard {

class home_entry final : public router::subscriber,
                         public replay_holder,
                         public session::home_owner {
  public:
    home_entry(core& owner, const session::home_context& context, std::string_view client_id,
               std::uint64_t number);

    [[nodiscard]] session::home& home() noexcept { return home_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const std::string& client_id() const noexcept { return home_.client_id(); }

    // router::subscriber
    void deliver(const publication& what, const router::grant& how) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] std::uint64_t client_hash() const override { return home_.client_hash(); }

    // replay_holder
    [[nodiscard]] session::session_state* replay_session() override { return home_.session(); }
    [[nodiscard]] std::size_t replay_rows() override;
    void replay_row(const publication& what, const session::delivery& how) override {
        home_.on_replay_row(what, how);
    }

  private:
    friend class core;

    /// A connection that takes the session over as soon as the present one has left.
    struct successor {
        session::front_address from;
        std::optional<std::string> username;
        session::attach_request request;
    };

    core* core_;
    session::home home_;
    std::uint64_t number_;
    std::unique_ptr<std::vector<successor>> successors_; ///< null: none
    client* client_ = nullptr;                           ///< the connection, if it is on this shard
    client_timer timer_;
    std::unique_ptr<std::string> username_;           ///< null: anonymous
    std::shared_ptr<const auth::access_view> access_; ///< null: everything is allowed
    std::size_t bytes_pushed_ = 0; ///< to a front on another shard since it last had room
    bool is_stored_ = false;       ///< counted among the stored sessions
};

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
