// SPDX-License-Identifier: Apache-2.0
// What peers say, and what is said to that.
#include "cluster/retained_exchange_pass.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

struct retained_exchange::on_message_of {
    using taken = result<void, retained_fault>;

    retained_exchange& self;
    node_id from;
    peer& sender;
    std::size_t bytes; ///< of the message
    const retained_moment& at;
    retained_effects& out;

    taken operator()(retained_root&& told) const {
        if (told.boot == sender.boot) {
            self.take_root(from, sender, told, at, out);
        }
        return {};
    }
    taken operator()(retained_hashes_request&& asked) const {
        retained_hashes told{.groups = asked.groups, .hashes = {}};
        for (std::size_t group = 0; group < retained_group_count; ++group) {
            if (asked.groups == 0) {
                told.hashes.push_back(group_hash(*self.digest_, group));
            } else if ((asked.groups >> group & 1) != 0) {
                add_buckets(group, told.hashes);
            }
        }
        self.send(from, told, out);
        return {};
    }
    taken operator()(retained_hashes&& told) const {
        if (is_asked()) {
            self.pass_->on_hashes(told, *self.digest_);
        }
        return {};
    }
    taken operator()(retained_rows_request&& asked) const {
        if (self.answers_.size() >= self.options_.answers_max) {
            ++self.counts_.answers_dropped;
            return {};
        }
        const retained_limits& limits = self.options_.limits;
        const retained_ticket ticket{++self.tickets_};
        self.answers_[ticket] = {
            .to = from, .number = asked.number, .claim = self.coverage_.claim()};
        out.read_rows(ticket,
                      {.of = asked.of,
                       .known = std::move(asked.known),
                       .theirs = asked.claim,
                       .ours = self.coverage_.claim(),
                       .bytes_max = std::min<std::size_t>(asked.bytes_max, limits.page_bytes_max),
                       .rows_max = limits.page_rows_max});
        return {};
    }
    taken operator()(retained_page&& page) const {
        if (!is_asked()) {
            return {};
        }
        self.budget_.spend(bytes, at.now);
        pass_actions actions(self, at, out);
        const auto used = self.pass_->on_page(std::move(page), actions);
        return used ? taken() : failure(used.error());
    }

  private:
    [[nodiscard]] bool is_asked() const { return self.pass_ && self.pass_->with() == from; }
    void add_buckets(std::size_t group, std::vector<std::uint64_t>& to) const {
        constexpr std::size_t each = retained_bucket_count / retained_group_count;
        for (std::size_t bucket = group * each; bucket < (group + 1) * each; ++bucket) {
            to.push_back(self.digest_->at(retained_bucket{static_cast<std::uint16_t>(bucket)}));
        }
    }
};

result<void, retained_fault> retained_exchange::on_message(node_id from, retained_message&& message,
                                                           const retained_moment& at,
                                                           retained_effects& out) {
    const auto sender = peers_.find(from);
    if (sender == peers_.end()) {
        return failure(retained_fault::unknown_peer); // which is no fault of it
    }
    auto done = check(message, at.latest, options_.limits);
    if (done) {
        const std::size_t bytes = bytes_of(message);
        counts_.bytes_received += bytes;
        done = std::visit(on_message_of{.self = *this,
                                        .from = from,
                                        .sender = sender->second,
                                        .bytes = bytes,
                                        .at = at,
                                        .out = out},
                          std::move(message));
    }
    counts_.refused += done ? 0 : 1;
    go_on(at, out);
    return done;
}

/// While tombstones are erased here, shard after shard, this node's hashes are those of nobody:
/// afterwards it asks again.
void retained_exchange::take_root(node_id from, peer& sender, const retained_root& told,
                                  const retained_moment& at, retained_effects& out) {
    ++counts_.compares;
    coverage_.hear(from, covered_by(told), at.latest);
    stay_after_told(out);
    sender.hash = told.hash;
    sender.ask_at = is_collecting_ ? at.now : never;
    if (is_collecting_) {
        return;
    }
    if (told.wants_answer) {
        send_root(from, false, at, out);
    }
    if (told.hash == root_hash(*digest_)) {
        sender.differs.reset();
        settle_with(from, told, at, out);
        return;
    }
    // One of us has erased tombstones earlier, which the other may now do, too.
    const hybrid_time mine = coverage_.claim().to;
    if (mine < told.claim.to && coverage_.is_complete_here(told.claim.to)) {
        set_claim(coverage_.merged(told.claim), out);
        sender.ask_at = at.now;
        return;
    }
    if (told.claim.to < mine && coverage_.is_complete(covered_by(told), mine)) {
        return;
    }
    ++counts_.differences;
    if (!pass_ || pass_->with() != from) {
        sender.differs = told;
    }
}

void retained_exchange::on_rows(retained_ticket ticket, retained_answer&& found,
                                const retained_moment& at, retained_effects& out) {
    const auto waiting = answers_.extract(ticket);
    if (!waiting.empty() && peers_.contains(waiting.mapped().to)) {
        const waiting_answer& whom = waiting.mapped();
        counts_.rows_sent += found.rows.size();
        send(whom.to,
             retained_page{.number = whom.number,
                           .until = found.until,
                           .claim = whom.claim,
                           .dead = std::move(found.dead),
                           .rows = std::move(found.rows)},
             out);
    }
    go_on(at, out);
}

} // namespace gv::cluster
