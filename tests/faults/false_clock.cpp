// SPDX-License-Identifier: Apache-2.0
// Loaded before a program (LD_PRELOAD), it makes the wall clock of that program false: by as much
// as the file named in FALSE_CLOCK says, from the moment that it says so. The file holds three
// doubles: seconds ahead, parts per million that it runs fast, and since when it does, in seconds
// since 1970.
//
// Not libfaketime: that also moves absolute deadlines of timers of the monotonic clock
// (timerfd_settime), so that the timers of Asio fail.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <ctime>

namespace {

struct setting {
    double ahead_s;
    double fast_ppm;
    double since_s;
};

const volatile setting* open_setting() {
    const char* path = std::getenv("FALSE_CLOCK");
    const int file = path != nullptr ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        return nullptr;
    }
    void* mapped = ::mmap(nullptr, sizeof(setting), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return mapped == MAP_FAILED ? nullptr : static_cast<const volatile setting*>(mapped);
}

int real_time(clockid_t clock, timespec* into) {
    static const auto real =
        reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
    return real(clock, into);
}

void falsify(timespec& time) {
    static const volatile setting* const how = open_setting();
    if (how == nullptr) {
        return;
    }
    const double now = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    const double off = how->ahead_s + (now - how->since_s) * how->fast_ppm * 1e-6;
    const double whole = std::floor(off);
    time.tv_sec += static_cast<time_t>(whole);
    time.tv_nsec += static_cast<long>((off - whole) * 1e9);
    if (time.tv_nsec >= 1'000'000'000) {
        time.tv_nsec -= 1'000'000'000;
        ++time.tv_sec;
    }
}

} // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* into) noexcept {
    const int done = real_time(clock, into);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        falsify(*into);
    }
    return done;
}

int gettimeofday(timeval* __restrict into, void* __restrict) noexcept {
    timespec now{};
    const int done = clock_gettime(CLOCK_REALTIME, &now);
    into->tv_sec = now.tv_sec;
    into->tv_usec = now.tv_nsec / 1'000;
    return done;
}

time_t time(time_t* into) noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (into != nullptr) {
        *into = now.tv_sec;
    }
    return now.tv_sec;
}
}
