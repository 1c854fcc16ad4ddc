// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/flap_guard.hpp"

#include <utility>

namespace gv::shard {

flap_guard::verdict flap_guard::on_takeover(std::uint64_t client, time_point now) {
    forget_old(now);
    if (!records_.contains(client)) {
        if (records_.size() >= ids_max) {
            return {};
        }
        looks_.push_back({.due = now + window, .client = client});
    }
    record& known = records_[client];
    const time_point first = std::exchange(known.at[known.oldest], now);
    known.oldest = (known.oldest + 1) % takeovers_max;
    known.needed_until = std::max(known.needed_until, now + window);
    const bool is_flapping = first != time_point{} && now - first < window;
    const bool was_told = known.told != time_point{} && now - known.told < tell_again;
    if (!is_flapping || was_told) {
        return {.is_flapping = is_flapping};
    }
    known.told = now;
    known.needed_until = now + tell_again;
    return {.is_flapping = true, .is_to_tell = true};
}

void flap_guard::forget_old(time_point now) {
    while (!looks_.empty() && looks_.front().due <= now) {
        const std::uint64_t client = looks_.pop_front().client;
        const auto found = records_.find(client);
        if (found->second.needed_until <= now) {
            records_.erase(found);
        } else {
            looks_.push_back({.due = now + window, .client = client});
        }
    }
}

} // namespace gv::shard
