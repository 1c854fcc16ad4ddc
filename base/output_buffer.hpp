// SPDX-License-Identifier: Apache-2.0
// What a connection still has to send: small packets copied one behind the other, and large
// payloads kept as references to their messages, so that a gathered write sends them without
// another copy.
#pragma once

#include "base/buffer_pool.hpp"
#include "base/message.hpp"

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace gv {

class output_buffer {
  public:
    explicit output_buffer(buffer_pool& pool) noexcept : pool_(&pool) {}
    output_buffer(const output_buffer&) = delete;
    output_buffer& operator=(const output_buffer&) = delete;
    ~output_buffer() { pool_->give({.data = data_, .capacity = capacity_}); }

    /// Bytes not yet sent.
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_ + large_bytes_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

    /// Room for `count` bytes, to be filled at once and then committed. Lifetime: until the next
    /// call of any other member.
    [[nodiscard]] char* reserve(std::size_t count) {
        if (capacity_ - end_ < count) {
            grow(count);
        }
        return data_ + end_;
    }
    /// `to`: one past the last byte written behind the pointer that reserve() gave.
    void commit(const char* to) noexcept { end_ = static_cast<std::uint32_t>(to - data_); }

    void append(std::string_view bytes);
    /// Appends the payload of `owner` by reference.
    void append_payload(const message_ref& owner);

    /// Fills `into` with what comes next. Returns how many entries were used.
    [[nodiscard]] std::size_t gather(std::span<iovec> into) const noexcept;
    /// Drops `count` bytes that were sent; gives the memory back when nothing is left.
    void consume(std::size_t count) noexcept;
    void clear() noexcept;

  private:
    /// A payload that goes out before the byte at `at` of the small ones.
    struct large {
        std::uint32_t at;
        std::uint32_t sent;
        message_ref owner;
    };

    void grow(std::size_t count);

    buffer_pool* pool_;
    char* data_ = nullptr;
    std::uint32_t begin_ = 0;
    std::uint32_t end_ = 0;
    std::uint32_t capacity_ = 0;
    std::size_t large_bytes_ = 0;
    std::unique_ptr<std::vector<large>> large_;
};

} // namespace gv
