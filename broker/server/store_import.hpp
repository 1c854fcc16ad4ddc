// SPDX-License-Identifier: Apache-2.0
// Adds sessions and retained messages to a store that no broker uses. What is there wins: a session
// stays as it is, and so does a retained message with a newer stamp.
#pragma once

#include "base/result.hpp"
#include "broker/server/stored_dates.hpp"
#include "storage/loading.hpp"
#include "storage/store.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace gv::server {

/// What was added, and what was not.
struct import_summary {
    std::size_t sessions = 0;
    std::size_t subscriptions = 0;
    std::size_t queued = 0;
    std::size_t released = 0; ///< QoS 2 messages whose PUBCOMP is awaited
    std::size_t inbound = 0;  ///< QoS 2 messages whose PUBREL is awaited
    std::size_t retained = 0;
    std::map<std::string, std::size_t> left_out; ///< how many, by what and why
    std::map<std::string, std::size_t> changed;  ///< was added otherwise than it was
};

class store_import {
  public:
    enum class outcome : std::uint8_t { added, kept, no_session };

    /// Lifetime: both outlive it. `before` is what `to` held when it was opened.
    store_import(storage::store& to, const storage::table_source& before);

    /// Dates in what is added are as this reads stored ones.
    static constexpr storage::moment clock = stored_dates;

    outcome add_session(std::string_view client_id, const storage::session_record& record,
                        const storage::queue_record& queue);
    // Of a session that was added.
    outcome add_subscription(std::string_view client_id, std::string_view filter,
                             const storage::subscription_record& record);
    outcome add_row(std::string_view client_id, std::uint64_t sequence, storage::queue_row row,
                    const publication& what);
    outcome add_row(std::string_view client_id, std::uint64_t sequence, storage::queue_row row,
                    const storage::body_id& body, std::uint32_t size);
    outcome add_release(std::string_view client_id, std::uint64_t sequence, packet_id id);
    outcome add_inbound(std::string_view client_id, packet_id id);

    /// Requires: a body of a life of the node that nobody else uses.
    void add_body(const storage::body_id& name, const publication& what);
    outcome add_retained(const publication& what);
    /// Is published at the next start.
    void add_due_will(const storage::will_record& due);

    /// Waits for that node.
    void add_spooled(const storage::spool_place& where, const storage::spooled_row& row);
    /// Wanted by kept sessions of another node. What is there of the same stays.
    void add_route(const storage::route_place& where, const storage::route_row& row);

    /// The node has had this many lives at least: bodies of them were added.
    void set_boot(boot_id boot);

    void leave_out(const std::string& what) { ++summary_.left_out[what]; }

    /// Waits until all of it is on disk. Errors: a problem for a person; then some of it may be.
    [[nodiscard]] result<import_summary, problem> finish();

  private:
    struct session {
        storage::session_key key;
        bool is_kept = false;
        std::set<std::uint16_t> ids; ///< in use
    };

    [[nodiscard]] session* find(std::string_view client_id);
    [[nodiscard]] static outcome why_not(const session* found) {
        return found == nullptr ? outcome::no_session : outcome::kept;
    }
    /// False if the session has one of the same identifier already.
    bool take_id(session& owner, packet_id id);
    void put(storage::table where, std::string_view key, std::string_view value);
    void hand_over();
    void on_progress(const storage::progress& word);

    storage::store& to_;
    const storage::table_source& before_;
    import_summary summary_;
    boost::unordered_flat_map<std::string, session> sessions_;
    std::map<std::string, hybrid_time, std::less<>> retained_; ///< added, by topic
    std::uint16_t due_wills_ = 0;
    storage::batch open_;
    std::uint64_t ticket_ = 0;
    std::string scratch_;
    std::mutex mutex_; ///< over what follows
    std::condition_variable has_progress_;
    std::uint64_t durable_ = 0;
    bool is_lost_ = false;
};

} // namespace gv::server
