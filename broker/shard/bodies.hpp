// SPDX-License-Identifier: Apache-2.0
// Bodies of messages that several sessions of this shard keep. A body is written once; nothing is
// counted on disk. What is alive of each bucket is counted here, from the rows: exact after a
// restart, since rows are read then anyway. A bucket of an hour that has passed goes in one piece
// with its last row.
#pragma once

#include "storage/format.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <optional>
#include <vector>

namespace gv::shard {

class bodies {
  public:
    /// Names a bucket in rows held in memory; 0: none.
    using index = std::uint32_t;
    struct place {
        storage::body_id id;
        index in = 0;
    };

    bodies(shard_id me, boot_id boot) : me_(me), boot_(boot) { buckets_.emplace_back(); }

    /// Where the next body goes.
    [[nodiscard]] place next(wall_time now) {
        const auto slot = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::hours>(now.time_since_epoch()).count());
        if (current_ == 0 || buckets_[current_].name.slot != slot) {
            current_ = find({.slot = slot, .boot = boot_, .shard = me_});
        }
        return {.id = {.in = buckets_[current_].name, .number = ++last_number_}, .in = current_};
    }
    /// A row refers to a body of that bucket.
    void hold(index in) { ++buckets_[in].rows; }
    [[nodiscard]] index hold(const storage::bucket& name) {
        const index in = find(name);
        hold(in);
        return in;
    }
    /// A row does no more. The bucket if nothing of it is alive and nothing will be added.
    [[nodiscard]] std::optional<storage::bucket> release(index in) {
        bucket& from = buckets_[in];
        return --from.rows == 0 && in != current_ ? std::optional(forget(in)) : std::nullopt;
    }
    /// 0 if nothing of it is counted here.
    [[nodiscard]] index find_held(const storage::bucket& name) const {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? 0 : found->second;
    }

    /// The bucket that was filled last, once its time has passed, if nothing of it is alive.
    [[nodiscard]] std::optional<storage::bucket> retire(wall_time now) {
        const index last = current_;
        if (last == 0) {
            return std::nullopt;
        }
        const auto slot = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::hours>(now.time_since_epoch()).count());
        if (buckets_[last].name.slot == slot) {
            return std::nullopt;
        }
        current_ = 0;
        return buckets_[last].rows == 0 ? std::optional(forget(last)) : std::nullopt;
    }

  private:
    struct bucket {
        storage::bucket name{};
        std::uint64_t rows = 0;
    };
    struct name_hash {
        std::size_t operator()(const storage::bucket& name) const noexcept {
            return (std::size_t{name.slot} << 32) ^ (std::size_t{name.boot.value} << 8)
                   ^ name.shard.value;
        }
    };

    [[nodiscard]] index find(const storage::bucket& name) {
        const auto [found, is_new] = by_name_.try_emplace(name, 0);
        if (is_new) {
            if (free_.empty()) {
                found->second = static_cast<index>(buckets_.size());
                buckets_.emplace_back();
            } else {
                found->second = free_.back();
                free_.pop_back();
            }
            buckets_[found->second] = {.name = name};
        }
        return found->second;
    }
    storage::bucket forget(index in) {
        const storage::bucket name = buckets_[in].name;
        by_name_.erase(name);
        free_.push_back(in);
        return name;
    }

    shard_id me_;
    boot_id boot_;
    std::vector<bucket> buckets_; ///< the first stands for none
    std::vector<index> free_;
    boost::unordered_flat_map<storage::bucket, index, name_hash> by_name_;
    index current_ = 0;
    std::uint64_t last_number_ = 0;
};

} // namespace gv::shard
