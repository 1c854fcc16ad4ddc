// SPDX-License-Identifier: Apache-2.0
// A growing first-in-first-out ring that holds no memory until it is used, unlike std::deque, which
// allocates 576 bytes for nothing: thousands of idle sessions have a few of these each.
#pragma once

#include "base/assert.hpp"

#include <cstddef>
#include <memory>
#include <utility>

namespace gv {

template <typename T>
class ring {
  public:
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Requires: not empty.
    [[nodiscard]] T& front() noexcept { return slots_[head_]; }
    /// Requires: `index` < size(); 0 is the oldest.
    [[nodiscard]] T& operator[](std::size_t index) noexcept {
        return slots_[(head_ + index) & mask()];
    }
    [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
        return slots_[(head_ + index) & mask()];
    }

    T& push_back(T value) {
        if (size_ == capacity_) {
            grow();
        }
        T& slot = slots_[(head_ + size_++) & mask()];
        slot = std::move(value);
        return slot;
    }

    /// Requires: not empty.
    T pop_front() {
        BROKER_DEBUG_ASSERT(size_ > 0, "pop from an empty ring");
        T taken = std::exchange(slots_[head_], T{});
        head_ = static_cast<std::uint32_t>((head_ + 1) & mask());
        --size_;
        return taken;
    }

    /// Gives the memory back.
    void clear() noexcept {
        slots_.reset();
        capacity_ = head_ = size_ = 0;
    }

  private:
    [[nodiscard]] std::size_t mask() const noexcept { return capacity_ - 1U; }
    void grow() {
        const std::size_t wider = capacity_ == 0 ? 4 : capacity_ * 2;
        auto moved = std::make_unique<T[]>(wider);
        for (std::size_t i = 0; i < size_; ++i) {
            moved[i] = std::move(slots_[(head_ + i) & mask()]);
        }
        slots_ = std::move(moved);
        capacity_ = static_cast<std::uint32_t>(wider);
        head_ = 0;
    }

    std::unique_ptr<T[]> slots_;
    std::uint32_t capacity_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t size_ = 0;
};

} // namespace gv
