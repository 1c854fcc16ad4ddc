// SPDX-License-Identifier: Apache-2.0
#include "broker/router/router.hpp"

#include "base/topic_tree.hpp"
#include "broker/router/filter_row.hpp"
#include "broker/router/route_builder.hpp"
#include "broker/router/route_cache.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gv::router {

struct router::tables {
    explicit tables(const router_options& options)
        : peers(options.peers), me(options.me), shards(options.shards),
          cache({.routes_max = options.cached_routes_max, .bytes_max = options.cached_bytes_max},
                options.peers),
          groups(options.strategy) {}

    /// The filter lost something: drops its row if nothing is left on it.
    void tidy(std::string_view filter, const filter_row& row) {
        if (row.is_empty()) {
            tree.erase(filter);
        }
        cache.filter_changed(filter);
    }
    /// Keeps the number of local filters, and tells whether `row` has just become one.
    bool is_first(bool had_local) {
        local_filters += had_local ? 0 : 1;
        return !had_local;
    }
    /// The same for one that has just ceased to be.
    bool is_last(const filter_row& row) {
        local_filters -= row.has_local() ? 0 : 1;
        return !row.has_local();
    }

    /// Groups of `made` that have members elsewhere, too, are for one shard to choose for.
    void add_spread(route& made) {
        for (spread_group& each : far_groups) {
            const shard_id owner = group_owner(each.name, each.filter, shards);
            if (owner != me) {
                made.spread_shards |= std::uint64_t{1} << owner.value;
                continue;
            }
            const auto here = std::ranges::find_if(made.groups, [&](const group* known) {
                return known->name() == each.name && known->filter() == each.filter;
            });
            if (here != made.groups.end()) {
                each.here = *here;
                made.groups.erase(here);
            }
            made.spread.push_back(std::move(each));
        }
        far_groups.clear();
    }

    const peer_routes* peers;
    shard_id me;
    std::size_t shards;
    std::vector<spread_group> far_groups; ///< of the route being made
    route_cache cache;
    topic_tree<filter_row> tree;
    group_table groups;
    route_builder builder;
    std::vector<std::unique_ptr<group>> ended_groups; ///< in this turn
    std::size_t subscriptions = 0;
    std::size_t local_filters = 0;
    std::uint64_t misses = 0;
};

router::router(const router_options& options) : tables_(std::make_unique<tables>(options)) {}

router::~router() = default;

auto router::subscribe(subscriber& who, std::string_view filter,
                       const subscription_options& options) -> added {
    filter_row& row = tables_->tree.insert(filter);
    const bool had_local = row.has_local();
    const filter_row::change change = row.put(who, options);
    if (change != filter_row::change::none) {
        tables_->cache.filter_changed(filter);
    }
    if (change != filter_row::change::added) {
        return {};
    }
    ++tables_->subscriptions;
    return {.is_new = true,
            .first = tables_->is_first(had_local),
            .first_of_kind = (who.is_kept() ? row.kept() : row.not_kept()) == 1};
}

auto router::unsubscribe(subscriber& who, std::string_view filter) -> removed {
    filter_row* row = tables_->tree.find(filter);
    if (row == nullptr || !row->drop(who)) {
        return {};
    }
    --tables_->subscriptions;
    const bool last = tables_->is_last(*row);
    const bool last_of_kind = (who.is_kept() ? row->kept() : row->not_kept()) == 0;
    tables_->tidy(filter, *row);
    return {.existed = true, .last = last, .last_of_kind = last_of_kind};
}

auto router::join(std::string_view name, std::string_view filter, member_id who,
                  const subscription_options& options, bool is_online) -> added {
    const group_table::joined joined =
        tables_->groups.join(name, filter, {.id = who, .options = options}, is_online);
    if (!joined.is_new_group) {
        return {.is_new = joined.is_new_member, .is_online = joined.is_online};
    }
    filter_row& row = tables_->tree.insert(filter);
    const bool first = tables_->is_first(row.has_local());
    row.add_group(*joined.where);
    tables_->cache.filter_changed(filter);
    return {.is_new = true, .first = first, .is_online = joined.is_online};
}

auto router::leave(std::string_view name, std::string_view filter, member_id who) -> removed {
    group_table::left left = tables_->groups.leave(name, filter, who);
    if (!left.ended) {
        return {.existed = left.existed, .was_online = left.was_online};
    }
    filter_row& row = *tables_->tree.find(filter);
    row.drop_group(*left.ended);
    tables_->ended_groups.push_back(std::move(left.ended));
    const bool last = tables_->is_last(row);
    tables_->tidy(filter, row);
    return {.existed = true, .last = last, .was_online = left.was_online};
}

std::vector<const group*> router::set_online(member_id who, bool is_online) {
    return tables_->groups.set_online(who, is_online);
}
group* router::find_group(std::string_view name, std::string_view filter) noexcept {
    return tables_->groups.find(name, filter);
}
void router::taken(member_id who) { tables_->groups.taken(who); }
void router::acknowledged(member_id who) { tables_->groups.acknowledged(who); }

bool router::add_remote(std::string_view filter, shard_id shard) {
    const bool is_news = tables_->tree.insert(filter).add_remote(shard);
    if (is_news) {
        tables_->cache.filter_changed(filter);
    }
    return is_news;
}

bool router::remove_remote(std::string_view filter, shard_id shard) {
    filter_row* row = tables_->tree.find(filter);
    if (row == nullptr || !row->drop_remote(shard)) {
        return false;
    }
    tables_->tidy(filter, *row);
    return true;
}

const route& router::lookup(std::string_view topic) {
    if (const route* known = tables_->cache.find(topic); known != nullptr) [[likely]] {
        return *known;
    }
    ++tables_->misses;
    cached_route& made = tables_->cache.renew(topic);
    tables_->tree.match(topic, [this](const filter_row& row) { tables_->builder.add(row); });
    tables_->builder.build(topic, made);
    if (tables_->peers != nullptr) {
        tables_->peers->who_wants(topic, made.peers, tables_->far_groups);
        tables_->add_spread(made);
    }
    tables_->cache.settle(made);
    return made;
}

void router::forget_verdicts() { tables_->cache.all_changed(); }

void router::end_turn() {
    tables_->cache.end_turn();
    tables_->ended_groups.clear();
}

std::size_t router::subscriptions() const noexcept { return tables_->subscriptions; }
std::size_t router::filters() const noexcept { return tables_->local_filters; }
std::size_t router::groups() const noexcept { return tables_->groups.size(); }
std::size_t router::cached_routes() const noexcept { return tables_->cache.size(); }
std::size_t router::cached_bytes() const noexcept { return tables_->cache.bytes(); }
std::uint64_t router::cache_misses() const noexcept { return tables_->misses; }

void router::for_each_filter(const std::function<void(std::string_view filter)>& visit) const {
    tables_->tree.for_each([&visit](std::string_view filter, const filter_row& row) {
        if (row.has_local()) {
            visit(filter);
        }
    });
}

} // namespace gv::router
