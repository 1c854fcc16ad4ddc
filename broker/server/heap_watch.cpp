// SPDX-License-Identifier: Apache-2.0
#include "broker/server/heap_watch.hpp"

#include "broker/server/metric_table.hpp"

#include <malloc.h>

namespace gv::server {

heap_use present_heap_use() {
    const struct mallinfo2 found = ::mallinfo2();
    return {.held = heap_bytes(), .in_use = found.uordblks + found.hblkhd};
}

void trim_heap() noexcept { ::malloc_trim(0); }

} // namespace gv::server
