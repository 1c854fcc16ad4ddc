// SPDX-License-Identifier: Apache-2.0
#include "broker/server/log_settings.hpp"

namespace gv::server {

namespace {

log::level to_level(log_level chosen) {
    switch (chosen) {
    case log_level::error:
        return log::level::error;
    case log_level::warn:
        return log::level::warn;
    case log_level::info:
        return log::level::info;
    case log_level::debug:
        return log::level::debug;
    case log_level::trace:
        return log::level::trace;
    }
    return log::level::info;
}

} // namespace

log::settings log_settings(const options& all) {
    log::settings out;
    out.threshold = to_level(*all.log.level);
    out.shape = *all.log.format == log_format::json ? log::format::json : log::format::text;
    out.destination = *all.log.destination;
    out.node = *all.node.name;
    out.lines_per_second = *all.log.lines_per_second;
    return out;
}

} // namespace gv::server
