// SPDX-License-Identifier: Apache-2.0
#include "broker/server/mosquitto_grant.hpp"

#include "base/topic.hpp"

#include <algorithm>

namespace gv::server {

namespace {

/// Whether the message goes to this subscription.
[[nodiscard]] bool takes(const storage::mosquitto_subscription& wanted,
                         const storage::mosquitto_message& message, std::string_view client_id,
                         std::set<std::string_view>& groups) {
    if (is_shared_filter(wanted.filter)) {
        const auto shared = split_shared_filter(wanted.filter);
        return shared && topic_matches(shared->filter, message.topic)
               && groups.insert(wanted.filter).second;
    }
    return topic_matches(wanted.filter, message.topic)
           && !(wanted.no_local && client_id == message.publisher);
}

} // namespace

std::optional<mosquitto_grant>
grant_of(const storage::mosquitto_message& message, std::string_view client_id,
         std::span<const storage::mosquitto_subscription* const> wanted,
         std::set<std::string_view>& groups) {
    std::optional<mosquitto_grant> made;
    for (const storage::mosquitto_subscription* each : wanted) {
        if (!takes(*each, message, client_id, groups)) {
            continue;
        }
        mosquitto_grant& sum = made ? *made : made.emplace();
        sum.quality = std::max(sum.quality, std::min(each->quality, message.quality));
        sum.as_published = sum.as_published || each->retain_as_published;
        if (each->identifier != 0) {
            sum.subscription_ids.push_back(each->identifier);
        }
    }
    return made;
}

} // namespace gv::server
