// SPDX-License-Identifier: Apache-2.0
#include "broker/session/row_queue.hpp"

#include <algorithm>
#include <utility>

namespace gv::session {

void row_queue::resident_rows::push(queued_row row) {
    bytes += row.content->weight();
    all.push_back(std::move(row));
}

queued_row row_queue::resident_rows::take() {
    queued_row taken = all.pop_front();
    bytes -= taken.content->weight();
    while (!all.empty() && !all.front().content) {
        all.pop_front();
        --gaps;
    }
    return taken;
}

std::optional<queued_row> row_queue::resident_rows::remove(std::uint64_t sequence) {
    std::size_t low = 0;
    for (std::size_t high = all.size(); low < high;) {
        const std::size_t middle = (low + high) / 2;
        if (all[middle].sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == all.size() || all[low].sequence != sequence || !all[low].content) {
        return std::nullopt;
    }
    if (low == 0) {
        return take();
    }
    queued_row taken = std::exchange(all[low], queued_row{.sequence = sequence});
    bytes -= taken.content->weight();
    ++gaps;
    close_gaps();
    return taken;
}

// Each row is moved at most once for every two that were removed.
void row_queue::resident_rows::close_gaps() {
    constexpr std::size_t few = 64;
    if (gaps < few || gaps * 2 < all.size()) {
        return;
    }
    ring<queued_row> closed;
    while (!all.empty()) {
        queued_row next = all.pop_front();
        if (next.content) {
            closed.push_back(std::move(next));
        }
    }
    gaps = 0;
    all = std::move(closed);
}

std::uint64_t row_queue::first_sequence() noexcept {
    return !page_.empty()     ? page_.all.front().sequence
           : stored_rows_ > 0 ? stored_->begin()->first
                              : recent_.all.front().sequence;
}

void row_queue::push(queued_row row) {
    count_in(1, row.content->weight());
    has_removed_ = has_removed_ || row.topic != 0;
    recent_.push(std::move(row));
}

queued_row* row_queue::front() noexcept {
    if (!page_.empty()) {
        return &page_.all.front();
    }
    return stored_rows_ > 0 || recent_.empty() ? nullptr : &recent_.all.front();
}

queued_row row_queue::pop() {
    queued_row taken = page_.empty() ? recent_.take() : page_.take();
    count_out(1, taken.content->weight());
    return taken;
}

std::optional<queued_row> row_queue::remove(std::uint64_t sequence, std::size_t weight,
                                            std::uint32_t body) {
    for (resident_rows* each : {&page_, &recent_}) {
        if (auto found = each->remove(sequence)) {
            count_out(1, found->content->weight());
            return found;
        }
    }
    return remove_stored(sequence, weight, body) ? std::optional(queued_row{}) : std::nullopt;
}

bool row_queue::remove_stored(std::uint64_t sequence, std::size_t weight, std::uint32_t body) {
    if (stored_rows_ == 0) {
        return false;
    }
    auto at = stored_->upper_bound(sequence);
    if (at == stored_->begin() || (--at)->second.end <= sequence) {
        return false;
    }
    stored_run& from = at->second;
    const bool was_even = is_even(from);
    const std::size_t counted = std::min<std::size_t>(weight, from.bytes);
    from.bytes -= counted;
    --from.rows;
    from.bodies -= body != 0 && from.bodies > 0 ? 1U : 0U;
    --stored_rows_;
    count_out(1, counted);
    if (from.rows == 0) {
        count_out(0, from.bytes);
        stored_->erase(at);
    } else if (was_even) {
        split(at, sequence);
    }
    return true;
}

// So that it stays known of each row that it is there.
void row_queue::split(stored_runs::iterator at, std::uint64_t gap) {
    stored_run& before = at->second;
    if (gap == before.first) {
        begin_later(at, gap + 1);
    } else if (gap + 1 == before.end) {
        before.end = gap;
    } else {
        stored_run behind = before;
        behind.first = gap + 1;
        behind.rows = static_cast<std::uint32_t>(behind.end - behind.first);
        behind.bytes = before.bytes * behind.rows / before.rows;
        behind.bodies = before.bodies > 0 ? behind.rows : 0;
        before.end = gap;
        before.rows -= behind.rows;
        before.bytes -= behind.bytes;
        before.bodies -= behind.bodies;
        stored_->emplace(behind.first, behind);
    }
}

void row_queue::begin_later(stored_runs::iterator at, std::uint64_t first) {
    auto node = stored_->extract(at);
    node.key() = node.mapped().first = first;
    stored_->insert(std::move(node));
}

std::optional<stored_run> row_queue::drop_oldest(std::optional<queued_row>& single) {
    if (!page_.empty() || stored_rows_ == 0) {
        single = pop();
        return std::nullopt;
    }
    stored_run& oldest = stored_->begin()->second;
    if (oldest.rows <= 1 || !is_even(oldest)) {
        const stored_run dropped = oldest;
        forget_run();
        return dropped;
    }
    const stored_run dropped{.first = oldest.first,
                             .end = oldest.first + 1,
                             .bytes = oldest.bytes / oldest.rows,
                             .rows = 1,
                             .body = oldest.body,
                             .bodies = oldest.bodies > 0 ? 1U : 0U};
    --oldest.rows;
    oldest.bytes -= dropped.bytes;
    oldest.bodies -= dropped.bodies;
    begin_later(stored_->begin(), dropped.end);
    --stored_rows_;
    count_out(1, dropped.bytes);
    return dropped;
}

// Whether it is known of each of its rows that it is there, and where its message is.
bool row_queue::is_even(const stored_run& run) noexcept {
    return run.end - run.first == run.rows && (run.bodies == 0 || run.bodies == run.rows);
}

// The run in front, with whatever is left of it.
void row_queue::forget_run() {
    const stored_run gone = stored_->begin()->second;
    stored_->erase(stored_->begin());
    stored_rows_ -= gone.rows;
    count_out(gone.rows, gone.bytes);
}

void row_queue::spill(const outbound_log& log, bool keeps_page,
                      std::vector<group_origin>& settled) {
    if (!is_reading_) {
        forget_erased(log);
    }
    if (!keeps_page) {
        return_page(settled);
    }
    while (!recent_.empty() && log.is_durable(recent_.all.front().where.mark)) {
        queued_row row = recent_.take();
        if (keeps_page && stored_rows_ == 0 && page_.bytes < page_bytes_max) {
            page_.push(std::move(row));
        } else {
            store(row.sequence, row.content->weight(), row.where.body);
            if (row.group.value != 0) {
                settled.push_back(row.group);
            }
        }
    }
    shrink();
}

void row_queue::return_page(std::vector<group_origin>& settled) {
    if (page_.empty()) {
        return;
    }
    is_read_stale_ = is_reading_;
    while (!page_.empty()) {
        const queued_row row = page_.take();
        store(row.sequence, row.content->weight(), row.where.body);
        if (row.group.value != 0) {
            settled.push_back(row.group);
        }
    }
    page_.all.clear();
}

void row_queue::store(std::uint64_t sequence, std::size_t weight, std::uint32_t body) {
    if (!stored_) {
        stored_ = std::make_unique<stored_runs>();
    }
    const auto next = stored_->upper_bound(sequence);
    auto at = next == stored_->begin() ? stored_->end() : std::prev(next);
    if (at == stored_->end() || !belongs_to(at->second, sequence, body)) {
        at = stored_->emplace_hint(next, sequence, stored_run{.first = sequence});
    }
    stored_run& last = at->second;
    last.end = sequence + 1;
    last.bytes += weight;
    ++last.rows;
    if (body != 0) {
        last.body = body;
        ++last.bodies;
    }
    ++stored_rows_;
}

// Behind its end. Where rows are removed, one run is as the other.
bool row_queue::belongs_to(const stored_run& run, std::uint64_t sequence,
                           std::uint32_t body) const noexcept {
    return run.rows < run_rows_max && (body == 0 || run.body == 0 || body == run.body)
           && (!has_removed_ || (run.end == sequence && (run.bodies > 0) == (body != 0)));
}

void row_queue::restore(const stored_run& run) {
    if (!stored_) {
        stored_ = std::make_unique<stored_runs>();
    }
    stored_->emplace_hint(stored_->end(), run.first, run);
    stored_rows_ += run.rows;
    count_in(run.rows, run.bytes);
}

// A read that begins now finds none of those whose end is durable.
void row_queue::forget_erased(const outbound_log& log) {
    std::erase_if(erased_, [&](const erased_row& each) { return log.is_durable(each.mark); });
}

std::optional<row_range> row_queue::begin_read(const outbound_log& log) {
    if (is_reading_ || stored_rows_ == 0 || page_.rows() >= page_low
        || page_.bytes >= page_bytes_max / 2) {
        return std::nullopt;
    }
    is_reading_ = true;
    forget_erased(log);
    return row_range{.first = stored_->begin()->first,
                     .end = stored_->rbegin()->second.end,
                     .rows_max = run_rows_max,
                     .bytes_max = page_bytes_max};
}

// Runs that were dropped while they were being read are passed over, and rows that were removed.
void row_queue::add_page(std::vector<queued_row> rows, std::uint64_t read_until) {
    is_reading_ = false;
    if (std::exchange(is_read_stale_, false)) {
        return;
    }
    for (queued_row& row : rows) {
        const bool is_erased =
            std::ranges::find(erased_, row.sequence, &erased_row::sequence) != erased_.end();
        if (!is_erased && take_from_runs(row)) {
            page_.push(std::move(row));
        }
    }
    while (stored_rows_ > 0 && stored_->begin()->second.end <= read_until) {
        forget_run();
    }
    if (stored_rows_ > 0 && stored_->begin()->first < read_until) {
        begin_later(stored_->begin(), read_until);
    }
}

// False if it is in none.
bool row_queue::take_from_runs(const queued_row& row) {
    while (stored_rows_ > 0 && stored_->begin()->second.end <= row.sequence) {
        forget_run();
    }
    if (stored_rows_ == 0 || row.sequence < stored_->begin()->first) {
        return false;
    }
    stored_run& from = stored_->begin()->second;
    const std::size_t weight = row.content->weight();
    if (weight > from.bytes) {
        count_in(0, weight - from.bytes); // those before it were lighter than they were counted
        from.bytes = weight;
    }
    from.bytes -= weight;
    --from.rows;
    from.bodies -= row.where.body != 0 && from.bodies > 0 ? 1U : 0U;
    --stored_rows_;
    if (from.rows == 0) {
        count_out(0, from.bytes);
        stored_->erase(stored_->begin());
    }
    return true;
}

} // namespace gv::session
