// SPDX-License-Identifier: Apache-2.0
// grapevine-load: puts load on an MQTT broker and prints what it saw as JSON.
#include "bench/load/connects.hpp"
#include "bench/load/durable.hpp"
#include "bench/load/idle.hpp"
#include "bench/load/options.hpp"
#include "bench/load/report.hpp"
#include "bench/load/retained.hpp"
#include "bench/load/traffic.hpp"

#include <sys/prctl.h>

#include <cstdio>
#include <exception>
#include <string_view>

using namespace gv::load;

namespace {

void run_scenario(const load_options& options, report& out) {
    if (options.what == scenario::retained) {
        run_retained(options, out);
    } else if (options.what == scenario::durable) {
        run_durable(options, out);
    } else if (options.what == scenario::connects) {
        run_connects(options, out);
    } else if (options.what == scenario::idle) {
        run_idle(options, out);
    } else {
        traffic run(options, make_traffic_plan(options));
        run.run(out);
    }
}

void add_parameters(const load_options& options, report& out) {
    out.add("scenario", name_of(options.what));
    out.add("qos", options.qos);
    out.add("payload", options.payload);
    out.add("publishers", options.publishers);
    out.add("subscribers", options.subscribers);
    out.add("window", options.window);
    out.add("undelivered", options.undelivered);
    out.add("refill", options.refill);
}

} // namespace

int main(int argc, char** argv) {
    const std::span<const char* const> arguments(argv + 1, static_cast<std::size_t>(argc - 1));
    if (argc < 2 || std::string_view(argv[1]) == "--help") {
        std::fputs(help_text().c_str(), stdout);
        return argc < 2 ? 2 : 0;
    }
    const auto options = parse_options(arguments);
    if (!options) {
        const gv::problem& why = options.error();
        std::fprintf(stderr, "%s: %s; %s\n", why.place.c_str(), why.what.c_str(),
                     why.remedy.c_str());
        return 2;
    }
    // Timers are 50 µs late by default, which is as much as what is measured.
    prctl(PR_SET_TIMERSLACK, 1UL);
    try {
        report out;
        add_parameters(*options, out);
        run_scenario(*options, out);
        std::puts(out.to_json().c_str());
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "grapevine-load: %s\n", error.what());
        return 1;
    }
}
