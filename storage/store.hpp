// SPDX-License-Identifier: Apache-2.0
// The seam between the shards and whatever keeps their state: batches go in, and word comes back
// when they are on disk. A shard acknowledges what it promised after that word, never before.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "base/result.hpp"
#include "storage/batch.hpp"
#include "storage/format.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gv::storage {

/// Something that several shards write down at once or not at all: a QoS 2 message with the
/// identifier under which it came, which live on different shards. Unique for the life of the
/// process.
using transaction_id = strong_id<struct transaction_id_tag, std::uint64_t>;

/// A way on which a transaction reaches another part. Whoever makes a part may open further
/// branches; each ends in one part, on whatever shard.
struct branch {
    transaction_id transaction; ///< 0: none
    std::uint64_t name = 0;     ///< unlike that of any other; 0: where the transaction begins
};

/// What one shard adds to a transaction. Each branch is named twice, by the part that opened it and
/// by the one in which it ends, so the exclusive or of all names is 0 when no part is missing.
struct part {
    transaction_id id;
    std::uint64_t names = 0; ///< exclusive or of the branch that ends here and those opened here
    batch operations;
    durability wants = durability::fsync; ///< of the strictest operation
};

/// What a shard hands over in one turn.
struct hand_over {
    std::uint64_t ticket = 0; ///< grows by one with each of a shard, from 1
    batch operations;
    std::vector<part> parts;
    durability wants = durability::fsync; ///< of the strictest operation, parts aside
};

/// Word for one shard.
struct progress {
    std::uint64_t durable = 0; ///< all its tickets up to here are as durable as each wants
    std::vector<transaction_id> transactions; ///< complete, and so as well, since the last word
    bool is_lost = false; ///< the store writes no more; what was not durable never will be
    /// The disk is full: what was handed over waits until there is room, and a later word says so.
    bool is_stalled = false;
};

struct stored_row {
    std::uint64_t sequence = 0;
    std::string value; ///< a queue row
    std::string body;  ///< the message, if the row does not hold it
};

/// Neighbours in a queue, without what is in them. Bodies that they share are in one bucket.
struct stored_rows {
    static constexpr std::uint32_t rows_max = 1'024;

    std::uint64_t first = 0;
    std::uint64_t end = 0;  ///< behind the last
    std::uint64_t size = 0; ///< bytes of topics, properties and payloads
    std::uint32_t rows = 0;
    std::uint32_t bodies = 0; ///< how many of the rows have theirs in `bucket`
    storage::bucket bucket{};
};

/// A row of which only the newest of its topic is kept.
struct stored_newest {
    std::uint64_t topic = 0; ///< hash64
    std::uint64_t sequence = 0;
    std::uint64_t size = 0;                ///< bytes of topic, properties and payload
    std::optional<storage::bucket> bucket; ///< of its body, if it is there
};

/// What there is of one partition, for another node or from one.
enum class partition_read : std::uint8_t {
    none,
    rows,    ///< of one table, as they are, but that no row of a queue refers to a body
    sessions ///< put together as at start
};

/// Tables in which sessions have rows, in the order in which they are handed over.
inline constexpr table session_tables[] = {table::sessions, table::subscriptions, table::queue_meta,
                                           table::queue, table::small};

/// Rows of a queue, wanted again: those from `first` up to, without, `end`, as many as the limits
/// allow, and one at least.
struct read_request {
    std::uint64_t reader = 0; ///< comes back with the answer
    partition_id partition;
    session_id session;
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint32_t rows_max = 0;
    std::uint32_t bytes_max = 0;
    std::optional<spool_lane> spool{}; ///< then of this spool, and not of a session's queue
    /// Then of all sessions of the partition; of rows, those of a table behind a key.
    partition_read whole = partition_read::none;
    table where = table::sessions;
    std::string behind{};
};

/// One session as it was left.
struct stored_session {
    partition_id partition;
    std::string client_id;
    session_record record;
    queue_record queue;
    std::vector<std::pair<std::string, subscription_record>> subscriptions; ///< by filter
    std::vector<stored_rows> rows;                                          ///< in order
    std::vector<stored_newest> newest;                                      ///< in order
    std::vector<std::pair<std::uint64_t, packet_id>> releases;              ///< in order
    std::vector<packet_id> inbound;
    std::vector<std::pair<packet_id, unrouted_record>> unrouted; ///< of those
    std::optional<arriving_record> arriving;                     ///< it came from another node
};

