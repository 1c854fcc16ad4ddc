// SPDX-License-Identifier: Apache-2.0
// What fronts and homes on different nodes say to each other, as bytes: an errand of a lane
// (cluster/lane_format.hpp), whose message is that of a push, the will of an attach, or empty.
// Integers are big-endian; text is preceded by its length as u16.
//
//   errand = kind:u8 fields
//   to the home
//     attach (1)       connection:u64 flags:u8 client:text [username:text] connected:u64
//                      session_expiry:u32 receive_maximum:u16
//                      [delay:u32 what:u8 life:u64]    ; of the will; life in ms, all ones: endless
//     detach (2)       home:u64 epoch:u64 flags:u8 [session_expiry:u32]
//     ack (3)          home:u64 connection:u64 id:u16 type:u8 is_error:u8
//     inbound (4)      home:u64 connection:u64 id:u16 level:u8 is_held:u8
//     confirm (5)      home:u64 connection:u64 id:u16 type:u8 reason:u8
//     room (6)         home:u64 connection:u64
//     load (7)         home:u64 connection:u64 is_full:u8
//     subscribe (8)    home:u64 connection:u64 id:u16 1*(how:u8 subscription_id:u32 filter:text)
//     unsubscribe (9)  home:u64 connection:u64 id:u16 1*(filter:text)
//     handover (10)    partition:u16 number:u64 step:u8 cut:u64
//     rows (11)        partition:u16 number:u64 are_late:u8          ; they are the payload
//     fence (12)       partition:u16 number:u64 after:u64 2(home:u64) ; to all shards
//     fenced (13)      partition:u16 number:u64 shard:u16 shards:u16 at:u64
//     member (14)      queue:u64 member:u64 change:u8 window:u16 name:text
//                      ; of a join, which alone has a name, queue is its number
//     outcome (15)     queue:u64 member:u64 id:u16 outcome:u8
//   to the front
//     push (32)        connection:u64 id:u16 what:u8 flags:u8 *(subscription_id:u32)
//     pubrel (33)      connection:u64 id:u16
//     kick (34)        connection:u64 home:u64 epoch:u64 cause:u8 reason:u8 why:text
//     attached (35)    connection:u64 home:u64 epoch:u64 flags:u8 *(inbound:u16)
//     settled (36)     connection:u64 id:u16 type:u8 is_error:u8 outcome:u8
//     confirmed (37)   connection:u64 id:u16 type:u8 reason:u8
//     subscribed (38)  connection:u64 id:u16 is_removal:u8 1*(reason:u8)
//     detached_all (39) shard:u16
//     member_known (40) member:u64 queue:u64 answer:u8 join:u64 name:text
//                      ; the last two are of an answer to a join
//     group_push (41)  member:u64 queue:u64 id:u16 what:u8 retain:u8
#pragma once

#include "broker/shard/messages.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gv::shard {

/// A word as a lane carries it.
struct errand {
    std::string bytes;
    publication what; ///< its quality says whether the lane counts it. Lifetime: that of the word
};

/// Nothing for a word that is not said between nodes.
[[nodiscard]] std::optional<errand> encode(const shard_message& word);

/// Nothing if the bytes are at fault: nothing of it may be done then. `what`: the message that came
/// with it; what is kept of it is copied.
[[nodiscard]] std::optional<shard_message> decode_errand(std::string_view bytes,
                                                         const publication& what);

/// The shard that a word is for on a node of `shards` shards; nothing: all of them.
/// Requires: one of those that decode_errand() makes.
[[nodiscard]] std::optional<shard_id> receiver_of(const shard_message& word, std::size_t shards);

} // namespace gv::shard
