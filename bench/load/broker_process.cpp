// SPDX-License-Identifier: Apache-2.0
#include "bench/load/broker_process.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace gv::load {

namespace {

std::string proc_folder(std::uint32_t pid) { return "/proc/" + std::to_string(pid); }

/// The numbers of a stat file behind the name, which is in parentheses and may hold anything.
std::istringstream after_name(const std::string& stat) {
    const std::size_t end = stat.rfind(')');
    return std::istringstream(end == std::string::npos ? std::string() : stat.substr(end + 1));
}

std::string read_whole(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

double nanoseconds_run(const std::filesystem::path& task) {
    std::ifstream file(task / "schedstat");
    double run = 0;
    file >> run;
    return run;
}

void add_ticks(const std::filesystem::path& task, cpu_usage& sum) {
    constexpr int fields_before_utime = 11; // state and ten more, proc(5)
    const double us_per_tick = 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
    std::istringstream fields = after_name(read_whole(task / "stat"));
    std::string skipped;
    for (int i = 0; i < fields_before_utime; ++i) {
        fields >> skipped;
    }
    double user = 0;
    double system = 0;
    fields >> user >> system;
    sum.user_us += user * us_per_tick;
    sum.system_us += system * us_per_tick;
}

using counter_map = std::map<std::string, std::uint64_t>;

/// Two lines for each group of counters: the names, then the values.
counter_map read_netstat(const std::string& group) {
    std::ifstream file("/proc/net/netstat");
    counter_map counters;
    std::string names;
    std::string values;
    while (std::getline(file, names) && std::getline(file, values)) {
        std::istringstream name_fields(names);
        std::istringstream value_fields(values);
        std::string name;
        std::string value;
        name_fields >> name;
        value_fields >> value;
        if (name != group) {
            continue;
        }
        while (name_fields >> name && value_fields >> value) {
            counters[name] = std::stoull(value);
        }
    }
    return counters;
}

} // namespace

cpu_usage operator-(const cpu_usage& end, const cpu_usage& start) noexcept {
    return {end.total_us - start.total_us, end.user_us - start.user_us,
            end.system_us - start.system_us};
}

cpu_usage broker_process::cpu() const {
    cpu_usage sum;
    if (!is_known()) {
        return sum;
    }
    std::error_code error;
    for (const auto& task :
         std::filesystem::directory_iterator(proc_folder(pid_) + "/task", error)) {
        sum.total_us += nanoseconds_run(task.path()) / 1e3;
        add_ticks(task.path(), sum);
    }
    if (error) {
        throw std::runtime_error("--broker-pid " + std::to_string(pid_)
                                 + ": there is no such process (any more)");
    }
    return sum;
}

std::uint64_t broker_process::resident_bytes() const {
    if (!is_known()) {
        return 0;
    }
    std::ifstream file(proc_folder(pid_) + "/statm");
    std::uint64_t total_pages = 0;
    std::uint64_t resident_pages = 0;
    file >> total_pages >> resident_pages;
    return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

listen_counters read_listen_counters() {
    counter_map counters = read_netstat("TcpExt:");
    return {.drops = counters["ListenDrops"],
            .overflows = counters["ListenOverflows"],
            .full_queue = counters["TCPReqQFullDrop"]};
}

} // namespace gv::load
