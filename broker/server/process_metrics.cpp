// SPDX-License-Identifier: Apache-2.0
// What the kernel knows of this process (proc(5)).
#include "broker/server/documents.hpp"
#include "broker/server/metric_table.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace gv::server {

namespace {

/// The numbers of /proc/self/stat from the third column on; the second is the name of the program,
/// in brackets, and may hold anything.
std::vector<std::string> read_stat() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t bracket = line.rfind(')');
    std::vector<std::string> columns;
    if (bracket != std::string::npos) {
        std::istringstream rest(line.substr(bracket + 1));
        for (std::string column; rest >> column;) {
            columns.push_back(column);
        }
    }
    return columns;
}

/// `number` as in proc(5), counted from 1.
std::uint64_t column(const std::vector<std::string>& columns, std::size_t number) {
    const std::size_t at = number - 3;
    return at < columns.size() ? std::stoull(columns[at]) : 0;
}

std::int64_t boot_time() {
    std::ifstream file("/proc/stat");
    for (std::string word; file >> word;) {
        if (word == "btime") {
            std::int64_t seconds = 0;
            file >> seconds;
            return seconds;
        }
    }
    return 0;
}

void read_usage(process_metrics& into) {
    const std::vector<std::string> columns = read_stat();
    if (columns.empty()) {
        return;
    }
    const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
    into.threads.set(static_cast<std::int64_t>(column(columns, 20)));
    into.start_time.set(boot_time() + static_cast<std::int64_t>(column(columns, 22) / ticks));
    into.virtual_bytes.set(static_cast<std::int64_t>(column(columns, 23)));
    into.resident_bytes.set(static_cast<std::int64_t>(column(columns, 24)) * page);
}

/// The ticks of /proc are a hundredth of a second; getrusage is finer.
void read_cpu(process_metrics& into) {
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) != 0) {
        return;
    }
    const auto nanoseconds = [](const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000
               + static_cast<std::uint64_t>(time.tv_usec) * 1000;
    };
    into.cpu.set(nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime));
}

void read_descriptors(process_metrics& into) {
    std::error_code failed;
    const std::filesystem::directory_iterator open("/proc/self/fd", failed);
    if (!failed) {
        into.open_descriptors.set(std::distance(begin(open), end(open)) - 1); // without its own
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        into.descriptors_max.set(static_cast<std::int64_t>(limit.rlim_cur));
    }
}

} // namespace

std::uint64_t heap_bytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    file >> all >> resident >> shared;
    return (resident - std::min(resident, shared))
           * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void read_process_metrics(process_metrics& into, std::size_t shards) {
    into.build.text = version();
    into.shards.set(static_cast<std::int64_t>(shards));
    read_usage(into);
    read_cpu(into);
    read_descriptors(into);
}

} // namespace gv::server
