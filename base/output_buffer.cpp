// SPDX-License-Identifier: Apache-2.0
#include "base/output_buffer.hpp"

#include "base/assert.hpp"
#include "base/bytes.hpp"

#include <algorithm>
#include <limits>

namespace gv {

namespace {

/// Positions are 32 bits wide, so that an idle connection is small.
constexpr std::size_t size_max = std::numeric_limits<std::uint32_t>::max();

// By a factor at every size, so that each byte is moved a few times at most, however large it gets.
[[nodiscard]] std::size_t larger_than(std::size_t held, std::size_t count) {
    BROKER_ASSERT(count <= size_max - held, "an output beyond 4 GiB");
    const std::size_t more = held < (std::size_t{4} << 20) ? held : held / 2;
    return std::min(held + std::max(count, more), size_max);
}

} // namespace

void output_buffer::grow(std::size_t count) {
    const std::size_t held = end_ - begin_;
    // Bytes already sent make room first; positions of large payloads move with them.
    if (capacity_ - held >= count && begin_ >= held) {
        std::memcpy(data_, data_ + begin_, held);
    } else {
        const pooled_buffer larger = pool_->take(larger_than(held, count));
        if (held > 0) {
            std::memcpy(larger.data, data_ + begin_, held);
        }
        pool_->give({.data = data_, .capacity = capacity_});
        data_ = larger.data;
        capacity_ = larger.capacity;
    }
    if (large_) {
        for (large& entry : *large_) {
            entry.at -= begin_;
        }
    }
    begin_ = 0;
    end_ = static_cast<std::uint32_t>(held);
}

void output_buffer::append(std::string_view bytes) {
    commit(store_bytes(reserve(bytes.size()), bytes));
}

void output_buffer::append_payload(const message_ref& owner) {
    if (!large_) {
        large_ = std::make_unique<std::vector<large>>();
    }
    large_bytes_ += owner->payload().size();
    large_->push_back({.at = end_, .sent = 0, .owner = owner});
}

std::size_t output_buffer::gather(std::span<iovec> into) const noexcept {
    std::size_t used = 0;
    std::uint32_t at = begin_;
    const auto add = [&](const char* from, std::size_t size) {
        if (size > 0 && used < into.size()) {
            into[used++] = {.iov_base = const_cast<char*>(from), .iov_len = size};
        }
    };
    if (large_) {
        for (const large& entry : *large_) {
            if (used + 2 > into.size()) {
                return used;
            }
            add(data_ + at, entry.at - at);
            at = entry.at;
            const std::string_view payload = entry.owner->payload();
            add(payload.data() + entry.sent, payload.size() - entry.sent);
        }
    }
    add(data_ + at, end_ - at);
    return used;
}

void output_buffer::consume(std::size_t count) noexcept {
    std::size_t finished = 0;
    if (large_) {
        for (large& entry : *large_) {
            const std::size_t small = std::min<std::size_t>(count, entry.at - begin_);
            begin_ += static_cast<std::uint32_t>(small);
            count -= small;
            const std::size_t payload =
                std::min<std::size_t>(count, entry.owner->payload().size() - entry.sent);
            entry.sent += static_cast<std::uint32_t>(payload);
            large_bytes_ -= payload;
            count -= payload;
            if (begin_ != entry.at || entry.sent != entry.owner->payload().size()) {
                break;
            }
            ++finished;
        }
        large_->erase(large_->begin(), large_->begin() + static_cast<std::ptrdiff_t>(finished));
        if (large_->empty()) {
            large_.reset();
        }
    }
    begin_ += static_cast<std::uint32_t>(count);
    if (empty()) {
        clear();
    }
}

void output_buffer::clear() noexcept {
    pool_->give({.data = data_, .capacity = capacity_});
    data_ = nullptr;
    begin_ = end_ = capacity_ = 0;
    large_bytes_ = 0;
    large_.reset();
}

} // namespace gv
