// SPDX-License-Identifier: Apache-2.0
#include "bench/load/connects.hpp"

#include "bench/load/connection.hpp"
#include "bench/load/other_nodes.hpp"

namespace gv::load {

void run_connects(const load_options& options, report& out) {
    const broker_process broker(options.broker_pid);
    const other_nodes others(options);
    const broker_address address(options.host, static_cast<std::uint16_t>(options.port));
    latency_histogram latency;
    std::uint64_t present = 0;
    const std::vector<std::string> clients = client_ids(options);
    const sample start = take_sample(broker);
    const other_nodes::usages others_start = others.cpu();
    for (const std::string& client : clients) {
        connection link(address.connect(0), client);
        const nanoseconds sent = clock_now();
        present += link.handshake(client, options.persistent == 0) ? 1U : 0U;
        latency.record(clock_now() - sent);
        link.leave();
    }
    const sample end = take_sample(broker);
    add_window(out, "", start, end, latency.count(), broker);
    others.add(out, others_start, others.cpu(), to_seconds(end.at - start.at), latency.count());
    out.add("sessions_present", present);
    out.add_latency("", latency);
}

} // namespace gv::load
