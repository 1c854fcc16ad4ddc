// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other about routes. Owner to all: digests, deltas. Replica to owner:
// applied. The rest are questions of a replica that lacks something, and their answers:
//
//   lacks changes                  resend_request    → deltas, or hashes if they are not kept
//   lacks a generation, or differs hashes_request    → hashes
//   lacks rows of some buckets     page_request      → page, until one is the last
//
// No answer is remembered by who gives it: who asks asks again, and ignores what it did not ask
// for.
#pragma once

#include "base/result.hpp"
#include "cluster/route_digest.hpp"

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace gv::cluster {

/// The state of one stream.
struct stream_digest {
    route_destination stream;
    route_generation of;
    route_seq seq = 0;
    std::uint64_t hash = 0;
    std::uint64_t count = 0;
    bool wants_position = false; ///< the owner does not know that this peer has it all
};

struct route_digests {
    boot_id boot;            ///< of the sender
    bool lists_all = false;  ///< every stream that the sender is the author of is here
    bool wants_them = false; ///< the sender has no such list of the receiver
    std::vector<stream_digest> streams;
};

/// Changes first_seq, first_seq + 1, … of one stream.
struct route_deltas {
    route_destination stream;
    route_generation of;
    route_seq first_seq = 0;
    route_seq latest_seq = 0; ///< of the stream; later than the last of these: ask for more
    std::vector<route_change> changes;
};

/// What a replica has: the rows as they were at `applied`, except that changes up to `since` may be
/// missing. 0: none is.
struct stream_position {
    route_destination stream;
    route_generation of;
    route_seq since = 0;
    route_seq applied = 0;
};

struct route_applied {
    boot_id boot; ///< of the sender: what an earlier life of it had is lost
    std::vector<stream_position> positions;
};

struct resend_request {
    route_destination stream;
    route_generation of;
    route_seq after = 0; ///< wanted: all after this one
};

struct hashes_request {
    route_destination stream;
};

struct stream_hashes {
    route_destination stream;
    route_generation of;
    route_seq seq = 0;
    bucket_hashes hashes{};
};

struct page_request {
    route_destination stream;
    route_generation of;
    std::uint64_t number = 0; ///< of the request; comes back in the page
    bucket_set buckets = 0;
    std::uint32_t cursor = 0; ///< 0, or where the page before ended
    std::uint32_t bytes_max = 0;
};

/// Rows of the buckets asked for, as they were at `seq` or later.
struct route_page {
    route_destination stream;
    route_generation of;
    std::uint64_t number = 0;
    route_seq seq = 0;
    std::uint32_t next_cursor = 0;
    bool is_last = false;
    std::vector<route_change> rows; ///< no removals
};

using route_message = std::variant<route_digests, route_deltas, route_applied, resend_request,
                                   hashes_request, stream_hashes, page_request, route_page>;

/// About what a message takes on the wire.
[[nodiscard]] std::size_t bytes_of(const route_message& message) noexcept;
[[nodiscard]] std::size_t bytes_of(const route_change& change) noexcept;

/// Everything that can be told without knowing the streams. Errors: the first fault found.
[[nodiscard]] result<void, route_fault> check(const route_message& message, node_id from,
                                              const route_limits& limits);

/// What check() says of one row; also asked where a row is made, and where one was stored.
[[nodiscard]] result<void, route_fault> check(const route_key& key, const route_limits& limits);
[[nodiscard]] result<void, route_fault> check(const route_key& key, const route_value& value,
                                              const route_limits& limits);

} // namespace gv::cluster
