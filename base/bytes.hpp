// SPDX-License-Identifier: Apache-2.0
// Bytes on the wire. A view of bytes is std::string_view throughout: topics, payloads and packets
// are compared, hashed and copied, never computed with. Integers are big-endian, as MQTT sends
// them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace gv {

[[nodiscard]] inline std::uint16_t load_u16(const char* at) noexcept {
    const auto* bytes = reinterpret_cast<const unsigned char*>(at);
    return static_cast<std::uint16_t>((bytes[0] << 8) | bytes[1]);
}

[[nodiscard]] inline std::uint32_t load_u32(const char* at) noexcept {
    return (static_cast<std::uint32_t>(load_u16(at)) << 16) | load_u16(at + 2);
}

[[nodiscard]] inline std::uint64_t load_u64(const char* at) noexcept {
    return (static_cast<std::uint64_t>(load_u32(at)) << 32) | load_u32(at + 4);
}

inline char* store_u8(char* at, std::uint8_t value) noexcept {
    *at = static_cast<char>(value);
    return at + 1;
}

inline char* store_u16(char* at, std::uint16_t value) noexcept {
    at[0] = static_cast<char>(value >> 8);
    at[1] = static_cast<char>(value & 0xff);
    return at + 2;
}

inline char* store_u32(char* at, std::uint32_t value) noexcept {
    return store_u16(store_u16(at, static_cast<std::uint16_t>(value >> 16)),
                     static_cast<std::uint16_t>(value & 0xffff));
}

inline char* store_u64(char* at, std::uint64_t value) noexcept {
    return store_u32(store_u32(at, static_cast<std::uint32_t>(value >> 32)),
                     static_cast<std::uint32_t>(value & 0xffff'ffff));
}

inline char* store_bytes(char* at, std::string_view bytes) noexcept {
    if (!bytes.empty()) {
        std::memcpy(at, bytes.data(), bytes.size());
    }
    return at + bytes.size();
}

/// A reading position over bytes that somebody else owns. Reading past the end makes the cursor
/// fail: it then returns zeros and empty views, and `failed()` stays true, so that a decoder can
/// read a whole structure and ask once.
class read_cursor {
  public:
    explicit read_cursor(std::string_view bytes) noexcept
        : at_(bytes.data()), end_(at_ + bytes.size()) {}

    [[nodiscard]] std::size_t remaining() const noexcept {
        return static_cast<std::size_t>(end_ - at_);
    }
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }

    std::uint8_t u8() noexcept {
        return take(1) ? static_cast<std::uint8_t>(at_[-1]) : std::uint8_t{0};
    }
    std::uint16_t u16() noexcept { return take(2) ? load_u16(at_ - 2) : std::uint16_t{0}; }
    std::uint32_t u32() noexcept { return take(4) ? load_u32(at_ - 4) : std::uint32_t{0}; }
    std::uint64_t u64() noexcept { return take(8) ? load_u64(at_ - 8) : std::uint64_t{0}; }
    std::string_view bytes(std::size_t count) noexcept {
        return take(count) ? std::string_view(at_ - count, count) : std::string_view();
    }
    std::string_view rest() noexcept { return bytes(remaining()); }
    /// Two bytes of length, then that many bytes.
    std::string_view prefixed() noexcept { return bytes(u16()); }
    /// Variable byte integer, at most four bytes (MQTT 5, 1.5.5).
    std::uint32_t variable() noexcept {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            const std::uint8_t byte = u8();
            value |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) {
                return value;
            }
        }
        failed_ = true;
        return 0;
    }

  private:
    bool take(std::size_t count) noexcept {
        if (failed_ || remaining() < count) {
            failed_ = true;
            return false;
        }
        at_ += count;
        return true;
    }

    const char* at_;
    const char* end_;
    bool failed_ = false;
};

/// Bytes that a variable byte integer takes: 1 to 4.
[[nodiscard]] constexpr std::size_t variable_size(std::uint32_t value) noexcept {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

inline char* store_variable(char* at, std::uint32_t value) noexcept {
    while (value >= 128) {
        *at++ = static_cast<char>(0x80 | (value & 0x7f));
        value >>= 7;
    }
    *at++ = static_cast<char>(value);
    return at;
}

/// Appends to a string; for what is not on the hot path.
class byte_writer {
  public:
    explicit byte_writer(std::string& out) noexcept : out_(out) {}
    void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) {
        char buffer[2];
        store_u16(buffer, value);
        out_.append(buffer, 2);
    }
    void u32(std::uint32_t value) {
        char buffer[4];
        store_u32(buffer, value);
        out_.append(buffer, 4);
    }
    void u64(std::uint64_t value) {
        char buffer[8];
        store_u64(buffer, value);
        out_.append(buffer, 8);
    }
    void variable(std::uint32_t value) {
        char buffer[4];
        out_.append(buffer, static_cast<std::size_t>(store_variable(buffer, value) - buffer));
    }
    void bytes(std::string_view bytes) { out_.append(bytes); }
    /// Requires: at most 65,535 bytes.
    void prefixed(std::string_view bytes) {
        u16(static_cast<std::uint16_t>(bytes.size()));
        out_.append(bytes);
    }

  private:
    std::string& out_;
};

} // namespace gv
