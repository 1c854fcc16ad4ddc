// SPDX-License-Identifier: Apache-2.0
// Objects of one type in blocks of 256, named by 32-bit indices. An object stays where it is until
// it is dropped, and dropped ones are used again, so that indices stay dense.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace gv {

template <typename T>
class slab {
  public:
    using index = std::uint32_t;

    /// A default-constructed object. Lifetime: until it is dropped.
    index make() {
        if (!free_.empty()) {
            const index again = free_.back();
            free_.pop_back();
            return again;
        }
        if (end_ % block_size == 0) {
            blocks_.push_back(std::make_unique<T[]>(block_size));
        }
        return end_++;
    }
    /// Makes it equal to a default-constructed one.
    void drop(index gone) {
        (*this)[gone] = T();
        free_.push_back(gone);
    }

    [[nodiscard]] T& operator[](index at) const noexcept {
        return blocks_[at / block_size][at % block_size];
    }
    /// One more than the highest index in use so far: for walking over all, dropped ones included.
    [[nodiscard]] index end() const noexcept { return end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - free_.size(); }

  private:
    static constexpr index block_size = 256;

    std::vector<std::unique_ptr<T[]>> blocks_;
    std::vector<index> free_;
    index end_ = 0;
};

} // namespace gv
