// SPDX-License-Identifier: Apache-2.0
#include "base/thread_name.hpp"

#include <pthread.h>

namespace gv {

void name_this_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

} // namespace gv
