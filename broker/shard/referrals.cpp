// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/referrals.hpp"

#include <utility>

namespace gv::shard {

void referrals::set_address(shard_id node, std::string address) {
    const std::scoped_lock changing(lock_);
    if (address.empty()) {
        addresses_.erase(node);
    } else {
        addresses_.insert_or_assign(node, std::move(address));
    }
}

std::optional<std::string> referrals::refer(shard_id home, std::uint64_t client_hash,
                                            time_point now) {
    const std::scoped_lock looking(lock_);
    const auto address = addresses_.find(home);
    if (address == addresses_.end()) {
        return std::nullopt;
    }
    if (const auto told = told_.find(client_hash); told != told_.end() && now < told->second) {
        told->second = now + limits_.told_for; // it does not follow, and may come again
        return std::nullopt;
    }
    if (told_.size() >= limits_.told_max && now >= look_again_) {
        look_again_ = now + 1s; // not with each of very many that come at one time
        forget_old(now);
    }
    if (told_.size() >= limits_.told_max) {
        return std::nullopt;
    }
    told_.insert_or_assign(client_hash, now + limits_.told_for);
    return address->second;
}

void referrals::forget_old(time_point now) {
    boost::unordered::erase_if(told_, [now](const auto& each) { return each.second <= now; });
}

} // namespace gv::shard
