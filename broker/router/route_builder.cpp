// SPDX-License-Identifier: Apache-2.0
#include "broker/router/route_builder.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <tuple>

namespace gv::router {

void route_builder::add(const filter_row& row) {
    rows_ += row.takers().empty() ? 0 : 1;
    for (const taker& each : row.takers()) {
        found_.push_back({.order = static_cast<std::uint32_t>(found_.size()), .what = each});
    }
    groups_.insert(groups_.end(), row.groups().begin(), row.groups().end());
    remote_ |= row.remote();
}

/// Brings the filters of each subscriber together, in the order in which subscribers were first
/// found: never in that of addresses, so that a simulation repeats itself.
void route_builder::merge_order() {
    std::ranges::sort(found_, {}, [](const found& each) {
        return std::tuple(std::bit_cast<std::uintptr_t>(each.what.who), each.order);
    });
    for (std::size_t at = 1; at < found_.size(); ++at) {
        if (found_[at].what.who == found_[at - 1].what.who) {
            found_[at].order = found_[at - 1].order;
        }
    }
    std::ranges::sort(found_, {}, [](const found& each) {
        return std::tuple(each.order, each.what.options.subscription_id);
    });
}

namespace {

/// Merges the filters for which `counts` holds. The ids go to the end of `ids`, which has room, so
/// that earlier grants keep pointing into it.
template <typename Filters, typename Counts>
grant merged(const Filters& filters, std::vector<std::uint32_t>& ids, Counts counts) {
    grant how;
    how.newest_only = true;
    const std::size_t first_id = ids.size();
    for (const auto& [order, what] : filters) {
        const subscription_options& options = what.options;
        if (!counts(options)) {
            continue;
        }
        how.quality = std::max(how.quality, options.quality);
        how.retain_as_published |= options.retain_as_published;
        how.newest_only &= options.newest_only;
        if (options.subscription_id != 0) {
            ids.push_back(options.subscription_id);
        }
    }
    how.subscription_ids = std::span(ids).subspan(first_id);
    return how;
}

} // namespace

void route_builder::add_target(std::span<const found> of_one, route& into) {
    const auto is_no_local = [](const found& each) { return each.what.options.no_local; };
    target to;
    to.who = of_one.front().what.who;
    to.how = merged(of_one, into.subscription_ids, [](const auto&) { return true; });
    to.has_no_local = std::ranges::any_of(of_one, is_no_local);
    if (to.has_no_local && !std::ranges::all_of(of_one, is_no_local)) {
        to.own = static_cast<std::int32_t>(into.own_grants.size());
        into.own_grants.push_back(
            merged(of_one, into.subscription_ids,
                   [](const subscription_options& options) { return !options.no_local; }));
    }
    into.targets.push_back(to);
}

void route_builder::build(std::string_view topic, route& into) {
    if (rows_ > 1) {
        merge_order();
    }
    const auto ids = std::ranges::count_if(
        found_, [](const found& each) { return each.what.options.subscription_id != 0; });
    into.subscription_ids.reserve(2 * static_cast<std::size_t>(ids)); // once more in own_grants
    for (auto first = found_.begin(); first != found_.end();) {
        const auto end = std::find_if(
            first, found_.end(), [&](const found& each) { return each.order != first->order; });
        if (first->what.who->may_receive(topic)) {
            add_target({first, end}, into);
        }
        first = end;
    }
    into.groups = groups_;
    into.remote = remote_;
    found_.clear();
    groups_.clear();
    remote_ = 0;
    rows_ = 0;
}

} // namespace gv::router
