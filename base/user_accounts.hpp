// SPDX-License-Identifier: Apache-2.0
// What waits for all clients of one user together. A user's clients may be on different shards, so
// their sum is the one number of a queue that shards share; it is kept only where it has a limit.
#pragma once

#include "base/hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace gv {

/// Thread-safe. Shards add to it without seeing each other's last message, so that the limit may be
/// passed by one message a shard.
struct user_account {
    std::atomic<std::size_t> bytes{0};
};

/// The accounts of all users with a session. Thread-safe.
class user_accounts {
  public:
    /// Clients without a user name are one user, the empty one.
    [[nodiscard]] std::shared_ptr<user_account> of(std::string_view user) {
        const std::lock_guard lock(mutex_);
        const auto found = by_name_.find(user);
        if (found != by_name_.end()) {
            if (auto known = found->second.lock()) {
                return known;
            }
        }
        auto made = std::make_shared<user_account>();
        by_name_.insert_or_assign(std::string(user), made);
        forget_some();
        return made;
    }

  private:
    // Users without a session are looked for each time there are twice as many.
    void forget_some() {
        if (by_name_.size() < look_at_) {
            return;
        }
        boost::unordered::erase_if(by_name_,
                                   [](const auto& each) { return each.second.expired(); });
        look_at_ = by_name_.size() * 2 + 64;
    }

    std::mutex mutex_;
    boost::unordered_flat_map<std::string, std::weak_ptr<user_account>, string_hash,
                              std::equal_to<>>
        by_name_;
    std::size_t look_at_ = 64;
};

} // namespace gv
