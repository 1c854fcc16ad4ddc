// SPDX-License-Identifier: Apache-2.0
// What a node keeps on disk of others: hash64 of the rest (8 bytes, big-endian), then the answer
// that it would give to a push_pull, as it goes over the wire.
#pragma once

#include "cluster/membership_message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gv::cluster {

/// Requires: its body is a push_pull_answer.
[[nodiscard]] std::string to_file(const envelope& members);
/// Nothing if it is not what to_file() gave.
[[nodiscard]] std::optional<envelope> from_file(std::string_view bytes,
                                                const message_limits& limits);

} // namespace gv::cluster
