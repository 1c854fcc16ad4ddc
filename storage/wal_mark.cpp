// SPDX-License-Identifier: Apache-2.0
#include "storage/wal_mark.hpp"

#include "base/bytes.hpp"
#include "base/hash.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <tuple>

namespace gv::storage {

namespace {

constexpr std::string_view magic = "GVM1";
constexpr std::size_t checked_size = wal_mark::size - 8;

} // namespace

std::array<char, wal_mark::size> encode(const wal_mark& mark) noexcept {
    std::array<char, wal_mark::size> slot;
    char* at = store_bytes(slot.data(), magic);
    at = store_u32(at, mark.boot.value);
    at = store_u64(at, mark.node.value);
    at = store_u64(at, mark.sequence);
    at = store_u64(at, mark.manifest.number);
    at = store_u64(at, mark.manifest.size);
    at = store_u64(at, mark.manifest.hash);
    store_u64(at, hash64({slot.data(), checked_size}));
    return slot;
}

bool decode(std::string_view slot, wal_mark& mark) noexcept {
    if (slot.size() != wal_mark::size || !slot.starts_with(magic)
        || load_u64(slot.data() + checked_size) != hash64(slot.substr(0, checked_size))) {
        return false;
    }
    mark.boot.value = load_u32(slot.data() + 4);
    mark.node.value = load_u64(slot.data() + 8);
    mark.sequence = load_u64(slot.data() + 16);
    mark.manifest.number = load_u64(slot.data() + 24);
    mark.manifest.size = load_u64(slot.data() + 32);
    mark.manifest.hash = load_u64(slot.data() + 40);
    return true;
}

std::optional<wal_mark> read_mark(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return std::nullopt;
    }
    std::array<char, 2 * wal_mark::size> slots{};
    const ssize_t count = ::pread(file, slots.data(), slots.size(), 0);
    ::close(file);
    const std::string_view bytes(slots.data(), count < 0 ? 0 : static_cast<std::size_t>(count));
    std::optional<wal_mark> newest;
    for (std::size_t at = 0; at + wal_mark::size <= bytes.size(); at += wal_mark::size) {
        wal_mark found;
        if (decode(bytes.substr(at, wal_mark::size), found)
            && (!newest
                || std::tie(found.sequence, found.manifest)
                       > std::tie(newest->sequence, newest->manifest))) {
            newest = found;
        }
    }
    return newest;
}

mark_file::mark_file(const std::string& path)
    : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640)) {}

mark_file::~mark_file() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

bool mark_file::write(const wal_mark& mark) {
    if (file_ < 0) {
        return false;
    }
    const auto slot = encode(mark);
    const auto place = static_cast<off_t>((writes_++ % 2) * slot.size());
    return ::pwrite(file_, slot.data(), slot.size(), place) == static_cast<ssize_t>(slot.size());
}

bool mark_file::note_at_once(const wal_mark& mark) {
    return write(mark) && ::fdatasync(file_) == 0;
}

bool mark_file::note(const wal_mark& mark, std::chrono::steady_clock::time_point now) {
    if (!write(mark)) {
        return false;
    }
    if (now - synced_at_ < sync_every) {
        return true;
    }
    synced_at_ = now;
    return ::fdatasync(file_) == 0;
}

} // namespace gv::storage