/// What was read.
struct read_answer {
    std::uint64_t reader = 0;
    session_id session;
    std::vector<stored_row> rows; ///< in order
    std::uint64_t read_until = 0; ///< there are no others before
    bool is_broken = false;       ///< something could not be read; the rows are what could
    std::optional<spool_lane> spool{};
    partition_read whole = partition_read::none;
    partition_id partition{};
    std::vector<std::pair<std::string, std::string>> raw{}; ///< by key
    bool is_last = false;                                   ///< no others are behind these
    std::vector<stored_session> sessions{};
};

/// Whether it is to be restored; else it is still with the node that would hand it over, and its
/// rows are to be erased. `is_home`: this node is the home of its partition, as far as it knows.
[[nodiscard]] constexpr bool is_here(const stored_session& session, bool is_home) noexcept {
    return !session.arriving || session.arriving->state == arriving_state::at_home
           || (is_home && session.arriving->state == arriving_state::on_its_way);
}

/// What there is in the spool of one lane.
struct spool_left {
    spool_lane of;
    std::uint64_t first = 0; ///< number of the first row
    std::uint64_t last = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0; ///< of their messages
};

struct store_counts {
    bool is_writable = true;
    bool is_stalled = false;  ///< not writable for want of room, which may come
    std::uint64_t groups = 0; ///< written at once, each of many hand-overs
    std::uint64_t operations = 0;
    std::uint64_t bytes = 0; ///< of keys and values in them
    std::uint64_t syncs = 0;
    std::uint64_t sync_nanoseconds = 0;
    std::uint64_t resumes = 0; ///< the disk had been full
    std::uint64_t stalled_nanoseconds = 0;
    std::uint64_t rows_read = 0;       ///< of queues, again
    std::uint64_t damaged_files = 0;   ///< set aside when it was opened
    std::uint64_t lost_operations = 0; ///< acknowledged, and not there when it was opened
    std::uint64_t files_verified = 0;  ///< read again in the background, and whole
    std::uint64_t files_rotten = 0;    ///< and not
    std::uint64_t rows_lost = 0;       ///< unreadable since and when it was opened, at least
};

/// Takes what a store holds, at start.
class store_reader {
  public:
    /// All of them, once; after the table of partitions.
    virtual void on_sessions(std::vector<stored_session> found) = 0;
    /// Lifetime: both are valid during the call.
    virtual void on_retained(std::string_view topic, std::string_view message) = 0;
    /// After these: one for each shard that there was. Of a node that is in no cluster, none.
    virtual void on_claim(shard_id, const claim_record&) {}
    /// Which table of partitions the node goes by, and then each row of it.
    virtual void on_founding(const founding_record&) {}
    virtual void on_partition(partition_id, const partition_record&) {}
    /// There are bodies of this bucket. After all sessions.
    virtual void on_bucket(const bucket& found) = 0;
    /// A will that was being published. Lifetime: the key is valid during the call.
    virtual void on_due_will(std::string_view key, will_record found) = 0;
    /// A row of no session: the session ended, and a crash left the row behind.
    virtual void on_stray(table where, std::string_view key) = 0;
    /// Messages wait for another node. Once a lane.
    virtual void on_spool(const spool_left& found) = 0;
    /// What kept sessions of another node want. Those of one node follow each other. Lifetime: the
    /// texts are valid during the call.
    virtual void on_route(const route_place&, const route_row&) {}

  protected:
    ~store_reader() = default;
};

class store {
  public:
    virtual ~store() = default;

    /// Who this node is, and how often it has started, this time included.
    [[nodiscard]] virtual const node_record& node() const noexcept = 0;
    /// No stamp in the store is newer.
    [[nodiscard]] virtual hybrid_time last_stamp() const noexcept = 0;
    /// Reads everything but what was handed over since it was opened. What is damaged is left out,
    /// counted and told to the log. Errors: a problem that names the folder; what was read until
    /// then has been given to `to`.
    [[nodiscard]] virtual result<void, problem> load(store_reader& to) = 0;

    /// Where word for a shard goes; called on a thread of the store. Before the first commit().
    virtual void listen(shard_id shard, std::function<void(progress)> to,
                        std::function<void(read_answer)> rows_to) = 0;
    /// Thread-safe. Hand-overs of one shard take effect in their order.
    virtual void commit(shard_id from, hand_over what) = 0;
    /// Thread-safe. Answered on a thread of the store. What was durable when it was asked is seen.
    virtual void read(shard_id from, read_request what) = 0;
    /// Thread-safe.
    [[nodiscard]] virtual store_counts counts() const = 0;
    /// Writes and syncs what was handed over, and ends; on a full disk it ends without. Nobody may
    /// call commit() any more.
    virtual void close() = 0;
};

} // namespace gv::storage
