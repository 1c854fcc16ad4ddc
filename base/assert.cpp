// SPDX-License-Identifier: Apache-2.0
#include "base/assert.hpp"

#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace gv {

void assertion_failed(const char* condition, const char* file, int line,
                      const char* text) noexcept {
    std::fprintf(stderr, "grapevine: broken invariant at %s:%d: %s (%s)\n", file, line, condition,
                 text);
    void* frames[64];
    const int depth = ::backtrace(frames, 64);
    ::backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    std::abort();
}

} // namespace gv
