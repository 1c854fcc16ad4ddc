// SPDX-License-Identifier: Apache-2.0
// A struct whose fields describe themselves (base/option.hpp, base/metric.hpp) is walked here, in
// the order of declaration, by Boost.PFR. Include this in sources, not in headers: it costs the
// compiler about a second.
#pragma once

#include <boost/pfr/core.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace gv {

/// Calls `visit(field)` for each field of the aggregate `described`.
template <typename Struct, typename Visit>
void for_each_field(Struct& described, Visit&& visit) {
    static_assert(std::is_aggregate_v<std::remove_const_t<Struct>>);
    boost::pfr::for_each_field(described, [&visit](auto& field) { visit(field); });
}

/// Calls `visit(left_field, right_field)` for each field of two structs of one type.
template <typename Struct, typename Visit>
void for_each_field_pair(Struct& left, const Struct& right, Visit&& visit) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (visit(boost::pfr::get<Index>(left), boost::pfr::get<Index>(right)), ...);
    }(std::make_index_sequence<boost::pfr::tuple_size_v<Struct>>{});
}

} // namespace gv
