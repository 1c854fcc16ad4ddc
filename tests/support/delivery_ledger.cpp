// SPDX-License-Identifier: Apache-2.0
#include "tests/support/delivery_ledger.hpp"

#include "base/topic.hpp"

#include <algorithm>

namespace gv::support {

namespace {

[[nodiscard]] bool matches(const std::string& filter, const std::string& topic) {
    const auto shared = is_shared_filter(filter) ? split_shared_filter(filter) : std::nullopt;
    return topic_matches(shared ? shared->filter : std::string_view(filter), topic);
}

/// A payload without what only makes it longer.
[[nodiscard]] std::string short_text(const std::string& payload) {
    return payload.substr(0, std::min(payload.find(' '), std::size_t{40}));
}

} // namespace

void delivery_ledger::subscribing(const std::string& client, packet_id id,
                                  const std::vector<subscribe_request>& filters) {
    session& mine = sessions_[client];
    for (const subscribe_request& each : filters) {
        mine.ever.insert(each.filter);
        subscription& made = mine.subscriptions[each.filter];
        // What replaces a subscription loses nothing of it [MQTT-3.8.4-3], but the lower of both
        // may be granted from now on.
        const bool lasts = made.is_acknowledged;
        if (lasts && each.quality > made.what.quality) {
            made.asked = id;
            made.what.no_local = made.what.no_local || each.no_local;
            continue;
        }
        if (lasts && each.quality < made.what.quality) {
            // What is on its way may come at the lower QoS, or be lost.
            forgive(is_shared_filter(each.filter) ? each.filter : client, each.filter);
        }
        const bool was_no_local = lasts && made.what.no_local;
        made = {.what = each, .asked = id, .is_acknowledged = lasts};
        made.what.no_local = each.no_local || was_no_local; // it may never arrive
    }
}

void delivery_ledger::subscribed(const std::string& client, packet_id id) {
    for (auto& [filter, each] : sessions_[client].subscriptions) {
        each.is_acknowledged = each.is_acknowledged || each.asked == id;
    }
}

void delivery_ledger::unsubscribing(const std::string& client,
                                    const std::vector<std::string>& filters) {
    for (const std::string& filter : filters) {
        sessions_[client].subscriptions.erase(filter);
        if (is_shared_filter(filter)) {
            forgive(filter);
        }
        forgive(client, filter);
    }
}

void delivery_ledger::forgive(const receiver& who, const std::string& filter) {
    std::erase_if(debts_, [&](const auto& debt) {
        return debt.first.first == who
               && matches(filter, messages_.at(debt.first.second).what.topic);
    });
}

void delivery_ledger::session_ended(const std::string& client) {
    went_away(client);
    forgive(client);
    sessions_.erase(client);
    std::erase_if(copies_, [&](const auto& each) { return each.first.first == client; });
    std::erase_if(newest_, [&](const auto& each) { return each.first.starts_with(client + "\n"); });
}

void delivery_ledger::went_away(const std::string& client) {
    forgive_groups_of(client);
    for (auto& [payload, each] : messages_) {
        if (each.publisher == client && !each.is_taken) {
            each.may_be_sent_twice = true;
        }
    }
}

void delivery_ledger::broker_died() {
    for (auto& [payload, each] : messages_) {
        each.may_be_new_to_broker = each.may_be_new_to_broker || !each.is_taken;
    }
}

void delivery_ledger::forgive_groups_of(const std::string& client) {
    // Also of those it has left, perhaps without the broker having heard of it.
    for (const std::string& filter : sessions_[client].ever) {
        if (is_shared_filter(filter)) {
            forgive(filter);
        }
    }
}

void delivery_ledger::forgive(const receiver& who) {
    std::erase_if(debts_, [&](const auto& debt) { return debt.first.first == who; });
}

void delivery_ledger::publishing(const std::string& client, const publish_request& what) {
    message& made = messages_[what.payload];
    made = {.what = what, .publisher = client, .order = ++order_, .is_in_order = keeps_order};
    if (what.quality != qos::at_most_once && !what.expiry) {
        owe(what.payload, made);
    }
}

void delivery_ledger::owe(const std::string& payload, const message& what) {
    std::map<receiver, std::vector<qos>> promised;
    for (const auto& [client, of] : sessions_) {
        for (const auto& [filter, each] : of.subscriptions) {
            if (!each.is_acknowledged || !matches(filter, what.what.topic)
                || (each.what.no_local && client == what.publisher)) {
                continue;
            }
            if (is_shared_filter(filter) && !owes_groups) {
                continue;
            }
            promised[is_shared_filter(filter) ? filter : client].push_back(each.what.quality);
        }
    }
    for (const auto& [who, granted] : promised) {
        const qos best = is_shared_filter(who) ? *std::ranges::min_element(granted)
                                               : *std::ranges::max_element(granted);
        if (best != qos::at_most_once) {
            debts_[{who, payload}] = lower(best, what.what.quality);
        }
    }
}

void delivery_ledger::settled(const std::string& payload, bool is_taken) {
    const auto found = messages_.find(payload);
    if (found != messages_.end()) {
        found->second.is_taken = is_taken;
        found->second.is_refused = !is_taken;
    }
}

void delivery_ledger::delivery(const std::string& client, const delivered& what) {
    ++deliveries_;
    const auto found = messages_.find(what.payload);
    if (found == messages_.end()) {
        return; // a will, or a message of a test that does without the ledger
    }
    const message& of = found->second;
    if (of.what.topic != what.topic) {
        complain(client + " got " + short_text(what.payload) + " on another topic: " + what.topic);
    }
    const session& mine = sessions_[client];
    // Each shared subscription brings a copy of its own, beside one for all others together.
    bool is_owed_alone = false;
    std::size_t paths = 0;
    for (const std::string& filter : mine.ever) {
        if (matches(filter, what.topic)) {
            is_shared_filter(filter) ? void(++paths) : void(is_owed_alone = true);
            debts_.erase({filter, what.payload});
        }
    }
    paths += is_owed_alone ? 1 : 0;
    if (paths == 0) {
        complain(client + " got " + short_text(what.payload) + " without any subscription");
    }
    debts_.erase({client, what.payload});
    if (what.retain) {
        return; // a replay may show it once more
    }
    copies& got = copies_[{client, what.payload}];
    ++got.all;
    got.first_hand += what.dup ? 0 : 1;
    got.at_qos_2 += what.quality == qos::exactly_once ? 1 : 0;
    const bool is_shared = paths > (is_owed_alone ? 1U : 0U);
    check_copies(client, of, got, paths, is_shared);
    // What is sent again may come to this client for the first time then, or by another way.
    const bool may_be_given_again = is_shared && groups_may_repeat; // no order [MQTT-4.6.0-6]
    if (got.all == 1 && paths == 1 && of.is_in_order && !of.may_be_sent_twice
        && !may_be_given_again) {
        check_order(client, of, what.quality);
    }
}

void delivery_ledger::check_copies(const std::string& client, const message& of, const copies& got,
                                   std::size_t paths, bool is_shared) {
    const bool may_repeat = (of.may_be_sent_twice && of.what.quality == qos::at_least_once)
                            || (is_shared && groups_may_repeat);
    if (got.at_qos_2 > paths && !may_repeat) {
        complain(client + " got " + short_text(of.what.payload) + " too often at QoS 2");
    } else if (got.first_hand > paths && !may_repeat && !of.may_be_new_to_broker) {
        complain(client + " got " + short_text(of.what.payload) + " too often without DUP");
    }
}

void delivery_ledger::check_order(const std::string& client, const message& of, qos quality) {
    const std::string key = client + "\n" + of.publisher + "\n" + of.what.topic + "\n"
                            + std::to_string(static_cast<int>(quality))
                            + std::to_string(static_cast<int>(of.what.quality));
    std::uint64_t& newest = newest_[key];
    if (of.order < newest) {
        complain(client + " got " + short_text(of.what.payload) + " of " + of.what.topic
                 + " out of order");
    }
    newest = std::max(newest, of.order);
}

bool delivery_ledger::has(const std::string& client, const std::string& filter) const {
    const auto found = sessions_.find(client);
    return found != sessions_.end() && found->second.subscriptions.contains(filter);
}

void delivery_ledger::finish(std::size_t dropped) {
    std::vector<std::string> owed;
    for (const auto& [debt, least] : debts_) {
        const message& of = messages_.at(debt.second);
        if (of.is_taken) {
            owed.push_back(debt.first + " never got " + short_text(debt.second) + " of "
                           + of.what.topic + " at QoS " + std::to_string(static_cast<int>(least)));
        }
    }
    if (owed.size() > dropped) {
        complaints_.insert(complaints_.end(), owed.begin(), owed.end());
    }
    debts_.clear();
}

} // namespace gv::support
