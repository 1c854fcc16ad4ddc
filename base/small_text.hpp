// SPDX-License-Identifier: Apache-2.0
// Text that never changes and is mostly short: levels of topics, names.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace gv {

/// Immutable text of 16 bytes that holds up to 12 bytes in place.
class small_text {
  public:
    small_text() noexcept = default;
    explicit small_text(std::string_view text) : size_(static_cast<std::uint32_t>(text.size())) {
        if (is_short()) {
            std::memcpy(near_.data(), text.data(), text.size());
        } else {
            char* block = new char[text.size()];
            std::memcpy(block, text.data(), text.size());
            std::memcpy(near_.data(), &block, sizeof block);
        }
    }
    small_text(small_text&& other) noexcept
        : near_(other.near_), size_(std::exchange(other.size_, 0)) {}
    small_text& operator=(small_text&& other) noexcept {
        std::swap(near_, other.near_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~small_text() {
        if (!is_short()) {
            delete[] block();
        }
    }
    [[nodiscard]] std::string_view view() const noexcept {
        return {is_short() ? near_.data() : block(), size_};
    }

  private:
    static constexpr std::size_t near_size = 12;
    [[nodiscard]] bool is_short() const noexcept { return size_ <= near_size; }
    [[nodiscard]] char* block() const noexcept {
        char* at = nullptr;
        std::memcpy(&at, near_.data(), sizeof at);
        return at;
    }

    std::array<char, near_size> near_{};
    std::uint32_t size_ = 0;
};

} // namespace gv
