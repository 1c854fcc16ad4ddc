// SPDX-License-Identifier: Apache-2.0
// /metrics: the text that Prometheus reads. The only place that knows prometheus-cpp.
#pragma once

#include "base/metric_family.hpp"

#include <span>
#include <string>
#include <string_view>

namespace gv::admin {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// The families in the Prometheus text format.
[[nodiscard]] std::string metrics_text(std::span<const metric_family> families);

} // namespace gv::admin
