// SPDX-License-Identifier: Apache-2.0
// Relations between options, and between options and the machine.
#pragma once

#include "base/result.hpp"
#include "broker/server/config_source.hpp"
#include "broker/server/options.hpp"

#include <string_view>
#include <vector>

namespace gv::server {

/// Everything that is wrong with options that are each within their range. `origins` gives the
/// places of the problems; without it they are named by option. `refused` are options that hold
/// another value than was wanted: what they are in conflict with is not their fault.
[[nodiscard]] std::vector<problem> validate(const options& all, const origin_map& origins = {},
                                            const path_set& refused = {});

/// Whether that is an address, of either family, as numbers.
[[nodiscard]] bool is_address(std::string_view text);

/// Whether `address` is one of the machine itself: 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(std::string_view address);

/// Whether both are one address, however they are written. Texts that are none are the same if they
/// are equal.
[[nodiscard]] bool is_same_address(std::string_view left, std::string_view right);

/// Whether clients without a user name may come in through `listener`: what it says itself, else
/// what auth.allow_anonymous says, else only on loopback and while there is no password file.
[[nodiscard]] bool allows_anonymous(const options& all, const listener_options& listener);

/// "127.0.0.1:1883", "[::1]:1883".
[[nodiscard]] std::string address_text(std::string_view address, std::uint16_t port);

} // namespace gv::server
