// SPDX-License-Identifier: Apache-2.0
// What must hold: at any time, after a SUBACK, and at rest.
#include "base/topic.hpp"
#include "tests/cluster/route_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

namespace {

std::string name_of(route_destination of) {
    const char* kind = of.kind == destination_kind::node   ? "node "
                       : of.kind == destination_kind::kept ? "kept "
                                                           : "partition ";
    return kind + std::to_string(of.number);
}

std::string text_of(const route_value& value) {
    return std::to_string(value.quality) + (value.no_local_only ? "n" : "") + " "
           + std::to_string(value.online) + "/" + std::to_string(value.total);
}

/// The answer of an index as text, in an order of its own.
std::string text_of(const route_matches& found) {
    std::set<std::string> lines;
    for (const route_target& each : found.targets) {
        lines.insert(name_of(each.to) + " "
                     + text_of(route_value{each.quality, each.no_local_only}));
    }
    for (const matched_group& group : found.groups) {
        for (const auto& place : group.places) {
            lines.insert("group " + group.name + " of " + group.filter + " " + name_of(place.at)
                         + " " + text_of(place.value));
        }
    }
    std::string text;
    for (const std::string& each : lines) {
        text += each + "\n";
    }
    return text;
}

/// The same from rows, the slow way.
class slow_answer {
  public:
    explicit slow_answer(std::string topic) : topic_(std::move(topic)) {}

    void add(route_destination to, const route_rows& rows) {
        route_target merged{.to = to, .no_local_only = true};
        bool is_wanted = false;
        for (const auto& [key, value] : rows) {
            const auto& [filter, group] = key;
            if (!topic_matches(filter, topic_)) {
                continue;
            }
            if (!group.empty()) {
                all_.groups.push_back(
                    {.name = group, .filter = filter, .places = {{.at = to, .value = value}}});
                continue;
            }
            is_wanted = true;
            merged.quality = std::max(merged.quality, value.quality);
            merged.no_local_only = merged.no_local_only && value.no_local_only;
        }
        if (is_wanted) {
            all_.targets.push_back(merged);
        }
    }
    [[nodiscard]] std::string text() const { return text_of(all_); }

  private:
    std::string topic_;
    route_matches all_;
};

/// A topic that the filter matches.
std::string topic_of(std::string_view filter) {
    std::string topic;
    for (topic_levels levels(filter); !levels.done();) {
        const std::string_view level = levels.next();
        topic.append(topic.empty() ? "" : "/");
        topic.append(level == "+" || level == "#" ? "a" : level);
    }
    return topic;
}

/// What is served here is not in the index; who is dead is hidden, and who is gone, gone.
bool may_be_missing(const route_exchange& routes, route_destination what) {
    const route_owner* mine = routes.owner(what);
    const route_replica* copy = routes.replica(what);
    const bool is_mine = mine != nullptr && mine->is_serving();
    const bool is_away = what.kind != destination_kind::partition
                         && (copy == nullptr || routes.index().is_hidden(copy->slot()));
    return is_mine || is_away;
}

} // namespace

std::string route_world::answer(index which, const std::string& topic) const {
    route_matches found;
    nodes_[which].routes->match(topic, found);
    return text_of(found);
}

bool route_world::matches(index which, const std::string& filter, const std::string& group,
                          route_destination to) const {
    route_matches found;
    nodes_[which].routes->match(topic_of(filter), found);
    if (group.empty()) {
        return std::ranges::any_of(found.targets,
                                   [&](const route_target& each) { return each.to == to; });
    }
    return std::ranges::any_of(found.groups, [&](const matched_group& each) {
        return each.name == group && each.filter == filter
               && std::ranges::any_of(each.places,
                                      [&](const auto& place) { return place.at == to; });
    });
}

// --- after a SUBACK

void route_world::effects::on_known(wait_token who, route_known how) {
    const auto found = world->waiting_.extract(who.value);
    if (!found.empty() && how == route_known::everywhere) {
        ++world->known;
        world->check_known(found.mapped());
    }
}

/// Every node that the owner holds for alive sends what is published there. Not one that holds the
/// owner for dead, and not one that sees another as home already: there is no such promise in a
/// split.
void route_world::check_known(const waiting& who) {
    const node& owner = nodes_[who.node];
    for (const auto& [peer, boot] : owner.believes_alive) {
        const node& at = nodes_[peer];
        const bool believes_owner = at.believes_alive.contains(who.node);
        if (!at.routes || at.boot != boot || !at.is_ready || !believes_owner) {
            continue;
        }
        const route_replica* copy = at.routes->replica(who.stream);
        const bool is_followed =
            copy != nullptr && copy->of() == owner.routes->owner(who.stream)->of();
        if (is_followed && !matches(peer, who.filter, who.group, who.stream)) {
            complain("node " + std::to_string(peer) + " does not send " + who.filter + " to "
                     + name_of(who.stream) + " after its SUBACK");
        }
        if (is_followed && who.stream.kind == destination_kind::kept) {
            nodes_[peer].promises.push_back({.stream = who.stream,
                                             .filter = who.filter,
                                             .group = who.group,
                                             .position = nodes_[peer].disk.position()});
        }
    }
}

void route_world::effects::kept_row_put(node_id author, const route_key& key,
                                        const route_value& value) {
    world->nodes_[self].disk.put(author, key, value);
}

void route_world::effects::kept_row_erased(node_id author, const route_key& key) {
    world->nodes_[self].disk.erase(author, key);
}

