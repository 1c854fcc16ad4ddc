// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace gv {

/// Names the calling thread, as `top -H`, `perf` and a debugger show it. At most 15 characters:
/// the kernel keeps no more, and refuses a longer name (pthread_setname_np(3)); a name that is
/// refused changes nothing.
void name_this_thread(const char* name);

} // namespace gv
