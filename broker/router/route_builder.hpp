// SPDX-License-Identifier: Apache-2.0
// Makes a route out of the filters that match a topic. Owned by the router, which keeps it for its
// memory.
#pragma once

#include "broker/router/filter_row.hpp"
#include "broker/router/route.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gv::router {

class route_builder {
  public:
    /// Adds what hangs on a filter that matches.
    void add(const filter_row& row);
    /// Fills the empty `into` with all that was added, and forgets it.
    void build(std::string_view topic, route& into);

  private:
    struct found {
        std::uint32_t order; ///< of the subscriber's first appearance
        taker what;
    };
    void merge_order();
    void add_target(std::span<const found> of_one, route& into);

    std::vector<found> found_;
    std::vector<group*> groups_;
    std::uint64_t remote_ = 0;
    std::size_t rows_ = 0; ///< that have takers
};

} // namespace gv::router
