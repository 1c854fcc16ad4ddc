// SPDX-License-Identifier: Apache-2.0
// Logs are events: `time level event key=value …`, or the same as one JSON object a line.
//   error: a human must act; warn: degraded; info: life cycle; debug: one a connection; trace: one
//   a packet. Never payloads or secrets. An error is logged where it is decided, once.
// Thread-safe. A level that is off costs one relaxed load. A line is formatted by its caller and
// written by a thread of the log (see log::settings), so that a stuck terminal never stops a shard.
#pragma once

#include "base/time.hpp"

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gv::log {

enum class level : std::uint8_t { error, warn, info, debug, trace };
enum class format : std::uint8_t { text, json };

/// A value of a field. Lifetime: a view, valid for the call it is passed to.
class value {
  public:
    enum class kind : std::uint8_t { text, integer, natural, real, boolean };

    template <typename Text>
        requires std::convertible_to<const Text&, std::string_view>
    value(const Text& text) noexcept : kind_(kind::text), text_(text) {}
    template <std::signed_integral Integer>
    value(Integer integer) noexcept : kind_(kind::integer), integer_(integer) {}
    template <std::unsigned_integral Natural>
    value(Natural natural) noexcept : kind_(kind::natural), natural_(natural) {}
    template <std::floating_point Real>
    value(Real real) noexcept : kind_(kind::real), real_(static_cast<double>(real)) {}
    value(bool boolean) noexcept : kind_(kind::boolean), natural_(boolean ? 1 : 0) {}

    [[nodiscard]] kind type() const noexcept { return kind_; }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] std::int64_t integer() const noexcept { return integer_; }
    [[nodiscard]] std::uint64_t natural() const noexcept { return natural_; }
    [[nodiscard]] double real() const noexcept { return real_; }

  private:
    kind kind_;
    union {
        std::string_view text_;
        std::int64_t integer_;
        std::uint64_t natural_;
        double real_;
    };
};

/// `key` is a static word in snake_case.
struct field {
    std::string_view key;
    value content;
};
using fields = std::initializer_list<field>;

/// Who an event is about, before its fields. Cheap to make: a connection builds one when it logs
/// instead of keeping one. Lifetime: `client` must outlive the calls.
struct prefix {
    std::uint64_t conn = 0;    ///< number of the connection; 0: none, left out
    std::string_view client{}; ///< client identifier; empty: left out
};

namespace detail {
// The one mutable global of the program: a level must be readable everywhere at no cost.
inline std::atomic<level> threshold{level::info};
} // namespace detail

/// Whether lines of `wanted` are written: ask before computing fields that cost something.
[[nodiscard]] inline bool enabled(level wanted) noexcept {
    return wanted <= detail::threshold.load(std::memory_order_relaxed);
}

/// Writes one line whatever the threshold; use error(), warn(), info(), debug(), trace().
void write(level severity, const prefix& who, std::string_view event, fields content);

inline void event(level severity, const prefix& who, std::string_view name, fields content = {}) {
    if (enabled(severity)) {
        write(severity, who, name, content);
    }
}

/// `name` is a static word in snake_case; lines are counted and limited by it.
inline void error(std::string_view name, fields content = {}) {
    event(level::error, {}, name, content);
}
inline void warn(std::string_view name, fields content = {}) {
    event(level::warn, {}, name, content);
}
inline void info(std::string_view name, fields content = {}) {
    event(level::info, {}, name, content);
}
inline void debug(std::string_view name, fields content = {}) {
    event(level::debug, {}, name, content);
}
inline void trace(std::string_view name, fields content = {}) {
    event(level::trace, {}, name, content);
}
inline void error(const prefix& who, std::string_view name, fields content = {}) {
    event(level::error, who, name, content);
}
inline void warn(const prefix& who, std::string_view name, fields content = {}) {
    event(level::warn, who, name, content);
}
inline void info(const prefix& who, std::string_view name, fields content = {}) {
    event(level::info, who, name, content);
}
inline void debug(const prefix& who, std::string_view name, fields content = {}) {
    event(level::debug, who, name, content);
}
inline void trace(const prefix& who, std::string_view name, fields content = {}) {
    event(level::trace, who, name, content);
}

struct settings {
    level threshold = level::info;
    format shape = format::text;
    /// "stderr", "syslog", or the path of a file, appended to.
    std::string destination = "stderr";
    /// Name of the node, on every line if not empty.
    std::string node{};
    /// Lines of one event in one second; more are counted and reported as one line with
    /// `suppressed=n`. 0: no limit.
    std::uint32_t lines_per_second = 100;
    /// If set, gets each line (without line end) at once instead of the destination: for tests.
    std::function<void(std::string_view)> sink{};
    /// If set, tells the time instead of the system clock: for tests.
    std::function<wall_time()> now{};
};

/// Applies settings, now and whenever they change; opens a file anew, so that it is also what
/// SIGHUP does for rotated files. Before the first call lines go to stderr at once. Starts a
/// thread: call it after forking. Returns an empty text, or why the destination cannot be opened;
/// then nothing has changed.
[[nodiscard]] std::string configure(const settings& wanted);

/// Reports what was suppressed and not yet reported; call it about once a second.
void report_suppressed();

/// Writes everything out, ends the thread of the log, and goes on with stderr at once. Call it last
/// in main().
void shutdown();

} // namespace gv::log
