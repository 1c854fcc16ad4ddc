// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_ring.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

namespace {
std::size_t memory_of(const route_change& change) noexcept {
    return sizeof change + change.filter.capacity() + change.group.capacity();
}
} // namespace

void route_ring::append(std::vector<route_change> changes) {
    for (route_change& each : changes) {
        bytes_ += memory_of(each);
        changes_.push_back(std::move(each));
        ++last_;
    }
    while (!changes_.empty()
           && (changes_.size() > limits_.changes_max || bytes_ > limits_.bytes_max)) {
        bytes_ -= memory_of(changes_.front());
        changes_.pop_front();
    }
}

std::vector<route_change> route_ring::after(route_seq seq, std::size_t bytes_max) const {
    const auto first = changes_.end() - static_cast<std::ptrdiff_t>(last_ - seq);
    std::size_t bytes = 0;
    const auto end = std::find_if(first, changes_.end(), [&](const route_change& each) {
        bytes += bytes_of(each);
        return bytes > bytes_max;
    });
    return {first, end == first ? first + 1 : end};
}

} // namespace gv::cluster
