// SPDX-License-Identifier: Apache-2.0
// Who of a mosquitto.db gets a message of it that is given out at the import.
#pragma once

#include "storage/mosquitto_db.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace gv::server {

struct mosquitto_grant {
    std::uint8_t quality = 0;
    bool as_published = false; ///< with the RETAIN flag of its publisher
    std::vector<std::uint32_t> subscription_ids;
};

/// How one client gets it; nothing: not at all. `wanted` are its subscriptions with valid filters,
/// `groups` the shared ones that have had it, to which those that get it now are added.
[[nodiscard]] std::optional<mosquitto_grant>
grant_of(const storage::mosquitto_message& message, std::string_view client_id,
         std::span<const storage::mosquitto_subscription* const> wanted,
         std::set<std::string_view>& groups);

} // namespace gv::server
