// SPDX-License-Identifier: Apache-2.0
// Invariants of our own. BROKER_ASSERT is always on: a broken invariant ends the process with the
// place and the condition, since going on could lose what was acknowledged. BROKER_DEBUG_ASSERT is
// for the hot path and vanishes with NDEBUG. Never assert on what a peer sent.
#pragma once

namespace gv {

/// Prints the place and a backtrace to standard error and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   const char* text) noexcept;

} // namespace gv

#define BROKER_ASSERT(condition, text)                                                             \
    (static_cast<bool>(condition) ? static_cast<void>(0)                                           \
                                  : ::gv::assertion_failed(#condition, __FILE__, __LINE__, text))

#ifdef NDEBUG
#define BROKER_DEBUG_ASSERT(condition, text) static_cast<void>(0)
#else
#define BROKER_DEBUG_ASSERT(condition, text) BROKER_ASSERT(condition, text)
#endif
