// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/promises.hpp"

#include <algorithm>
#include <charconv>

namespace gv::simulation {

using support::delivered;

std::uint64_t number_of(std::string_view payload) {
    const std::size_t at = payload.find('#');
    std::uint64_t number = 0;
    if (at != std::string_view::npos) {
        std::from_chars(payload.data() + at + 1, payload.data() + payload.size(), number);
    }
    return number;
}

void promises::will_is(const std::string& payload, will state) { wills_[payload] = state; }

void promises::observed(const delivered& what) {
    if (!what.topic.starts_with("will/")) {
        return;
    }
    if (++wills_seen_[what.payload] > 1) {
        complaints_.push_back("published twice: " + what.payload);
    }
    if (wills_[what.payload] == will::never) {
        complaints_.push_back("published after DISCONNECT: " + what.payload);
    }
}

void promises::retained_published(const std::string& payload, time_point now) {
    published_[payload] = now;
}

void promises::retained_taken(const std::string& topic, std::string_view payload) {
    taken_[topic] = std::max(taken_[topic], number_of(payload));
}

// A redelivery shows again what was seen before; live messages are the ledger's.
void promises::seen(const std::string& client, const delivered& what, time_point settled) {
    if (!what.topic.starts_with("r/")) {
        return;
    }
    // What waits at QoS 1 and 2 is rightly overtaken by QoS 0.
    const char* way = what.quality == qos::at_most_once ? "\n0" : "\n1";
    std::string& newest = newest_[{client, what.topic + way}];
    const bool is_older = number_of(what.payload) < number_of(newest);
    if (is_older && what.retain && !what.dup && published_[newest] <= settled) {
        complaints_.push_back(client + " got the retained #"
                              + std::to_string(number_of(what.payload)) + " of " + what.topic
                              + " after #" + std::to_string(number_of(newest)));
    }
    newest = is_older ? newest : what.payload;
}

void promises::session_ended(const std::string& client) {
    std::erase_if(newest_, [&](const auto& each) { return each.first.first == client; });
}

void promises::audited(const delivered& what) {
    if (what.retain) {
        audited_[what.topic] = number_of(what.payload);
    }
}

void promises::finish() {
    for (const auto& [topic, number] : taken_) {
        if (audited_[topic] < number) {
            complaints_.push_back(topic + " retains #" + std::to_string(audited_[topic]) + ", not #"
                                  + std::to_string(number));
        }
    }
    for (const auto& [payload, state] : wills_) {
        if (state == will::due && !wills_seen_.contains(payload)) {
            complaints_.push_back("never published: " + payload);
        }
    }
}

} // namespace gv::simulation
