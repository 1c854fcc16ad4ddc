// SPDX-License-Identifier: Apache-2.0
// What a pass asks of the exchange that it is a part of; for its sources only.
#pragma once

#include "cluster/retained_exchange.hpp"

#include <utility>

namespace gv::cluster {

class retained_exchange::pass_actions final : public retained_pass::actions {
  public:
    pass_actions(retained_exchange& self, const retained_moment& at, retained_effects& out)
        : self_(self), at_(at), out_(out) {}

    void ask(const retained_message& question) override {
        self_.budget_.spend(bytes_of(question), at_.now);
        self_.send(self_.pass_->with(), question, out_);
    }
    retained_ticket read(const retained_range& of) override {
        const retained_ticket ticket{++self_.tickets_};
        ++self_.counts_.buckets;
        out_.read_entries(ticket, of, self_.options_.limits.entries_max);
        return ticket;
    }
    retained_ticket apply(retained_bucket bucket, retained_page&& page) override {
        const retained_ticket ticket{++self_.tickets_};
        self_.counts_.rows_received += page.rows.size();
        self_.counts_.rows_distrusted += std::erase_if(
            page.rows, [this](const auto& row) { return row.what->header().stamp > at_.latest; });
        out_.apply(ticket, bucket, std::move(page.rows), std::move(page.dead));
        return ticket;
    }

  private:
    retained_exchange& self_;
    const retained_moment& at_;
    retained_effects& out_;
};

/// As the coverage takes it.
[[nodiscard]] inline retained_coverage::covered covered_by(const retained_root& told) {
    retained_coverage::covered made;
    for (const retained_covered& each : told.covered) {
        made.emplace(each.node, each.until);
    }
    return made;
}

} // namespace gv::cluster
