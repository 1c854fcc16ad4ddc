// SPDX-License-Identifier: Apache-2.0
#include "broker/server/profile.hpp"

#include "broker/server/option_table.hpp"
#include "broker/server/value_text.hpp"

namespace gv::server {

namespace {

[[nodiscard]] std::string memory_text(std::uint64_t bytes) {
    return std::to_string(bytes >> 20) + " MiB of memory";
}

} // namespace

profile_choice choose_profile(storage_profile wanted, const machine_facts& machine) {
    if (wanted != storage_profile::automatic) {
        return {.kind = wanted, .why = "storage.profile"};
    }
    if (machine.device == device_kind::card) {
        return {.kind = storage_profile::pi, .why = "the store is on an SD card or eMMC"};
    }
    if (machine.device == device_kind::usb_disk) {
        return {.kind = storage_profile::pi, .why = "the store is on a slow USB disk"};
    }
    if (machine.memory_bytes == 0) {
        return {.kind = storage_profile::server, .why = "nothing is known of the machine"};
    }
    return {.kind = machine.memory_bytes <= small_memory_max ? storage_profile::pi
                                                             : storage_profile::server,
            .why = memory_text(machine.memory_bytes)};
}

void take_profile(const profile_choice& chosen, options& all, origin_map& origins) {
    if (*all.storage.profile == storage_profile::automatic) {
        std::string& origin = origins["storage.profile"];
        origin.append(origin.empty() ? "default" : "").append(", here ");
        origin.append(storage_profile_names[static_cast<std::size_t>(chosen.kind)]);
        origin.append(": ").append(chosen.why);
    }
    if (chosen.kind != storage_profile::pi) {
        return;
    }
    for (const section_ref& section : sections(all)) {
        for (const auto& each : section.options) {
            if (!origins.contains(each->path()) && each->take_pi()) {
                origins[each->path()] = "profile pi";
            }
        }
    }
}

} // namespace gv::server
