// SPDX-License-Identifier: Apache-2.0
// Replays of retained messages.
#include "broker/router/retained_rows.hpp"

#include <algorithm>
#include <utility>

namespace gv::router {

namespace {

/// Collects one page. Expired rows are noted on the way and erased by the caller afterwards, since
/// erasing moves positions.
class page_reader {
  public:
    page_reader(const ordered_rows<topic_of_row>& order, const row_slab& rows,
                const page_limits& limits, time_point now)
        : order_(order), rows_(rows), limits_(limits), now_(now) {}

    retained_page read(std::string_view filter, std::string_view after);
    [[nodiscard]] const std::vector<message_ref>& expired() const noexcept { return expired_; }

  private:
    using position = ordered_rows<topic_of_row>::position;

    /// False if the row does not fit into the page any more.
    bool take(const message_ref& row);

    const ordered_rows<topic_of_row>& order_;
    const row_slab& rows_;
    const page_limits& limits_;
    time_point now_;
    retained_page page_;
    std::size_t bytes_ = 0;
    std::vector<message_ref> expired_;
};

bool page_reader::take(const message_ref& row) {
    if (has_expired(*row, now_)) {
        expired_.push_back(row);
        return true;
    }
    const std::size_t bytes = bytes_ + row->weight();
    if (!page_.rows.empty()
        && (page_.rows.size() >= limits_.rows_max || bytes > limits_.bytes_max)) {
        return false;
    }
    bytes_ = bytes;
    page_.rows.push_back(row);
    return true;
}

retained_page page_reader::read(std::string_view filter, std::string_view after) {
    filter_guide guide(filter);
    std::string_view passed = after; // the last topic that is dealt with
    std::size_t steps = 0;
    for (position at = order_.seek_after(after); !order_.is_end(at);) {
        const message_ref& row = rows_[order_[at]];
        const filter_guide::verdict verdict = guide.judge(row->topic());
        if (verdict == filter_guide::verdict::finished) {
            return std::move(page_);
        }
        if (++steps > std::max<std::size_t>(limits_.steps_max, 2)
            || (verdict == filter_guide::verdict::match && !take(row))) {
            page_.done = false;
            page_.resume_after = passed;
            return std::move(page_);
        }
        passed = row->topic();
        at = verdict == filter_guide::verdict::leap ? order_.seek_from(at, guide.leap_to())
                                                    : order_.next(at);
    }
    return std::move(page_);
}

} // namespace

retained_page retained_table::read(std::string_view filter, std::string_view after,
                                   const page_limits& limits, time_point now) {
    page_reader reader(tables_->order, tables_->rows, limits, now);
    retained_page page = reader.read(filter, after);
    for (const message_ref& row : reader.expired()) {
        tables_->expire(*tables_->find(row->topic()));
    }
    return page;
}

} // namespace gv::router
