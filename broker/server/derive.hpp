// SPDX-License-Identifier: Apache-2.0
// From the options, which people write, to the small plain structs that components take.
#pragma once

#include "broker/server/options.hpp"
#include "broker/shard/event_loop.hpp"
#include "broker/transport/listener.hpp"
#include "broker/transport/tls.hpp"

#include <cstddef>

namespace gv::server {

[[nodiscard]] session::session_limits session_limits_of(const options& all, std::size_t shards);
[[nodiscard]] shard::pressure_options pressure_of(const options& all);
[[nodiscard]] shard::event_loop_options event_loop_options_of(const options& all, shard_id me,
                                                              std::size_t shards);
[[nodiscard]] transport::tls_options tls_options_of(const listener_options& listener);
/// What acknowledgements to those who come in there wait for, rules for topics aside.
[[nodiscard]] durability durability_of(const options& all, const listener_options& listener);
[[nodiscard]] bool uses_tls(const listener_options& listener);
/// shards.threads, or one a core.
[[nodiscard]] std::size_t shard_count_of(const options& all);
/// "127.0.0.1:1883", or the name it was given.
[[nodiscard]] std::string listener_name(const listener_options& listener);

} // namespace gv::server
