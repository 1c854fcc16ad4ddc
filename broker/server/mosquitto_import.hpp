// SPDX-License-Identifier: Apache-2.0
// What a mosquitto.db holds, as sessions and retained messages of this broker.
#pragma once

#include "base/result.hpp"
#include "broker/server/store_import.hpp"
#include "storage/mosquitto_db.hpp"

#include <string_view>

namespace gv::server {

struct mosquitto_import_options {
    std::string_view name; ///< of the file, for errors
    wall_time now{};
    wall_time written{}; ///< when the file was: nothing in it is newer
    node_id node{};
    boot_id boot{};
    std::size_t shards = 1; ///< of the broker that will use the store
};

/// Reads the file to its end, then adds what is in it. Errors: a problem with its place; nothing
/// was added then.
///
/// A message that Mosquitto holds back until its publisher's PUBREL is given out at once, to the
/// sessions of the file that subscribe to it, and its packet identifier kept: this broker gives out
/// when it has the message.
[[nodiscard]] result<storage::mosquitto_header, problem>
import_mosquitto_db(std::string_view bytes, const mosquitto_import_options& options,
                    store_import& to);

} // namespace gv::server
