// SPDX-License-Identifier: Apache-2.0
// Answers to an operator as text for a person, and as JSON for machines.
#pragma once

#include "broker/server/cluster_setup.hpp"
#include "cluster/operator_answers.hpp"

#include <string>
#include <string_view>

namespace gv::server {

/// The same with control characters, and bytes that are not UTF-8, escaped: what comes from another
/// node must not steer a terminal. Escapes of control characters are those of JSON.
[[nodiscard]] std::string printable(std::string_view text);

/// Whether every registered member is alive; who has left counts no more.
[[nodiscard]] bool is_whole(const cluster::operator_status& status);

/// A line of the node, and a table of all members.
[[nodiscard]] std::string status_text(const cluster::operator_status& status);
/// One object in one line; fields that are not known are absent.
[[nodiscard]] std::string status_json(const cluster::operator_status& status);

/// What is wrong, where, and what to do.
[[nodiscard]] std::string problem_text(const problem& wrong);
[[nodiscard]] std::string found_text(const cluster::operator_found& found);
/// What `join --discard` is about to erase.
[[nodiscard]] std::string discard_text(const cluster::operator_status& before);
/// What became of the sessions of a node that has gone over to another table.
[[nodiscard]] std::string united_text(const cluster::operator_join& done,
                                      cluster::own_sessions what);
[[nodiscard]] std::string leave_text(const cluster::operator_leave& left);
[[nodiscard]] std::string drain_text(const cluster::operator_leave& drained);
[[nodiscard]] std::string forget_text(const cluster::operator_forget& forgotten);

/// What was made, where, and what to do next.
[[nodiscard]] std::string setup_text(const cluster_setup& made, std::string_view what,
                                     std::string_view next);
/// How a token is used.
[[nodiscard]] std::string token_hint(const cluster::join_token& token);

} // namespace gv::server
