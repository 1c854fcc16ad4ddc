// SPDX-License-Identifier: Apache-2.0
#include "broker/session/row_queue.hpp"

#include <algorithm>
#include <utility>

namespace gv::session {

std::uint64_t row_queue::first_sequence() noexcept {
    return !page_.empty()     ? page_.front().sequence
           : stored_rows_ > 0 ? stored_.front().first
                              : recent_.front().sequence;
}

void row_queue::push(queued_row row) {
    const std::size_t weight = row.content->weight();
    count_in(1, weight);
    recent_bytes_ += weight;
    recent_.push_back(std::move(row));
}

queued_row* row_queue::front() noexcept {
    if (!page_.empty()) {
        return &page_.front();
    }
    return stored_rows_ > 0 || recent_.empty() ? nullptr : &recent_.front();
}

queued_row row_queue::take(ring<queued_row>& from, std::size_t& bytes) {
    queued_row taken = from.pop_front();
    bytes -= taken.content->weight();
    while (!from.empty() && !from.front().content) {
        from.pop_front();
        --gaps_;
    }
    return taken;
}

std::optional<queued_row> row_queue::remove(std::uint64_t sequence, std::size_t weight,
                                            std::uint32_t body) {
    if (auto found = remove_from(page_, page_bytes_, sequence)) {
        return found;
    }
    if (auto found = remove_from(recent_, recent_bytes_, sequence)) {
        return found;
    }
    return remove_stored(sequence, weight, body) ? std::optional(queued_row{}) : std::nullopt;
}

std::optional<queued_row> row_queue::remove_from(ring<queued_row>& rows, std::size_t& bytes,
                                                 std::uint64_t sequence) {
    std::size_t low = 0;
    for (std::size_t high = rows.size(); low < high;) {
        const std::size_t middle = (low + high) / 2;
        if (rows[middle].sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == rows.size() || rows[low].sequence != sequence || !rows[low].content) {
        return std::nullopt;
    }
    if (low == 0) {
        queued_row taken = take(rows, bytes);
        count_out(1, taken.content->weight());
        return taken;
    }
    queued_row taken = std::exchange(rows[low], queued_row{.sequence = sequence});
    bytes -= taken.content->weight();
    ++gaps_;
    count_out(1, taken.content->weight());
    close_gaps(rows);
    return taken;
}

// Each row is moved at most once for every two that were removed.
void row_queue::close_gaps(ring<queued_row>& rows) {
    constexpr std::size_t few = 64;
    if (gaps_ < few || gaps_ * 2 < rows.size()) {
        return;
    }
    ring<queued_row> closed;
    while (!rows.empty()) {
        queued_row next = rows.pop_front();
        if (next.content) {
            closed.push_back(std::move(next));
        } else {
            --gaps_;
        }
    }
    rows = std::move(closed);
}

bool row_queue::remove_stored(std::uint64_t sequence, std::size_t weight, std::uint32_t body) {
    std::size_t low = 0;
    for (std::size_t high = stored_.size(); low < high;) {
        const std::size_t middle = (low + high) / 2;
        if (stored_[middle].end <= sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == stored_.size() || sequence < stored_[low].first || stored_[low].rows == 0) {
        return false;
    }
    stored_run& from = stored_[low];
    const std::size_t counted = std::min<std::size_t>(weight, from.bytes);
    from.bytes -= counted;
    --from.rows;
    from.bodies -= body != 0 && from.bodies > 0 ? 1U : 0U;
    --stored_rows_;
    count_out(1, counted);
    forget_empty_runs();
    return true;
}

queued_row row_queue::pop() {
    queued_row taken = page_.empty() ? take(recent_, recent_bytes_) : take(page_, page_bytes_);
    count_out(1, taken.content->weight());
    return taken;
}

std::optional<stored_run> row_queue::drop_oldest(std::optional<queued_row>& single) {
    if (!page_.empty() || stored_rows_ == 0) {
        single = pop();
        return std::nullopt;
    }
    stored_run& oldest = stored_.front();
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
    ++oldest.first;
    --oldest.rows;
    oldest.bytes -= dropped.bytes;
    oldest.bodies -= dropped.bodies;
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
    const stored_run gone = stored_.pop_front();
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
    while (!recent_.empty() && log.is_durable(recent_.front().where.mark)) {
        queued_row row = take(recent_, recent_bytes_);
        const std::size_t weight = row.content->weight();
        if (keeps_page && stored_rows_ == 0 && page_bytes_ < page_bytes_max) {
            page_bytes_ += weight;
            page_.push_back(std::move(row));
        } else {
            store(row.sequence, weight, row.where.body);
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
    ring<stored_run> behind = std::exchange(stored_, {});
    while (!page_.empty()) {
        const queued_row row = take(page_, page_bytes_);
        store(row.sequence, row.content->weight(), row.where.body);
        if (row.group.value != 0) {
            settled.push_back(row.group);
        }
    }
    while (!behind.empty()) {
        stored_.push_back(behind.pop_front());
    }
    page_.clear();
}

void row_queue::store(std::uint64_t sequence, std::size_t weight, std::uint32_t body) {
    stored_run* last = stored_.empty() ? nullptr : &stored_[stored_.size() - 1];
    if (last == nullptr || last->rows >= run_rows_max
        || (body != 0 && last->body != 0 && body != last->body)) {
        last = &stored_.push_back({.first = sequence});
    }
    last->end = sequence + 1;
    last->bytes += weight;
    ++last->rows;
    if (body != 0) {
        last->body = body;
        ++last->bodies;
    }
    ++stored_rows_;
}

void row_queue::restore(const stored_run& run) {
    stored_.push_back(run);
    stored_rows_ += run.rows;
    count_in(run.rows, run.bytes);
}

// A read that begins now finds none of those whose end is durable.
void row_queue::forget_erased(const outbound_log& log) {
    std::erase_if(erased_, [&](const erased_row& each) { return log.is_durable(each.mark); });
}

std::optional<row_range> row_queue::begin_read(const outbound_log& log) {
    if (is_reading_ || stored_rows_ == 0 || page_.size() >= page_low
        || page_bytes_ >= page_bytes_max / 2) {
        return std::nullopt;
    }
    is_reading_ = true;
    forget_erased(log);
    return row_range{.first = stored_.front().first,
                     .end = stored_[stored_.size() - 1].end,
                     .rows_max = run_rows_max,
                     .bytes_max = page_bytes_max};
}

// Runs that were dropped while they were being read are passed over.
void row_queue::add_page(std::vector<queued_row> rows, std::uint64_t read_until) {
    is_reading_ = false;
    if (std::exchange(is_read_stale_, false)) {
        return;
    }
    for (queued_row& row : rows) {
        if (stored_.empty() || row.sequence < stored_.front().first
            || std::ranges::find(erased_, row.sequence, &erased_row::sequence) != erased_.end()) {
            continue;
        }
        take_from_runs(row);
        page_bytes_ += row.content->weight();
        page_.push_back(std::move(row));
    }
    while (!stored_.empty() && stored_.front().end <= read_until) {
        forget_run();
    }
    if (!stored_.empty() && stored_.front().first < read_until) {
        stored_.front().first = read_until;
    }
    forget_empty_runs();
}

// They would come behind rows that are newer.
void row_queue::forget_empty_runs() {
    if (stored_rows_ == 0) {
        stored_.clear();
    }
}

void row_queue::take_from_runs(const queued_row& row) {
    while (stored_.front().end <= row.sequence) {
        forget_run();
    }
    stored_run& from = stored_.front();
    const std::size_t weight = row.content->weight();
    if (weight > from.bytes) {
        count_in(0, weight - from.bytes); // those before it were lighter than they were counted
        from.bytes = weight;
    }
    from.bytes -= weight;
    from.rows -= from.rows > 0 ? 1U : 0U;
    from.bodies -= row.where.body != 0 && from.bodies > 0 ? 1U : 0U;
    --stored_rows_;
}

} // namespace gv::session
