// SPDX-License-Identifier: Apache-2.0
#include "bench/load/other_nodes.hpp"

#include <string>

namespace gv::load {

namespace {

constexpr std::array<std::string_view, other_nodes::count> prefixes{"publish_", "home_"};

} // namespace

other_nodes::usages other_nodes::cpu() const {
    usages all;
    for (std::size_t i = 0; i < count; ++i) {
        all[i] = nodes_[i].cpu();
    }
    return all;
}

void other_nodes::add(report& out, const usages& start, const usages& end, double seconds,
                      std::uint64_t messages) const {
    for (std::size_t i = 0; i < count; ++i) {
        if (nodes_[i].is_known()) {
            add_cpu(out, prefixes[i], end[i] - start[i], seconds, messages);
            out.add(std::string(prefixes[i]) + "resident", nodes_[i].resident_bytes());
        }
    }
}

} // namespace gv::load
