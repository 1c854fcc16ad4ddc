// SPDX-License-Identifier: Apache-2.0
// The language of the cases. A step is [who, verb, details?, expectation?]; `who` is a client of
// the case, made by its first step, or "time" or "case" (docs/conformance-cases.md). In
// short, with P a packet or a pattern as in wire.hpp and match.hpp:
//
//   opens                          a network connection, nothing sent
//   connects    CONNECT?, P?       opens if need be, sends CONNECT, expects CONNACK 0 (and P)
//   tries       CONNECT            opens if need be and sends CONNECT
//   logs_in     CONNECT with {"scram": {"username", "password"}}, P?
//                                  CONNECT, AUTH, AUTH, CONNACK of SCRAM-SHA-256
//   logs_in_again {"username", "password"}   AUTH 0x19, AUTH, AUTH, AUTH 0
//   sends       P or [P...]        a list goes out in one write
//   sends_raw   hex or text form   any bytes
//   subscribes  filter or SUBSCRIBE, {"reasons": [...]}?    and expects SUBACK
//   fails_to_subscribe filter or SUBSCRIBE    every code of the SUBACK is 0x80 or above, or closed
//   unsubscribes filter or UNSUBSCRIBE, P?                  and expects UNSUBACK
//   publishes   PUBLISH, P?        and goes through its acknowledgements
//   pings                          PINGREQ, PINGRESP: the connection is alive
//   expects     P                  the next packet
//   expects_any [P...]             the next packets, in any order
//   receives    PUBLISH pattern    the next packet, acknowledged; "topic" is the resolved topic
//   receives_any [pattern...]      the next packets, in any order, acknowledged
//   gets_nothing                   all is handled and nothing came; the connection is open
//   is_open                        nothing came and the connection is open, without asking
//   is_closed   {"reason": r}?     v5: DISCONNECT r, then the end; earlier: the end at once.
//                                  Without r: the end, with any DISCONNECT or none
//   is_refused  {"reason": r, "return_code": c}   CONNACK with r (v5) or c (earlier; null: no
//                                  CONNACK), then the end; "optional": true: CONNACK may be left
//                                  out
//   disconnects DISCONNECT?        sends DISCONNECT, expects the end
//   cuts                           the connection breaks
//   time passes seconds
//   case distinct ["@a", "@b"]     the named values all differ
//
// CONNECT defaults: client_id is the client's name, clean_start true; "persistent": true means
// clean_start false and, in v5, a session expiry of an hour. "version": 3, 4 or 5 where it is not
// the case's. Packet identifiers left out are chosen.
#pragma once

#include "tests/conformance/cases.hpp"
#include "tests/conformance/world.hpp"

#include <string>

namespace gv::conformance {

/// Runs the case; returns what went wrong with the place in the case and the exchange up to there,
/// or nothing.
[[nodiscard]] std::string run_case(const test_case& what, protocol_level level, world& where);

/// What is wrong with the steps themselves (unknown verb, wrong shape), or nothing.
[[nodiscard]] std::string check_steps(const json& steps);

} // namespace gv::conformance
