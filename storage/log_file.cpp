// SPDX-License-Identifier: Apache-2.0
#include "storage/log_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

namespace gv::storage {

namespace {

constexpr std::size_t block_size = 32'768;
constexpr std::size_t header_size = 7;
constexpr std::size_t batch_header_size = 12;
enum class part_type : std::uint8_t { none, full, first, middle, last };

/// Little-endian, unlike all that this broker writes itself.
template <typename Integer>
[[nodiscard]] Integer load_little(const char* at) noexcept {
    Integer value = 0;
    for (std::size_t i = sizeof value; i-- > 0;) {
        value = static_cast<Integer>((value << 8) | static_cast<unsigned char>(at[i]));
    }
    return value;
}

/// Of CRC-32C, for eight bytes at a time: the log of a crash is read at every start after one, and
/// Boost's, byte by byte, would take longer than RocksDB does to recover it.
constexpr auto crc_tables = [] {
    constexpr std::uint32_t polynomial = 0x82F63B78; // reflected
    std::array<std::array<std::uint32_t, 256>, 8> made{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) {
            rest = (rest >> 1) ^ ((rest & 1) != 0 ? polynomial : 0);
        }
        made[0][byte] = rest;
    }
    for (std::size_t i = 1; i < made.size(); ++i) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = made[i - 1][byte];
            made[i][byte] = (before >> 8) ^ made[0][before & 0xFF];
        }
    }
    return made;
}();

[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
        const std::uint64_t word = load_little<std::uint64_t>(bytes.data()) ^ crc;
        crc = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            crc ^= crc_tables[7 - i][(word >> (8 * i)) & 0xFF];
        }
    }
    for (const char each : bytes) {
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ static_cast<unsigned char>(each)) & 0xFF];
    }
    return ~crc;
}

[[nodiscard]] std::uint32_t masked_crc(std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

class log_reader {
  public:
    explicit log_reader(const std::function<void(const log_record&)>& take) : take_(take) {}

    void read(int file) {
        std::vector<char> block(block_size);
        for (;;) {
            const ssize_t count = read_block(file, block);
            if (count <= 0) {
                state.is_readable = count == 0;
                drop_begun();
                return;
            }
            add_block({block.data(), static_cast<std::size_t>(count)});
        }
    }

    log_state state;

  private:
    static ssize_t read_block(int file, std::vector<char>& block) {
        std::size_t filled = 0;
        while (filled < block.size()) {
            const ssize_t count = ::read(file, block.data() + filled, block.size() - filled);
            if (count < 0) {
                return -1;
            }
            if (count == 0) {
                break;
            }
            filled += static_cast<std::size_t>(count);
        }
        return static_cast<ssize_t>(filled);
    }

    // Behind a broken record the next is looked for where its length says, and if there is none, in
    // the next block: a sum that is right is no accident.
    void add_block(std::string_view left) {
        while (left.size() >= header_size) {
            const std::size_t size = header_size + load_little<std::uint16_t>(left.data() + 4);
            const bool is_blank = left[6] == 0 && left.find_first_not_of('\0') == left.npos;
            if (is_blank || size > left.size()) {
                drop_begun();
                state.bytes_skipped += is_blank ? 0 : left.size();
                return;
            }
            if (!add_part(left.substr(0, size))) {
                drop_begun();
                state.bytes_skipped += size;
            }
            left.remove_prefix(size);
        }
    }

    [[nodiscard]] bool add_part(std::string_view part) {
        if (load_little<std::uint32_t>(part.data()) != masked_crc(part.substr(6))) {
            return false;
        }
        const std::string_view payload = part.substr(header_size);
        switch (static_cast<part_type>(part[6])) {
        case part_type::full:
            drop_begun();
            return add_batch(payload);
        case part_type::first:
            drop_begun();
            begun_ = payload;
            is_begun_ = true;
            return true;
        case part_type::middle:
            append(payload);
            return true;
        case part_type::last:
            append(payload);
            return !std::exchange(is_begun_, false) || add_batch(begun_);
        case part_type::none:
            break;
        }
        return false;
    }

    // Without its beginning a part is of no use, yet it is whole itself.
    void append(std::string_view payload) {
        if (is_begun_) {
            begun_ += payload;
        } else {
            state.bytes_skipped += payload.size();
        }
    }

    void drop_begun() {
        state.bytes_skipped += is_begun_ ? begun_.size() : 0;
        is_begun_ = false;
        begun_.clear();
    }

    [[nodiscard]] bool add_batch(std::string_view batch) {
        if (batch.size() < batch_header_size) {
            return false;
        }
        ++state.records;
        take_({.first = load_little<std::uint64_t>(batch.data()),
               .operations = load_little<std::uint32_t>(batch.data() + 8),
               .batch = batch});
        return true;
    }

    const std::function<void(const log_record&)>& take_;
    std::string begun_;
    bool is_begun_ = false;
};

} // namespace

log_state read_log(const std::string& path, const std::function<void(const log_record&)>& take) {
    log_reader reader(take);
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        reader.state.is_readable = false;
        return reader.state;
    }
    reader.read(file);
    ::close(file);
    return reader.state;
}

} // namespace gv::storage
