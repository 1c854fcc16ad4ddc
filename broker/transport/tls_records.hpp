// SPDX-License-Identifier: Apache-2.0
// From the parts of a gather write to TLS records.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace gv::transport {

/// The most that a TLS record carries (RFC 8446, 5.1).
inline constexpr std::size_t record_max = 16 * 1024;

/// Walks the bytes of a gather write in pieces of at most one record. A piece is a view where one
/// buffer has enough, a copy where it takes several.
class record_source {
  public:
    explicit record_source(std::span<const iovec> from) noexcept : from_(from) { skip_empty(); }

    [[nodiscard]] bool at_end() const noexcept { return from_.empty(); }

    /// Requires: not at_end(), size_max at most record_max. Lifetime: until the next call.
    std::span<const char> next(std::size_t size_max) noexcept {
        if (from_.size() == 1 || here().size() >= size_max) {
            return take(size_max);
        }
        std::size_t filled = 0;
        while (filled < size_max && !at_end()) {
            const auto part = take(size_max - filled);
            std::memcpy(room_.data() + filled, part.data(), part.size());
            filled += part.size();
        }
        return {room_.data(), filled};
    }

  private:
    [[nodiscard]] std::span<const char> here() const noexcept {
        return {static_cast<const char*>(from_.front().iov_base) + offset_,
                from_.front().iov_len - offset_};
    }
    std::span<const char> take(std::size_t size_max) noexcept {
        const auto part = here().first(std::min(size_max, here().size()));
        offset_ += part.size();
        skip_empty();
        return part;
    }
    void skip_empty() noexcept {
        while (!from_.empty() && offset_ == from_.front().iov_len) {
            from_ = from_.subspan(1);
            offset_ = 0;
        }
    }

    std::span<const iovec> from_;
    std::size_t offset_ = 0;
    std::array<char, record_max> room_; // not initialised: 16 KiB
};

} // namespace gv::transport
