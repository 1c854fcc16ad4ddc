// SPDX-License-Identifier: Apache-2.0
#include "base/thread_name.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <thread>

namespace gv {
namespace {

TEST(ThreadName, IsThatOfTheCallingThreadAlone) {
    std::array<char, 16> here{};
    std::array<char, 16> there{};
    std::thread([&there] {
        name_this_thread("store writer");
        ::pthread_getname_np(::pthread_self(), there.data(), there.size());
    }).join();
    ::pthread_getname_np(::pthread_self(), here.data(), here.size());

    EXPECT_STREQ(there.data(), "store writer");
    EXPECT_STRNE(here.data(), there.data());
}

} // namespace
} // namespace gv
