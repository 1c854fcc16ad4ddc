// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "broker/server/options.hpp"

namespace gv::server {

/// What log::configure() is given, at the start and after each reload.
[[nodiscard]] log::settings log_settings(const options& all);

} // namespace gv::server
