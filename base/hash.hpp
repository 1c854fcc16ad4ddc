// SPDX-License-Identifier: Apache-2.0
// xxh64, the hash that partitions, topic tables and digests are made of. Its value is part of the
// on-disk and inter-node formats: never change it.
#pragma once

#include "base/ids.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace gv {

[[nodiscard]] inline std::uint64_t hash64(std::string_view bytes) noexcept {
    return XXH64(bytes.data(), bytes.size(), 0);
}

/// For tables in memory only: faster on short keys, its value may change between builds.
[[nodiscard]] inline std::uint64_t table_hash(std::string_view bytes) noexcept {
    return XXH3_64bits(bytes.data(), bytes.size());
}

[[nodiscard]] inline partition_id partition_of(std::string_view client_id) noexcept {
    return partition_id{static_cast<std::uint16_t>(hash64(client_id) % partition_count)};
}

/// Finaliser of splitmix64: every bit of the result depends on every bit of the value.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xbf58'476d'1ce4'e5b9;
    value = (value ^ (value >> 27U)) * 0x94d0'49bb'1331'11eb;
    return value ^ (value >> 31U);
}

/// Hash functor for containers keyed by std::string and looked up by std::string_view.
struct string_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return table_hash(text); }
};

} // namespace gv
