// SPDX-License-Identifier: Apache-2.0
// Sessions of a partition go over from one node to another, with their queues, while messages for
// them keep coming. Between the shard that has them and the one that will.
//
//     old home                                     new home
//     who is connected comes off, who comes waits
//     offer, sessions and subscriptions, join  ->  writes them down, marked as arriving;
//                                                  subscribes: what comes is set aside
//                                              <-  joined: all nodes know
//     a cut is drawn after all that any node
//     has dated: what is dated later is given
//     to both, what is dated up to it is here
//     once all shards of all nodes have
//     answered a fence, twice
//     queues up to the cut, finish             ->  writes them down
//                                              <-  arrived: on disk
//     writes the new row of the table down,
//     and it is told to all nodes
//     unsubscribes; what came by a group
//     after the cut, late                      ->  adds what it set aside and is dated after the
//                                                  cut; lets clients in
//                                              <-  taken: all is on disk
//     erases all, erased                       ->
//
// Until the table has the new row, either side may end it: the new home erases what it has, and the
// old one goes on with what it never gave up. From then on the old home has a copy until the new
// one has said `taken`. A crash of either leaves one home, and nothing is lost
// (docs/cluster-protocol-sessions.md).
#pragma once

#include "broker/auth/authoriser.hpp"
#include "broker/router/subscriber.hpp"
#include "broker/session/home.hpp"
#include "broker/shard/messages.hpp"
#include "broker/shard/peer_lanes.hpp"
#include "storage/format.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace gv::shard {

class core;

struct handover_options {
    /// Bytes of rows a second from this shard, all partitions together. Larger: nodes join and
    /// leave sooner. Smaller: less is taken from disk and network while they do.
    std::uint64_t bytes_per_second = std::uint64_t{32} << 20;
    /// Partitions at a time.
    std::size_t partitions_max = 8;
    /// Without any progress for so long it is stopped, and begun anew.
    duration patience = 10s;
    /// After one that was stopped the next is begun so much later; twice as long if that is stopped
    /// too, up to the other. For each node on its own; several that were under way at once count as
    /// one.
    duration pause = 2s;
    duration pause_max = 60s;
    /// What is set aside for all sessions of a partition that arrives; beyond, it is refused.
    std::size_t aside_bytes_max = std::size_t{16} << 20;
};

/// A partition of this shard that another node is to have.
struct handover_order {
    partition_id which;
    shard_id to; ///< a node
    node_id to_node;
    storage::partition_record row{}; ///< of the table, with that home
};

/// What a shard has handed over since its start.
struct handover_counts {
    std::uint64_t stopped = 0;
    std::uint64_t handed_over = 0; ///< partitions
    std::uint64_t taken = 0;       ///< the same, from other nodes
    std::uint64_t sessions = 0;    ///< handed over
    std::uint64_t bytes = 0;       ///< of rows, the same
};

/// What a shard hands over to another node, and gets from it.
struct handover_traffic {
    std::size_t waiting = 0;   ///< partitions with sessions that are to go there
    std::size_t under_way = 0; ///< those that are going
    std::size_t sessions = 0;  ///< of both, still here
    std::size_t arriving = 0;  ///< partitions on their way here
    handover_counts done;      ///< what has gone there since the start
};
struct handover_state {
    std::map<node_id, handover_traffic> by_node;
    /// Why the last one was stopped, if none has been handed over since.
    std::string stopped;
};

/// A client that wants in while its session, or word of where that is, is on its way.
struct parked_attach {
    session::front_address from;
    std::optional<std::string> username;
    session::attach_request request;
    time_point due;
};

using subscriptions = std::map<std::string, session::subscription, std::less<>>;

/// Sessions of a partition that leave this shard.
struct departing_partition {
    enum class phase : std::uint8_t {
        clearing,  ///< clients leave
        writing,   ///< what was gathered goes to disk
        offering,  ///< rows of sessions and subscriptions are sent
        joining,   ///< the new home subscribes
        fencing,   ///< messages up to the cut come
        settling,  ///< and go to disk
        sending,   ///< rows of queues are sent
        arriving,  ///< the new home writes them down
        deciding,  ///< the row of the table goes to disk
        telling,   ///< the table gets it
        awaiting,  ///< the new home joins groups
        leaving,   ///< groups give no more to members here
        following, ///< what came by groups since is sent
        closing,   ///< the new home takes over
        erasing    ///< that all is erased goes to disk
    };
    handover_order order;
    std::uint64_t number = 0;
    /// Its clients look for them there already: as after two tables became one.
    bool is_misplaced = false;
    phase at = phase::clearing;
    time_point begun;
    time_point due = never;       ///< stopped if nothing has happened by then
    time_point next_page = never; ///< may be read then
    std::vector<parked_attach> parked;
    std::size_t to_write = 0; ///< answers of the journal to wait for
    std::uint64_t write = 0;  ///< names them
    std::size_t table_at = 0; ///< of storage::session_tables
    std::string behind;
    bool is_reading = false;
    bool is_page_out = false; ///< the new home has not said that it took it
    bool is_there = false;    ///< the new home has joined groups
    hybrid_time cut{};
    unsigned round = 0;
    std::map<shard_id, std::set<shard_id>> fenced; ///< by party asked: shards that have answered
    std::size_t unfenced = 0;                      ///< parties of which some have not
    /// By session: rows of its queue before this sequence were looked at.
    std::map<std::string, std::uint64_t, std::less<>> read_until;
    /// Shared ones, of the sessions with these numbers, should it be stopped after all.
    std::vector<std::pair<std::uint64_t, subscriptions>> withdrawn;

