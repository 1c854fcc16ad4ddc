// SPDX-License-Identifier: Apache-2.0
// Dates of the store where no time passes: moved from store to store as they are.
#pragma once

#include "storage/format.hpp"

namespace gv::server {

/// Reads a stored date as a time_point that counts from 1970, and writes it back the same. It
/// stands in the year 2100, since a moment clamps what is more than 146 years after it: so every
/// deadline that a client can ask for today, up to 136 years ahead, comes through unchanged.
inline constexpr storage::moment stored_dates{
    .now = time_point(std::chrono::seconds(4'102'444'800)),
    .wall = wall_time(std::chrono::seconds(4'102'444'800))};

} // namespace gv::server
