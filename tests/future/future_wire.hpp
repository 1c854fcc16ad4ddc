// SPDX-License-Identifier: Apache-2.0
// A later release, made of this one: programs that link future_wire.cpp put fields that this
// release does not know into every message that goes to another node, at every depth, and those
// that know them check what comes back. What of a member's row they add is text of its own, so that
// it can be told who said it.
//
// It steps between the coding of messages (cluster/wire_*.hpp) and who calls it, by the linker; the
// names are in future_wire.cpp and read from there by CMakeLists.txt.
#pragma once

#include "cluster/member.hpp"

#include <string>

namespace google::protobuf {
class Message;
} // namespace google::protobuf

namespace gv::cluster::future {

/// What a later release tells of the node of that name, in its row and in its profile.
[[nodiscard]] std::string unknown_of_row(const std::string& name);
[[nodiscard]] std::string unknown_of_profile(const std::string& name);
/// The feature bit of the later release.
inline constexpr std::uint64_t feature = std::uint64_t{1} << 63;

/// The node that this process has spoken for last, in its life; 0: none yet.
[[nodiscard]] node_id self() noexcept;
[[nodiscard]] boot_id self_boot() noexcept;

/// Adds fields to the message and all within it, rows of members left out.
void add_fields(google::protobuf::Message& message);

} // namespace gv::cluster::future