    /// It can be neither stopped nor begun anew: whether the new home has it is not known.
    [[nodiscard]] bool is_being_decided() const noexcept {
        return at == phase::deciding || at == phase::telling;
    }
    [[nodiscard]] bool is_decided() const noexcept {
        return (!is_misplaced && at >= phase::deciding) || at == phase::erasing;
    }
    [[nodiscard]] bool wants_late() const noexcept { return at == phase::following; }
};

/// A message for a session, until it can be given to it.
struct kept_delivery {
    message_ref what;
    session::delivery how; ///< with the identifiers below
    std::vector<std::uint32_t> subscription_ids;
};

/// A session on its way here: what comes for it is set aside.
class arriving_session final : public router::subscriber {
  public:
    arriving_session(struct arriving_partition& in, std::string_view client_id,
                     std::shared_ptr<const auth::access_view> access);

    void deliver(const publication& what, const router::grant& how) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] bool is_kept() const override { return true; }
    [[nodiscard]] std::uint64_t client_hash() const override { return client_hash_; }
    [[nodiscard]] const std::shared_ptr<const auth::access_view>& access() const noexcept {
        return access_;
    }

    std::string client_id;
    /// The client has a session here: that one goes on, and gets what waits in this one.
    bool is_here = false;
    /// Of such a one that its client has left later than the one here: what it says holds.
    struct later_session {
        std::uint64_t left_before; ///< the one here, as home_entry has it
        storage::session_record record;
        std::vector<session::subscription> wanted;
    };
    std::unique_ptr<later_session> later;
    std::vector<std::string> filters; ///< that it is subscribed to: none of a group
    std::vector<kept_delivery> aside; ///< came here
    std::vector<kept_delivery> sent; ///< rows of the old home that are not written down as they are

  private:
    struct arriving_partition* in_;
    std::uint64_t client_hash_;
    std::shared_ptr<const auth::access_view> access_;
};

/// Sessions of a partition that come to this shard.
struct arriving_partition {
    enum class phase : std::uint8_t {
        filling, ///< rows come
        joining, ///< all nodes hear what the sessions want
        sending, ///< rows of queues come
        writing, ///< all rows up to the cut go to disk
        waiting, ///< for the table
        loading, ///< the sessions are read
        marking, ///< that they are at home here goes to disk
        serving, ///< what comes late is written down
        closing, ///< that goes to disk
        taken    ///< the old home hears so
    };
    partition_id which;
    shard_id from; ///< a node
    std::uint64_t number = 0;
    bool is_merging = false; ///< the partition was at home here before
    phase at = phase::filling;
    hybrid_time cut{};
    std::map<std::string, std::unique_ptr<arriving_session>, std::less<>> sessions; ///< by key
    std::size_t aside_bytes = 0;
    std::size_t to_write = 0;
    std::uint64_t write = 0;     ///< names what is waited for
    std::uint64_t operation = 0; ///< that tells the nodes
    std::vector<parked_attach> parked;
    time_point due = never; ///< the old home is told again then that it is taken
    bool is_late_complete = false;
    bool is_broken = false; ///< not all could be read: the old home keeps its copy

    /// Whether that client has to wait for its session.
    [[nodiscard]] bool is_awaited_by(std::string_view client_id) const {
        const auto is_its = [client_id](const auto& each) {
            return each.second->client_id == client_id && !each.second->is_here;
        };
        return at < phase::serving && (!is_merging || std::ranges::any_of(sessions, is_its));
    }
};

/// A fence that a node has asked for, on one of the shards.
struct fence_watch {
    struct lane_place {
        lane_key lane;
        cluster::lane_seq before = 0; ///< all before are to be taken
    };
    shard_id from;
    fence asked;
    std::size_t to_flush = 0; ///< shards of which something may be on its way to this one
    bool has_flushed = false;
    std::vector<lane_place> lanes;
};

/// All of a shard.
struct handovers {
    explicit handovers(const handover_options& given) : options(given) {}

    handover_options options;
    handover_counts counts;
    std::map<node_id, handover_counts> by_node; ///< that are gone there
    std::string stopped;                        ///< as handover_state has it
    std::vector<handover_order> wanted;
    std::map<partition_id, departing_partition> departures;
    std::map<partition_id, arriving_partition> arrivals;
    /// By the table of their fronts at home here, not by this one: one of the two is about to hear.
    std::vector<parked_attach> early;
    std::map<std::uint64_t, fence_watch> fences;
    /// Of sessions that were handed over to this shard, by key: of these, what is dated up to it
    /// has come with them. As long as the node that had them may have a copy.
    std::map<std::string, hybrid_time, std::less<>> cuts;
    std::uint64_t last_number = 0; ///< of a departure or a fence
    struct pause {
        duration length{};
        time_point until{};
    };
    std::map<node_id, pause> pauses; ///< for new homes, after one that was stopped
    time_point page_at{};            ///< the next may be read then
};

} // namespace gv::shard
