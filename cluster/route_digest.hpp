// SPDX-License-Identifier: Apache-2.0
// Whether two sets of routes are the same, and where they are not. A row has a hash of its key and
// value; rows are divided into 64 buckets by their key, and the hashes of a bucket are combined by
// xor, so that adding and removing are the same operation and order does not matter. Generations
// are not in it: an heir that tells the same rows again costs one comparison.
//
// The hashes are part of the protocol between nodes: never change them.
#pragma once

#include "base/hash.hpp"
#include "cluster/route.hpp"

#include <array>
#include <cstdint>

namespace gv::cluster {

inline constexpr std::size_t bucket_count = 64;
using bucket_hashes = std::array<std::uint64_t, bucket_count>;
/// Bit n: bucket n.
using bucket_set = std::uint64_t;
inline constexpr bucket_set all_buckets = ~bucket_set{0};

[[nodiscard]] constexpr bucket_set bit_of(std::size_t bucket) noexcept {
    return bucket_set{1} << bucket;
}

/// Spreads every bit of `x` over all of the result; one to one. (The finalizer of splitmix64.)
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
    x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
    return x ^ (x >> 31);
}

[[nodiscard]] inline std::uint64_t hash_of(const route_key& key) noexcept {
    const std::uint64_t filter = hash64(key.filter);
    return key.group.empty() ? filter : mixed(filter + mixed(hash64(key.group)));
}
[[nodiscard]] constexpr std::size_t bucket_of(std::uint64_t key_hash) noexcept {
    return key_hash >> 58;
}
[[nodiscard]] constexpr std::uint64_t hash_of(std::uint64_t key_hash,
                                              const route_value& value) noexcept {
    const std::uint64_t how = std::uint64_t{value.quality} << 1 | (value.no_local_only ? 1u : 0u);
    const std::uint64_t members = std::uint64_t{value.online} << 32 | value.total;
    return mixed(mixed(key_hash + how) + members);
}

class route_digest {
  public:
    void add(std::uint64_t key_hash, const route_value& value) noexcept {
        hashes_[bucket_of(key_hash)] ^= hash_of(key_hash, value);
        ++counts_[bucket_of(key_hash)];
        ++count_;
    }
    /// Requires: it was added.
    void take_out(std::uint64_t key_hash, const route_value& value) noexcept {
        hashes_[bucket_of(key_hash)] ^= hash_of(key_hash, value);
        --counts_[bucket_of(key_hash)];
        --count_;
    }
    void clear(std::size_t bucket) noexcept {
        count_ -= counts_[bucket];
        counts_[bucket] = 0;
        hashes_[bucket] = 0;
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] const bucket_hashes& hashes() const noexcept { return hashes_; }
    /// Of all buckets.
    [[nodiscard]] std::uint64_t hash() const noexcept {
        std::uint64_t all = 0;
        for (const std::uint64_t each : hashes_) {
            all ^= each;
        }
        return all;
    }
    /// Buckets whose hashes differ from `others`.
    [[nodiscard]] bucket_set differing(const bucket_hashes& others) const noexcept {
        bucket_set found = 0;
        for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
            found |= hashes_[bucket] != others[bucket] ? bit_of(bucket) : 0;
        }
        return found;
    }

  private:
    bucket_hashes hashes_{};
    std::array<std::uint32_t, bucket_count> counts_{};
    std::uint64_t count_ = 0;
};

} // namespace gv::cluster
