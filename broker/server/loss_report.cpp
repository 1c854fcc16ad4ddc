// SPDX-License-Identifier: Apache-2.0
#include "broker/server/loss_report.hpp"

#include "base/log.hpp"

#include <utility>

namespace gv::server {

void loss_report::tell(const shard_metrics& total) {
    tell_drops(total);
    tell_holds(total);
}

// Expiry, a client's own Maximum Packet Size and QoS 0 to who is away are nobody's fault: they
// appear beside the others, but are no reason for a warning.
void loss_report::tell_drops(const shard_metrics& total) {
    std::array<std::uint64_t, drop_labels::values.size()> since{};
    for (std::size_t reason = 0; reason < since.size(); ++reason) {
        const std::uint64_t now = total.messages_dropped.values[reason].get();
        since[reason] = now - std::exchange(dropped_[reason], now);
    }
    const auto count = [&](drop_reason reason) { return since[static_cast<std::size_t>(reason)]; };
    if (count(drop_reason::queue_full) + count(drop_reason::slow_reader) == 0) {
        return;
    }
    log::warn("messages_dropped", {{"queue_full", count(drop_reason::queue_full)},
                                   {"slow_reader", count(drop_reason::slow_reader)},
                                   {"expired", count(drop_reason::expired)},
                                   {"packet_too_large", count(drop_reason::packet_too_large)},
                                   {"client_offline", count(drop_reason::client_offline)},
                                   {"superseded", count(drop_reason::superseded)},
                                   {"group_empty", count(drop_reason::group_empty)},
                                   {"slow_clients_now", total.slow_clients.get()}});
}

void loss_report::tell_holds(const shard_metrics& total) {
    const std::uint64_t held = total.held.get();
    const std::uint64_t times = total.holds.get() - std::exchange(holds_, total.holds.get());
    const std::uint64_t milliseconds = (held - std::exchange(held_, held)) / 1'000'000;
    const std::uint64_t slow =
        total.slow_readers.get() - std::exchange(slow_readers_, total.slow_readers.get());
    if (times + slow == 0) {
        return;
    }
    log::info("publishers_held", {{"times", times},
                                  {"held_ms", milliseconds},
                                  {"held_now", total.held_publishers.get()},
                                  {"clients_found_slow", slow}});
}

} // namespace gv::server
