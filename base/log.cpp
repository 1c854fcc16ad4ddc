// SPDX-License-Identifier: Apache-2.0
// The home of spdlog: it brings the queue, the thread that empties it, and the destinations. Lines
// are made by base/log_line.cpp before they are queued, so nothing queued points into a caller.
#include "base/log.hpp"

#include "base/log_line.hpp"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace gv::log {

namespace {

/// Lines that may wait for a stuck destination; then the oldest are lost, and counted.
constexpr std::size_t queue_lines_max = 8192;

/// Where lines go, with the settings they are made by. Immutable once made, thread-safe. The pool
/// comes last, so that it ends first: its thread drains the queue into the logger and is joined.
struct output {
    settings chosen;
    std::unique_ptr<std::mutex> sink_mutex = std::make_unique<std::mutex>();
    std::shared_ptr<spdlog::logger> logger;
    std::shared_ptr<spdlog::details::thread_pool> pool;
};

/// Lines of one event in the present second.
struct window {
    std::int64_t second = 0;
    std::uint32_t lines = 0;
    std::uint64_t suppressed = 0;
    level severity = level::info;
};

struct suppressed_event {
    std::string event;
    window counted;
};

/// Whether a line may go out, and what must be reported before it.
struct verdict {
    bool is_written = true;
    std::uint64_t suppressed_before = 0;
};

/// The state of the log, with the mutex that guards it.
class log_state {
  public:
    [[nodiscard]] std::shared_ptr<const output> present() const {
        const std::lock_guard guard(mutex_);
        return output_;
    }

    /// Returns the output that was there before, to be destroyed without the lock.
    std::shared_ptr<const output> replace(std::shared_ptr<const output> next) {
        const std::lock_guard guard(mutex_);
        return std::exchange(output_, std::move(next));
    }

    verdict admit(std::string_view event, level severity, std::int64_t second,
                  std::uint32_t lines_max) {
        const std::lock_guard guard(mutex_);
        auto found = windows_.find(event);
        if (found == windows_.end()) {
            found = windows_.emplace(event, window{}).first;
        }
        window& counted = found->second;
        verdict answer;
        if (counted.second != second) {
            answer.suppressed_before = counted.suppressed;
            counted = {.second = second, .severity = severity};
        }
        if (lines_max != 0 && counted.lines >= lines_max) {
            ++counted.suppressed;
            answer.is_written = false;
        }
        ++counted.lines;
        return answer;
    }

    /// Takes what was suppressed in seconds other than `second`.
    std::vector<suppressed_event> take_suppressed(std::int64_t second) {
        const std::lock_guard guard(mutex_);
        std::vector<suppressed_event> taken;
        for (auto& [event, counted] : windows_) {
            if (counted.suppressed != 0 && counted.second != second) {
                taken.push_back({event, counted});
                counted.suppressed = 0;
            }
        }
        return taken;
    }

    /// How many lines were lost in the queue since the last call.
    std::uint64_t take_lost(const output& now) {
        const std::lock_guard guard(mutex_);
        const std::uint64_t lost = now.pool == nullptr ? 0 : now.pool->overrun_counter();
        return lost - std::exchange(lost_reported_, lost);
    }

    void forget_lost() {
        const std::lock_guard guard(mutex_);
        lost_reported_ = 0;
    }

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const output> output_ = std::make_shared<output>();
    // Keys are the static words of the program, so the table has an end.
    std::map<std::string, window, std::less<>> windows_;
    std::uint64_t lost_reported_ = 0;
};

/// Never destroyed: threads may log until the process ends.
log_state& state() {
    static log_state& only = *new log_state;
    return only;
}

spdlog::level::level_enum to_spdlog(level severity) {
    switch (severity) {
    case level::error:
        return spdlog::level::err;
    case level::warn:
        return spdlog::level::warn;
    case level::info:
        return spdlog::level::info;
    case level::debug:
        return spdlog::level::debug;
    case level::trace:
        return spdlog::level::trace;
    }
    return spdlog::level::info;
}

/// Throws spdlog::spdlog_ex if a file cannot be opened.
spdlog::sink_ptr make_sink(const std::string& destination) {
    if (destination == "stderr") {
        return std::make_shared<spdlog::sinks::stderr_sink_st>();
    }
    if (destination == "syslog") {
        return std::make_shared<spdlog::sinks::syslog_sink_st>("grapevine", LOG_PID, LOG_DAEMON,
                                                               true);
    }
    return std::make_shared<spdlog::sinks::basic_file_sink_st>(destination);
}

void start_logger(output& made) {
    made.pool = std::make_shared<spdlog::details::thread_pool>(queue_lines_max, 1);
    made.logger = std::make_shared<spdlog::async_logger>(
        "grapevine", make_sink(made.chosen.destination), made.pool,
        spdlog::async_overflow_policy::overrun_oldest);
    made.logger->set_pattern("%v");
    made.logger->set_level(spdlog::level::trace);
    made.logger->flush_on(spdlog::level::trace);
}

wall_time time_of(const output& now) {
    return now.chosen.now ? now.chosen.now() : std::chrono::system_clock::now();
}

std::int64_t second_of(wall_time at) {
    return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

void emit(const output& now, level severity, const std::string& line) {
    if (now.chosen.sink) {
        const std::lock_guard guard(*now.sink_mutex);
        now.chosen.sink(line);
    } else if (now.logger != nullptr) {
        now.logger->log(to_spdlog(severity), spdlog::string_view_t(line.data(), line.size()));
    } else {
        std::fprintf(stderr, "%s\n", line.c_str());
    }
}

void write_line(const output& now, wall_time at, level severity, const prefix& who,
                std::string_view event, fields content) {
    const line_head head{.at = at,
                         .has_time = now.chosen.destination != "syslog",
                         .severity = severity,
                         .event = event,
                         .node = now.chosen.node};
    emit(now, severity, make_line(now.chosen.shape, head, who, content));
}

void report(const output& now, wall_time at, const suppressed_event& what) {
    write_line(now, at, what.counted.severity, {}, what.event,
               {{"suppressed", what.counted.suppressed}});
}

} // namespace

void write(level severity, const prefix& who, std::string_view event, fields content) {
    const auto now = state().present();
    const wall_time at = time_of(*now);
    const verdict admitted =
        state().admit(event, severity, second_of(at), now->chosen.lines_per_second);
    if (admitted.suppressed_before != 0) {
        report(
            *now, at,
            {std::string(event), {.suppressed = admitted.suppressed_before, .severity = severity}});
    }
    if (admitted.is_written) {
        write_line(*now, at, severity, who, event, content);
    }
}

std::string configure(const settings& wanted) {
    auto made = std::make_shared<output>();
    made->chosen = wanted;
    try {
        if (!wanted.sink) {
            start_logger(*made);
        }
    } catch (const spdlog::spdlog_ex& failed) {
        return failed.what();
    }
    detail::threshold.store(wanted.threshold, std::memory_order_relaxed);
    state().replace(std::move(made));
    state().forget_lost();
    return {};
}

void report_suppressed() {
    const auto now = state().present();
    const wall_time at = time_of(*now);
    for (const suppressed_event& what : state().take_suppressed(second_of(at))) {
        report(*now, at, what);
    }
    if (const std::uint64_t lost = state().take_lost(*now); lost != 0) {
        write_line(*now, at, level::warn, {}, "log_lines_lost", {{"lines", lost}});
    }
}

void shutdown() {
    const auto now = state().present();
    for (const suppressed_event& what : state().take_suppressed(-1)) {
        report(*now, time_of(*now), what);
    }
    state().replace(std::make_shared<output>());
}

} // namespace gv::log
