// SPDX-License-Identifier: Apache-2.0
// Free lists of byte buffers in a few sizes. One pool a shard: a connection takes a buffer when it
// has something to send and gives it back when that is sent, so that an idle one holds none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gv {

struct pooled_buffer {
    char* data = nullptr;
    std::uint32_t capacity = 0;
};

class buffer_pool {
  public:
    /// `spare_bytes_max`: how much unused memory the pool keeps; the rest goes back to the heap.
    /// Larger: fewer allocations after a burst. Smaller: memory returns sooner.
    explicit buffer_pool(std::size_t spare_bytes_max = std::size_t{8} << 20) noexcept
        : spare_bytes_max_(spare_bytes_max) {}
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;
    ~buffer_pool();

    /// A buffer of at least `size` bytes, its content undefined.
    [[nodiscard]] pooled_buffer take(std::size_t size);
    void give(pooled_buffer buffer) noexcept;

    [[nodiscard]] std::size_t bytes_in_use() const noexcept { return in_use_; }

  private:
    struct spare {
        spare* next;
    };
    static constexpr std::array<std::uint32_t, 6> sizes{512,    4096,    16'384,
                                                        65'536, 262'144, 1'048'576};

    std::array<spare*, sizes.size()> free_{};
    std::size_t spare_bytes_ = 0;
    std::size_t spare_bytes_max_;
    std::size_t in_use_ = 0;
};

} // namespace gv
