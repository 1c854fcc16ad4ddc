// SPDX-License-Identifier: Apache-2.0
#include "base/buffer_pool.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace gv {

buffer_pool::~buffer_pool() {
    for (spare* list : free_) {
        while (list != nullptr) {
            spare* next = list->next;
            ::operator delete(list);
            list = next;
        }
    }
}

pooled_buffer buffer_pool::take(std::size_t size) {
    BROKER_ASSERT(size <= std::numeric_limits<std::uint32_t>::max(), "a buffer beyond 4 GiB");
    const auto fit = std::lower_bound(sizes.begin(), sizes.end(), size);
    const std::uint32_t capacity = fit == sizes.end() ? static_cast<std::uint32_t>(size) : *fit;
    in_use_ += capacity;
    if (fit != sizes.end()) {
        spare*& list = free_[static_cast<std::size_t>(fit - sizes.begin())];
        if (list != nullptr) {
            spare* taken = list;
            list = taken->next;
            spare_bytes_ -= capacity;
            return {.data = reinterpret_cast<char*>(taken), .capacity = capacity};
        }
    }
    return {.data = static_cast<char*>(::operator new(capacity)), .capacity = capacity};
}

void buffer_pool::give(pooled_buffer buffer) noexcept {
    if (buffer.data == nullptr) {
        return;
    }
    in_use_ -= buffer.capacity;
    const auto fit = std::lower_bound(sizes.begin(), sizes.end(), buffer.capacity);
    if (fit == sizes.end() || *fit != buffer.capacity
        || spare_bytes_ + buffer.capacity > spare_bytes_max_) {
        ::operator delete(buffer.data);
        return;
    }
    spare*& list = free_[static_cast<std::size_t>(fit - sizes.begin())];
    list = new (buffer.data) spare{list};
    spare_bytes_ += buffer.capacity;
}

} // namespace gv
