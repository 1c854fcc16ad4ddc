// SPDX-License-Identifier: Apache-2.0
// What must hold: at any time, and at rest.
#include "tests/cluster/retained_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

namespace {

constexpr duration slack = 8s;

std::string text_of(const retained_version& version) {
    return std::to_string(version.stamp.value >> 16 & 0xffff'ffff) + "."
           + std::to_string(version.stamp.value & 0xffff) + "@"
           + std::to_string(version.origin.value);
}

} // namespace

// --- which writes may be lost

std::optional<retained_version> retained_world::version_at(index which,
                                                           const std::string& topic) const {
    const node& at = nodes_[which];
    if (!at.exchange) {
        const auto found = at.stored.rows.find(topic);
        return found == at.stored.rows.end()
                   ? std::nullopt
                   : std::optional(retained_version_of(found->second.what->header()));
    }
    const std::uint64_t hash = retained_topic_hash(topic);
    const retained_entries found = at.table->entries(
        {.bucket = retained_bucket_of(hash), .after = hash - 1, .until = hash}, 1);
    return found.entries.empty() ? std::nullopt : std::optional(found.entries.front().version);
}

void retained_world::doubt(const std::string& topic, const retained_version& version) {
    for (write& each : writes_[topic]) {
        if (each.version == version && !each.is_doubtful) {
            each.is_doubtful = true;
            ++doubtful;
            say("nobody promises " + topic + " " + text_of(version));
        }
    }
}

/// A crash took what only its node had; all that is newer than what the others have.
void retained_world::doubt_if_only_there(index which, const std::string& topic) {
    std::optional<retained_version> elsewhere;
    for (index other = 0; other < nodes_.size(); ++other) {
        if (const auto there = version_at(other, topic); there) {
            static_cast<void>(which); // what its disk still has counts as well
            elsewhere = elsewhere ? std::max(*elsewhere, *there) : *there;
        }
    }
    for (const write& each : writes_[topic]) {
        if (!elsewhere || *elsewhere < each.version) {
            doubt(topic, each.version);
        }
    }
}

/// What was set longer ago than removals are kept, and has not come to a majority.
void retained_world::doubt_what_is_away() {
    for (auto& [topic, all] : writes_) {
        for (const write& each : all) {
            const wall_time set = gv::wall_of(each.version.stamp);
            const wall_time present = wall_of_node(nodes_.front());
            if (each.is_doubtful || each.is_clear
                || present - set < options_.collecting.age_max - slack
                || present - set > options_.collecting.age_max + 2min) {
                continue;
            }
            std::size_t holders = 0;
            bool has_first = false;
            for (index which = 0; which < nodes_.size(); ++which) {
                const auto there = version_at(which, topic);
                const bool has = there && *there >= each.version;
                holders += has ? 1 : 0;
                has_first = has_first || (has && which == 0);
            }
            const bool is_majority =
                2 * holders > nodes_.size() || (2 * holders == nodes_.size() && has_first);
            if (holders > 0 && !is_majority) {
                doubt(topic, each.version);
            }
        }
    }
}

// --- at any time

/// A topic never goes back on a node while that runs.
void retained_world::note_newest(index which, const retained_row& row) {
    const retained_version version = retained_version_of(row.what->header());
    retained_version& newest = nodes_[which].newest[std::string(row.what->topic())];
    if (!nodes_[which].clock.believes(newest.stamp)) {
        ++taken_back;
        newest = version;
    }
    if (version < newest) {
        complain("node " + std::to_string(which) + " went back in " + std::string(row.what->topic())
                 + " from " + text_of(newest) + " to " + text_of(version));
    }
    newest = std::max(newest, version);
}

// --- at rest

std::map<std::string, retained_version> retained_world::visible(index which) const {
    std::map<std::string, retained_version> found;
    const node& at = nodes_[which];
    std::string after;
    for (bool done = false; !done;) {
        const router::retained_page page = at.table->read("#", after, {}, now());
        for (const message_ref& row : page.rows) {
            const std::string topic(row->topic());
            const retained_version version = retained_version_of(row->header());
            if (!expires_now(topic, version)) {
                found[topic] = version;
            }
        }
        done = page.done;
        after = page.resume_after;
    }
    return found;
}

/// Clocks differ: what expires about now may be there and not there.
bool retained_world::expires_now(const std::string& topic, const retained_version& version) const {
    const wall_time present = wall_of_node(nodes_.front());
    return std::ranges::any_of(writes_.at(topic), [&](const write& each) {
        return each.version == version && each.expires != never_expires
               && each.expires < present + 1s && each.expires > present - 1s;
    });
}

void retained_world::check_equal(const std::string& when) {
    const auto first = visible(0);
    for (index which = 1; which < nodes_.size(); ++which) {
        const auto other = visible(which);
        for (const auto& [topic, version] : first) {
            const auto found = other.find(topic);
            if (found == other.end() || found->second != version) {
                complain(when + ", nodes 0 and " + std::to_string(which) + " differ in " + topic);
            }
        }
        if (first.size() != other.size()) {
            complain(when + ", node 0 has " + std::to_string(first.size()) + " messages, node "
                     + std::to_string(which) + " " + std::to_string(other.size()));
        }
    }
    for (index which = 0; which < nodes_.size(); ++which) {
        if (!nodes_[which].is_ready) {
            complain("node " + std::to_string(which) + " never was ready");
        }
    }
}

/// The newest write holds, of those that are promised; one that is newer and is not promised may.
void retained_world::check_topic(const std::string& topic) {
    const auto found = visible(0);
    const auto there = found.find(topic);
    std::vector<write> all = writes_[topic];
    std::ranges::sort(all, std::ranges::greater(), &write::version);
    const wall_time present = wall_of_node(nodes_.front());
    for (const write& each : all) {
        const bool is_gone = each.is_clear || each.expires <= present;
        const bool is_this =
            is_gone ? there == found.end() : there != found.end() && there->second == each.version;
        if (is_this) {
            return;
        }
        if (!each.is_doubtful) {
            complain(topic + " should be " + (is_gone ? "clear by " : "") + text_of(each.version)
                     + " and is " + (there == found.end() ? "clear" : text_of(there->second)));
            return;
        }
    }
    if (there != found.end()) {
        complain(topic + " has what nobody wrote");
    }
}

/// Once everybody has everything, removals are forgotten, and all claim the same.
void retained_world::check_tombstones() {
    network_.run_for(options_.collecting.age_min + 60s);
    for (index which = 0; which < nodes_.size(); ++which) {
        if (nodes_[which].table->tombstones() > 0) {
            complain("node " + std::to_string(which) + " still remembers "
                     + std::to_string(nodes_[which].table->tombstones()) + " removals");
        }
        if (root_hash(*nodes_[which].digest) != root_hash(*nodes_[0].digest)) {
            complain("the hashes of nodes 0 and " + std::to_string(which) + " differ");
        }
    }
}

/// Then nothing is said but roots.
void retained_world::check_quiet() {
    const std::uint64_t before = questions_;
    const std::uint64_t all = messages;
    network_.run_for(10s);
    if (questions_ != before) {
        complain("questions are asked at rest");
    }
    if (messages == all) {
        complain("nobody compares at rest");
    }
}

} // namespace gv::cluster::testing