/// What a kept session has subscribed to is known for ever, in whatever life, if it was on disk
/// when that life began.
void route_world::check_promises(index which) {
    for (const promise& each : nodes_[which].promises) {
        if (!matches(which, each.filter, each.group, each.stream)) {
            complain("node " + std::to_string(which) + " has forgotten that " + name_of(each.stream)
                     + " wants " + each.filter);
        }
        const route_replica* copy = nodes_[which].routes->replica(each.stream);
        const bool has_spoken = copy == nullptr || copy->state() != route_replica::phase::unknown;
        kept_for_absent += has_spoken ? 0 : 1;
    }
}

void route_world::effects::on_routes_ready() {
    node& at = world->nodes_[self];
    at.is_ready = true;
    world->say("node " + std::to_string(self) + " is ready");
}

// --- at any time

/// What stays subscribed stays seen, whoever tells it.
void route_world::check_steady(index which) {
    node& at = nodes_[which];
    route_matches found;
    at.routes->match("$steady/topic", found);
    std::set<route_destination> here;
    for (const route_target& each : found.targets) {
        here.insert(each.to);
    }
    for (const route_destination each : at.seen) {
        if (!here.contains(each) && !may_be_missing(*at.routes, each)) {
            complain("node " + std::to_string(which) + " lost what " + name_of(each) + " wants");
        }
    }
    at.seen = std::move(here);
}

void route_world::effects::filter_changed(std::string_view filter) {
    std::erase_if(world->nodes_[self].remembered,
                  [filter](const auto& each) { return topic_matches(filter, each.first); });
}

void route_world::effects::all_changed() { world->nodes_[self].remembered.clear(); }

/// Answers that nobody has called outdated are not.
void route_world::check_remembered(index which) {
    node& at = nodes_[which];
    for (const auto& [topic, text] : at.remembered) {
        if (answer(which, topic) != text) {
            complain("node " + std::to_string(which) + " was not told that " + topic
                     + " is answered anew");
        }
    }
    for (int count = 0; count < 3; ++count) {
        const std::string topic = some_topic();
        at.remembered[topic] = answer(which, topic);
    }
}

// --- at rest

void route_world::check_rows(index which) {
    const route_exchange& routes = *nodes_[which].routes;
    const std::string here = "node " + std::to_string(which);
    if (routes.is_busy()) {
        complain(here + " does not come to rest");
    }
    if (!nodes_[which].is_ready) {
        complain(here + " never was ready");
    }
    std::size_t expected_size = 0;
    const auto compare = [&](route_destination stream, const std::vector<subscription>& all) {
        const route_replica* copy = routes.replica(stream);
        route_rows told;
        if (copy != nullptr) {
            routes.index().for_each(
                copy->slot(), [&](const route_key& key, const route_value& value) {
                    told[{std::string(key.filter), std::string(key.group)}] = value;
                });
        }
        const route_rows truth = rows_of(all);
        expected_size += truth.size();
        for (const auto& [key, value] : truth) {
            const auto found = told.find(key);
            if (found == told.end()) {
                complain(here + " misses " + key.first + " of " + name_of(stream));
            } else if (found->second != value) {
                complain(here + " has " + text_of(found->second) + " not " + text_of(value) + " of "
                         + key.first + " of " + name_of(stream));
            }
        }
        for (const auto& [key, value] : told) {
            if (!truth.contains(key)) {
                complain(here + " has a ghost: " + key.first + " of " + name_of(stream));
            }
        }
    };
    for (index each = 0; each < nodes_.size(); ++each) {
        if (each != which) {
            compare(route_destination(id_of(each)), nodes_[each].subscribers);
            compare(route_destination::kept_of(id_of(each)), nodes_[each].kept);
        }
    }
    for (std::size_t each = 0; each < partitions_used; ++each) {
        if (partitions_[each].home != which) {
            compare(route_destination(id_of_partition(each)), partitions_[each].subscribers);
        }
    }
    if (routes.index().size() != expected_size) {
        complain(here + " keeps rows of nobody");
    }
}

/// Synced, the disk is what the node knows.
void route_world::check_disk(index which) {
    node& at = nodes_[which];
    at.disk.sync();
    route_disk in_memory;
    at.routes->for_each_kept([&](node_id author, const route_key& key, const route_value& value) {
        in_memory.put(author, key, value);
    });
    in_memory.sync();
    if (in_memory.there() != at.disk.there()) {
        complain("the disk of node " + std::to_string(which) + " has "
                 + std::to_string(at.disk.there().size()) + " rows, not the "
                 + std::to_string(in_memory.there().size()) + " that it knows");
    }
}

void route_world::check_matches(index which) {
    for (int count = 0; count < 10; ++count) {
        const std::string topic = some_topic();
        slow_answer expected(topic);
        for (index each = 0; each < nodes_.size(); ++each) {
            if (each != which) {
                expected.add(route_destination(id_of(each)), rows_of(nodes_[each].subscribers));
                expected.add(route_destination::kept_of(id_of(each)), rows_of(nodes_[each].kept));
            }
        }
        for (std::size_t each = 0; each < partitions_used; ++each) {
            if (partitions_[each].home != which) {
                expected.add(route_destination(id_of_partition(each)),
                             rows_of(partitions_[each].subscribers));
            }
        }
        if (answer(which, topic) != expected.text()) {
            complain("node " + std::to_string(which) + " answers " + topic + " with "
                     + answer(which, topic) + "instead of " + expected.text());
        }
    }
}

} // namespace gv::cluster::testing
