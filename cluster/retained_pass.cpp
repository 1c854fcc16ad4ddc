// SPDX-License-Identifier: Apache-2.0
#include "cluster/retained_pass.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

namespace {

constexpr std::size_t group_size = retained_bucket_count / retained_group_count;

constexpr retained_groups bit_of_group(std::size_t group) noexcept {
    return retained_groups{1} << group;
}

} // namespace

void byte_budget::spend(std::size_t bytes, time_point now) noexcept {
    if (rate_ != 0) {
        const std::chrono::duration<double> cost(static_cast<double>(bytes)
                                                 / static_cast<double>(rate_));
        free_at_ = std::max(free_at_, now) + std::chrono::duration_cast<duration>(cost);
    }
}

retained_pass::retained_pass(node_id with, const retained_root& told, const limits& bounds,
                             std::uint64_t first_number)
    : with_(with), told_(told), bounds_(bounds), again_at_(time_point::min()),
      numbers_(first_number) {}

// --- hashes

void retained_pass::ask_hashes(time_point now, actions& out) {
    if (again_at_ > now) {
        return;
    }
    if (++asks_ > bounds_.asks_max) {
        is_hopeless_ = true;
        return;
    }
    again_at_ = now + bounds_.ask_again;
    out.ask(retained_hashes_request{.groups = groups_});
}

void retained_pass::on_hashes(const retained_hashes& told, const retained_digest& digest) {
    if (phase_ == phase::rows || told.groups != groups_) {
        return;
    }
    if (phase_ == phase::groups) {
        for (std::size_t group = 0; group < retained_group_count; ++group) {
            groups_ |= told.hashes[group] != group_hash(digest, group) ? bit_of_group(group) : 0;
        }
    } else {
        find_buckets(told, digest);
    }
    const bool has_next = phase_ == phase::groups && groups_ != 0;
    phase_ = has_next ? phase::buckets : phase::rows;
    asks_ = 0;
    again_at_ = has_next ? time_point::min() : never;
}

void retained_pass::find_buckets(const retained_hashes& told, const retained_digest& digest) {
    auto next = told.hashes.begin();
    for (std::size_t group = 0; group < retained_group_count; ++group) {
        if ((groups_ & bit_of_group(group)) == 0) {
            continue;
        }
        for (std::size_t at = group * group_size; at < (group + 1) * group_size; ++at) {
            const retained_bucket bucket{static_cast<std::uint16_t>(at)};
            if (*next++ != digest.at(bucket)) {
                buckets_.push_back(bucket);
            }
        }
    }
    differing_ = buckets_.size();
}

// --- rows

void retained_pass::go_on(const retained_claim& claim, time_point now, time_point may_ask_at,
                          actions& out) {
    if (phase_ != phase::rows) {
        ask_hashes(now, out);
        return;
    }
    while (fetches_.size() < bounds_.questions_max && !buckets_.empty()) {
        fetches_.push_back({.of = {.bucket = buckets_.front()}, .known = {}});
        buckets_.pop_front();
    }
    for (fetch& each : fetches_) {
        if (each.at == fetch::step::to_read) {
            each.at = fetch::step::reading;
            each.ticket = out.read(each.of);
        }
        const bool is_due = each.at == fetch::step::asked && each.again_at <= now;
        if (is_due || (each.at == fetch::step::to_ask && may_ask_at <= now)) {
            ask_rows(each, claim, now, out);
        }
    }
}

void retained_pass::ask_rows(fetch& which, const retained_claim& claim, time_point now,
                             actions& out) {
    if (which.asks >= bounds_.asks_max) {
        is_hopeless_ = true;
        return;
    }
    which.number = which.asks++ == 0 ? ++numbers_ : which.number;
    which.at = fetch::step::asked;
    which.again_at = now + bounds_.ask_again;
    out.ask(retained_rows_request{.number = which.number,
                                  .of = which.of,
                                  .bytes_max = static_cast<std::uint32_t>(bounds_.page_bytes_max),
                                  .claim = claim,
                                  .known = which.known});
}

result<bool, retained_fault> retained_pass::on_page(retained_page&& page, actions& out) {
    const auto found = std::ranges::find_if(fetches_, [&](const fetch& each) {
        return each.at == fetch::step::asked && each.number == page.number;
    });
    if (found == fetches_.end()) {
        return false;
    }
    const retained_range& of = found->of;
    const bool goes_on = page.until == of.until || (of.after < page.until && page.until < of.until);
    if (!goes_on) {
        return failure(retained_fault::bucket_unknown);
    }
    for (const retained_row& row : page.rows) {
        const std::uint64_t hash = retained_topic_hash(row.what->topic());
        if (retained_bucket_of(hash) != of.bucket || !of.has(hash)) {
            return failure(retained_fault::topic_elsewhere);
        }
    }
    for (const retained_entry& each : page.dead) {
        if (!std::ranges::binary_search(found->known, each)) {
            return failure(retained_fault::topic_elsewhere);
        }
    }
    found->answered_until = page.until;
    found->at = fetch::step::applying;
    found->again_at = never;
    found->ticket = out.apply(of.bucket, std::move(page));
    return true;
}

void retained_pass::on_entries(retained_ticket ticket, retained_entries&& found) {
    for (fetch& each : fetches_) {
        if (each.at == fetch::step::reading && each.ticket == ticket) {
            each.known = std::move(found.entries);
            each.of.until = found.until;
            each.at = fetch::step::to_ask;
        }
    }
}

void retained_pass::on_applied(retained_ticket ticket, const retained_applied& done) {
    const auto found = std::ranges::find_if(fetches_, [&](const fetch& each) {
        return each.at == fetch::step::applying && each.ticket == ticket;
    });
    if (found == fetches_.end()) {
        return;
    }
    was_refused_ = was_refused_ || done.refused > 0;
    if (!go_on_after(*found)) {
        fetches_.erase(found);
    }
}

/// What comes after what was answered: the rest of the question, or of the bucket. False if there
/// is nothing.
bool retained_pass::go_on_after(fetch& which) {
    which.asks = 0;
    retained_range& of = which.of;
    of.after = which.answered_until;
    if (of.after < of.until) {
        std::erase_if(which.known,
                      [&](const retained_entry& each) { return !of.has(each.topic_hash); });
        which.at = fetch::step::to_ask;
        return true;
    }
    if (of.until < last_topic_hash) {
        of.until = last_topic_hash;
        which.at = fetch::step::to_read;
        return true;
    }
    return false;
}

bool retained_pass::is_done() const noexcept {
    return phase_ == phase::rows && buckets_.empty() && fetches_.empty();
}

bool retained_pass::waits_to_ask() const noexcept {
    return std::ranges::any_of(fetches_,
                               [](const fetch& each) { return each.at == fetch::step::to_ask; });
}

time_point retained_pass::next_deadline() const noexcept {
    time_point next = again_at_;
    for (const fetch& each : fetches_) {
        next = std::min(next, each.again_at);
    }
    return next;
}

} // namespace gv::cluster
