// SPDX-License-Identifier: Apache-2.0
#include "cluster/partition_message.hpp"

#include <bitset>

namespace gv::cluster {

namespace {

[[nodiscard]] bool is_sound(const partition_founding& founding) noexcept {
    return founding.is_there() == (founding.by != node_id{});
}

[[nodiscard]] bool are_sound(const std::vector<told_partition>& rows) noexcept {
    std::bitset<partition_count> seen;
    for (const told_partition& each : rows) {
        if (each.which.value >= partition_count || seen.test(each.which.value)
            || each.row.home == node_id{} || each.row.epoch == 0
            || each.row.epoch > partition_epoch_max) {
            return false;
        }
        seen.set(each.which.value);
    }
    return true;
}

} // namespace

std::string_view text_of(partition_fault fault) noexcept {
    switch (fault) {
    case partition_fault::unknown_peer:
        return "not a member";
    case partition_fault::founding_invalid:
        return "a table of partitions that nobody has founded";
    case partition_fault::row_invalid:
        return "a partition that there is not, that comes twice, or that has no home";
    }
    return "unknown";
}

std::optional<partition_fault> fault_of(const partition_message& message) noexcept {
    const auto* const table = std::get_if<partition_rows>(&message);
    const partition_founding& founding =
        std::visit([](const auto& each) -> const auto& { return each.heading.founding; }, message);
    if (!is_sound(founding) || (table != nullptr && !founding.is_there() && !table->rows.empty())) {
        return partition_fault::founding_invalid;
    }
    if (table != nullptr && !are_sound(table->rows)) {
        return partition_fault::row_invalid;
    }
    return std::nullopt;
}

} // namespace gv::cluster
