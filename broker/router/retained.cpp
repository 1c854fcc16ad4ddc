// SPDX-License-Identifier: Apache-2.0
#include "broker/router/retained.hpp"

#include "base/hash.hpp"
#include "base/slab.hpp"
#include "broker/router/ordered_rows.hpp"
#include "broker/router/tombstones.hpp"
#include "broker/router/topic_order.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <utility>

namespace gv::router {

namespace {

using row_slab = slab<message_ref>;

struct topic_of_row {
    const row_slab* rows;
    std::string_view operator()(std::uint32_t row) const noexcept { return (*rows)[row]->topic(); }
};

/// Entry of the hash index: the hash is kept beside, so that growing touches no message.
struct index_entry {
    std::uint32_t hash;
    std::uint32_t row;
};
struct index_key {
    std::uint32_t hash;
    std::string_view topic;
};
index_key key_of(std::string_view topic) noexcept {
    return {static_cast<std::uint32_t>(table_hash(topic)), topic};
}
struct index_hasher {
    using is_transparent = void;
    std::size_t operator()(const index_entry& entry) const noexcept { return entry.hash; }
    std::size_t operator()(const index_key& key) const noexcept { return key.hash; }
};
struct index_equal {
    using is_transparent = void;
    topic_of_row topic_of;
    bool operator()(const index_key& a, const index_entry& b) const noexcept {
        return a.hash == b.hash && a.topic == topic_of(b.row);
    }
    bool operator()(const index_entry& a, const index_key& b) const noexcept {
        return (*this)(b, a);
    }
    bool operator()(const index_entry& a, const index_entry& b) const noexcept {
        return a.row == b.row;
    }
};

bool has_expired(const message_ref& row, time_point now) noexcept {
    return row->header().expires <= now;
}

} // namespace

struct retained_table::tables {
    explicit tables(const retained_options& given)
        : options(given), index(0, index_hasher{}, index_equal{{&rows}}), order({&rows}),
          removals(given.tombstones_max) {}

    [[nodiscard]] message_ref* find(std::string_view topic) const {
        const auto found = index.find(key_of(topic));
        return found == index.end() ? nullptr : &rows[found->row];
    }
    void insert(message_ref added);
    void replace(message_ref& row, message_ref by);
    void erase(std::string_view topic);
    void expire(std::string_view topic);
    void count_in(const message& added) noexcept;
    void count_out(const message& gone) noexcept;

    retained_options options;
    row_slab rows;
    boost::unordered_flat_set<index_entry, index_hasher, index_equal> index;
    ordered_rows<topic_of_row> order;
    tombstones removals;
    std::size_t bytes = 0;
    std::size_t expiring = 0;     ///< rows that expire some time
    row_slab::index swept_to = 0; ///< by expire()
};

void retained_table::tables::count_in(const message& added) noexcept {
    bytes += added.weight();
    expiring += added.header().expires == never ? 0 : 1;
}

void retained_table::tables::count_out(const message& gone) noexcept {
    bytes -= gone.weight();
    expiring -= gone.header().expires == never ? 0 : 1;
}

void retained_table::tables::insert(message_ref added) {
    const std::string_view topic = added->topic();
    count_in(*added);
    const row_slab::index row = rows.make();
    rows[row] = std::move(added);
    index.insert(index_entry{key_of(topic).hash, row});
    order.insert(topic, row);
}

void retained_table::tables::replace(message_ref& row, message_ref by) {
    count_out(*row);
    count_in(*by);
    row = std::move(by);
}

void retained_table::tables::erase(std::string_view topic) {
    const auto found = index.find(key_of(topic));
    const row_slab::index row = found->row;
    count_out(*rows[row]);
    order.erase(topic);
    index.erase(found);
    rows.drop(row); // last: `topic` may be its message's
}

void retained_table::tables::expire(std::string_view topic) {
    if (options.on_expired) {
        options.on_expired(topic);
    }
    erase(topic);
}

retained_table::retained_table(const retained_options& options)
    : tables_(std::make_unique<tables>(options)) {}

retained_table::~retained_table() = default;

std::size_t retained_table::count() const noexcept { return tables_->rows.size(); }
std::size_t retained_table::bytes() const noexcept { return tables_->bytes; }

put_outcome retained_table::put(const publication& what) {
    return put(what, [&what] {
        publication kept = what;
        kept.header.retain = true;
        return message::copy_of(kept, message::reach::local);
    });
}

put_outcome retained_table::put(const message_ref& what) {
    return put(what->view(), [&what] { return what; });
}

template <typename Keep>
put_outcome retained_table::put(const publication& what, Keep keep) {
    tables& here = *tables_;
    const version given = version_of(what.header);
    message_ref* known = here.find(what.topic);
    if (known != nullptr ? given < version_of((*known)->header())
                         : here.removals.forbid(what.topic, given)) {
        return put_outcome::older_ignored;
    }
    if (what.payload.empty()) {
        here.removals.add(what.topic, given);
        if (known != nullptr) {
            here.erase(what.topic);
        }
        return known != nullptr ? put_outcome::removed : put_outcome::absent;
    }
    const std::size_t others = here.bytes - (known != nullptr ? (*known)->weight() : 0);
    const bool is_full = known == nullptr && here.rows.size() >= here.options.rows_max;
    if (is_full || others + what.weight() > here.options.bytes_max) {
        return put_outcome::over_limit;
    }
    if (known != nullptr) {
        here.replace(*known, keep());
        return put_outcome::replaced;
    }
    here.insert(keep());
    return put_outcome::stored;
}

message_ref retained_table::find(std::string_view topic, time_point now) const {
    const message_ref* found = tables_->find(topic);
    return found == nullptr || has_expired(*found, now) ? message_ref() : *found;
}

std::size_t retained_table::expire(time_point now, std::size_t rows_max) {
    tables& here = *tables_;
    if (here.expiring == 0) {
        return 0;
    }
    std::size_t erased = 0;
    for (std::size_t looked = std::min<std::size_t>(rows_max, here.rows.end()); looked > 0;
         --looked) {
        here.swept_to = here.swept_to < here.rows.end() ? here.swept_to : 0;
        const message_ref& row = here.rows[here.swept_to++];
        if (row && has_expired(row, now)) {
            here.expire(row->topic());
            ++erased;
        }
    }
    return erased;
}

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
    if (has_expired(row, now_)) {
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
        tables_->expire(row->topic());
    }
    return page;
}

} // namespace gv::router
