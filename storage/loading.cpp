// SPDX-License-Identifier: Apache-2.0
#include "storage/loading.hpp"

#include "base/bytes.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>

namespace gv::storage {

namespace {

class loader {
  public:
    /// `only`: nothing but the sessions of that partition.
    loader(const table_source& from, store_reader& to, std::optional<partition_id> only = {})
        : from_(from), only_(only), to_(to) {}

    [[nodiscard]] load_report run() {
        run_sessions();
        if (only_) {
            return report_;
        }
        scan(table::retained, [this](std::string_view topic, std::string_view message) {
            to_.on_retained(topic, message);
        });
        for (const auto& [shard, claim] : claims_) {
            to_.on_claim(shard, claim);
        }
        find_buckets();
        find_spools();
        find_routes();
        return report_;
    }

  private:
    void run_sessions() {
        scan(table::sessions,
             [this](std::string_view key, std::string_view value) { add_session(key, value); });
        are_sessions_whole_ = report_.is_readable && report_.rows_broken == 0;
        index();
        scan(table::queue_meta, [this](std::string_view key, std::string_view value) {
            std::string_view rest;
            if (stored_session* owner = owner_of(table::queue_meta, key, 0, rest)) {
                count_broken(decode(value, owner->queue));
            }
        });
        scan(table::subscriptions, [this](std::string_view key, std::string_view value) {
            add_subscription(key, value);
        });
        scan(table::queue,
             [this](std::string_view key, std::string_view value) { add_row(key, value); });
        scan(table::small,
             [this](std::string_view key, std::string_view value) { add_small(key, value); });
        tell_partitions();
        to_.on_sessions(std::move(sessions_));
    }

    void scan(table which, const table_source::visitor& visit) {
        if (!only_) {
            report_.is_readable = from_.scan(which, visit) && report_.is_readable;
            return;
        }
        const auto all = [&visit](std::string_view key, std::string_view value) {
            visit(key, value);
            return true;
        };
        for (const auto& [begin, end] : ranges_of(*only_, which)) {
            report_.is_readable = from_.scan(which, begin, end, all) && report_.is_readable;
        }
    }

    void count_broken(bool is_whole) { report_.rows_broken += is_whole ? 0U : 1U; }

    void add_session(std::string_view key, std::string_view value) {
        stored_session found;
        if (key.size() < 2 || !decode(value, found.record)) {
            ++report_.rows_broken;
            return;
        }
        found.partition.value = load_u16(key.data());
        found.client_id = key.substr(2);
        sessions_.push_back(std::move(found));
    }

    void index() {
        for (std::size_t i = 0; i < sessions_.size(); ++i) {
            by_id_.emplace(key_of(sessions_[i].partition, sessions_[i].record.id).view(), i);
        }
    }

    /// The session that a key names after `skipped` bytes of its own.
    stored_session* owner_of(table where, std::string_view key, std::size_t skipped,
                             std::string_view& rest) {
        constexpr std::size_t size = sizeof(session_key);
        const auto found = key.size() < skipped + size
                               ? by_id_.end()
                               : by_id_.find(std::string(key.substr(skipped, size)));
        if (found == by_id_.end()) {
            ++report_.rows_stray;
            if (are_sessions_whole_) { // else its session may be among those that are missing
                to_.on_stray(where, key);
            }
            return nullptr;
        }
        rest = key.substr(skipped + size);
        return &sessions_[found->second];
    }

    // From each bucket to the next, without a look at its bodies.
    void find_buckets() {
        std::string key;
        for (bool is_there = from_.seek(table::bodies, {}, key); is_there;) {
            bucket found;
            if (!decode(key, found)) {
                ++report_.rows_broken;
                return;
            }
            to_.on_bucket(found);
            std::string behind(bucket_key_of(found).view());
            behind.append(9, '\xff'); // longer than what is left of a key
            is_there = from_.seek(table::bodies, behind, key);
        }
    }

    void find_spools() {
        std::optional<spool_left> open;
        scan(table::spool, [&](std::string_view key, std::string_view value) {
            spool_place place;
            spooled_row row;
            if (!decode(key, place)) {
                ++report_.rows_broken;
                return;
            }
            count_broken(decode(value, row)); // read again, it is told and erased
            if (!open || open->of != place.of) {
                if (open) {
                    to_.on_spool(*open);
                }
                open = spool_left{.of = place.of, .first = place.sequence};
            }
            open->last = place.sequence;
            ++open->rows;
            open->bytes += row.message.size();
        });
        if (open) {
            to_.on_spool(*open);
        }
    }

    // What is broken is told again by its author, and must not stay in the way of that.
    void find_routes() {
        scan(table::routes, [this](std::string_view key, std::string_view value) {
            route_place place;
            route_row row;
            const bool is_whole = decode(key, place) && decode(value, row)
                                  && row.is_of_group() == !place.group.empty();
            count_broken(is_whole);
            is_whole ? to_.on_route(place, row) : to_.on_stray(table::routes, key);
        });
    }

    void add_subscription(std::string_view key, std::string_view value) {
        std::string_view filter;
        if (stored_session* owner = owner_of(table::subscriptions, key, 0, filter)) {
            subscription_record record;
            const bool is_whole = decode(value, record);
            count_broken(is_whole);
            if (is_whole) {
                owner->subscriptions.emplace_back(filter, record);
            }
        }
    }

    void add_row(std::string_view key, std::string_view value) {
        std::string_view rest;
        stored_session* owner = owner_of(table::queue, key, 0, rest);
        if (owner == nullptr) {
            return;
        }
        const bool is_whole = rest.size() == 8 && decode(value, row_);
        count_broken(is_whole);
        if (!is_whole) {
            return;
        }
        const std::uint64_t sequence = load_u64(rest.data());
        append(owner->rows, sequence, row_.row.topic != 0 || !owner->newest.empty());
        if (row_.row.topic != 0) {
            owner->newest.push_back(
                {.topic = row_.row.topic,
                 .sequence = sequence,
                 .size = row_.size(),
                 .bucket = row_.body ? std::optional(row_.body->in) : std::nullopt});
        }
    }

    /// row_, to the last run or to one of its own. `is_even`: of runs out of which rows may be
    /// removed it must be known which rows are there, and where their messages are.
    void append(std::vector<stored_rows>& runs, std::uint64_t sequence, bool is_even) const {
        const auto belongs_to = [&](const stored_rows& run) {
            return run.rows < stored_rows::rows_max
                   && (!row_.body || run.bodies == 0 || run.bucket == row_.body->in)
                   && (!is_even || (run.end == sequence && (run.bodies > 0) == bool(row_.body)));
        };
        if (runs.empty() || !belongs_to(runs.back())) {
            runs.push_back({.first = sequence});
        }
        stored_rows& last = runs.back();
        last.end = sequence + 1;
        last.size += row_.size();
        ++last.rows;
        if (row_.body) {
            last.bucket = row_.body->in;
            ++last.bodies;
        }
    }

    void add_small(std::string_view key, std::string_view value) {
        std::string_view rest;
        if (key.starts_with('W')) {
            will_record due;
            const bool is_whole = key.size() == sizeof(due_will_key) && decode(value, due);
            count_broken(is_whole);
            if (is_whole) {
                to_.on_due_will(key, std::move(due));
            }
            return;
        }
        if (key.starts_with('C')) {
            add_claim(key, value);
            return;
        }
        if (key == founding_key) {
            founding_record found;
            const bool is_whole = decode(value, found);
            count_broken(is_whole);
            founding_ = is_whole ? std::optional(found) : std::nullopt;
            return;
        }
        if (key.starts_with('P')) {
            add_partition(key, value);
            return;
        }
        stored_session* owner = owner_of(table::small, key, 1, rest);
        if (owner == nullptr) {
            return;
        }
        packet_id release;
        if (key[0] == 'R' && rest.size() == 8 && decode(value, release)) {
            owner->releases.emplace_back(load_u64(rest.data()), release);
        } else if (unrouted_record by;
                   key[0] == 'I' && rest.size() == 2 && (value.empty() || decode(value, by))) {
            owner->inbound.push_back(packet_id{load_u16(rest.data())});
            if (!value.empty()) {
                owner->unrouted.emplace_back(owner->inbound.back(), by);
            }
        } else if (key[0] == 'A' && rest.empty() && decode(value, owner->arriving.emplace())) {
            return;
        } else {
            ++report_.rows_broken;
        }
    }

    void add_claim(std::string_view key, std::string_view value) {
        claim_record record;
        const bool is_whole = key.size() == sizeof(claim_key) && decode(value, record);
        count_broken(is_whole);
        if (is_whole) {
            claims_.emplace_back(shard_id{load_u16(key.data() + 1)}, record);
        }
    }

    void add_partition(std::string_view key, std::string_view value) {
        partition_record record;
        const bool is_whole = key.size() == sizeof(partition_key) && decode(value, record)
                              && load_u16(key.data() + 1) < partition_count;
        count_broken(is_whole);
        if (is_whole) {
            partitions_.emplace_back(partition_id{load_u16(key.data() + 1)}, record);
        }
    }

    void tell_partitions() {
        if (!founding_) {
            return;
        }
        to_.on_founding(*founding_);
        for (const auto& [which, record] : partitions_) {
            if (record.of == *founding_) {
                to_.on_partition(which, record);
            }
        }
    }

    const table_source& from_;
    std::optional<partition_id> only_;
    std::vector<std::pair<shard_id, claim_record>> claims_;
    std::optional<founding_record> founding_;
    std::vector<std::pair<partition_id, partition_record>> partitions_;
    store_reader& to_;
    load_report report_;
    bool are_sessions_whole_ = false;
    std::vector<stored_session> sessions_;
    boost::unordered_flat_map<std::string, std::size_t> by_id_;
    queue_row_view row_;
};

} // namespace

namespace {

read_answer read_spool(const table_source& from, const read_request& what) {
    read_answer answer{.reader = what.reader,
                       .session = {},
                       .rows = {},
                       .read_until = what.end,
                       .spool = what.spool};
    const spool_key begin = spool_key_of({.of = *what.spool, .sequence = what.first});
    const spool_key end = spool_key_of({.of = *what.spool, .sequence = what.end});
    std::size_t bytes = 0;
    const auto add = [&](std::string_view key, std::string_view value) {
        answer.rows.push_back({.sequence = load_u64(key.data() + key.size() - 8),
                               .value = std::string(value),
                               .body = {}});
        bytes += value.size();
        if (answer.rows.size() < what.rows_max && bytes < what.bytes_max) {
            return true;
        }
        answer.read_until = answer.rows.back().sequence + 1;
        return false;
    };
    answer.is_broken = !from.scan(table::spool, begin.view(), end.view(), add);
    return answer;
}

/// What a reader of one partition is told.
class session_gatherer final : public store_reader {
  public:
    void on_sessions(std::vector<stored_session> found) override { sessions = std::move(found); }
    void on_retained(std::string_view, std::string_view) override {}
    void on_bucket(const bucket&) override {}
    void on_due_will(std::string_view, will_record) override {}
    void on_stray(table, std::string_view) override {}
    void on_spool(const spool_left&) override {}

    std::vector<stored_session> sessions;
};

/// A row of a queue with its message in it. False if that is not there.
bool put_body_into(const table_source& from, std::string& value) {
    queue_row_view parts;
    if (!decode(value, parts)) {
        return false;
    }
    std::string body;
    if (parts.body) {
        if (!from.get(table::bodies, body_key_of(*parts.body).view(), body)) {
            return false;
        }
        value.clear();
        encode(parts.row, body, value);
    }
    return true;
}

read_answer read_partition(const table_source& from, const read_request& what) {
    read_answer answer{.reader = what.reader,
                       .session = {},
                       .rows = {},
                       .whole = what.whole,
                       .partition = what.partition};
    if (what.whole == partition_read::sessions) {
        session_gatherer found;
        const load_report report = loader(from, found, what.partition).run();
        answer.is_broken = !report.is_readable || report.rows_broken > 0;
        answer.sessions = std::move(found.sessions);
        return answer;
    }
    std::size_t bytes = 0;
    answer.is_last = true;
    const auto add = [&](std::string_view key, std::string_view found) {
        std::string value(found);
        if (what.where == table::queue && !put_body_into(from, value)) {
            answer.is_broken = true;
            return true;
        }
        bytes += key.size() + value.size();
        answer.raw.emplace_back(key, std::move(value));
        answer.is_last = answer.raw.size() < what.rows_max && bytes < what.bytes_max;
        return answer.is_last;
    };
    for (const auto& [begin, end] : ranges_of(what.partition, what.where)) {
        const std::string first = std::max(begin, what.behind.empty() ? begin : what.behind + '\0');
        if (answer.is_last && first < end) {
            answer.is_broken = !from.scan(what.where, first, end, add) || answer.is_broken;
        }
    }
    return answer;
}

} // namespace

std::vector<std::pair<std::string, std::string>> ranges_of(partition_id partition, table where) {
    const auto prefix = [](std::string_view kind, std::uint32_t number) {
        std::string made(kind);
        made.push_back(static_cast<char>(number >> 8));
        made.push_back(static_cast<char>(number & 0xff));
        return made;
    };
    std::vector<std::pair<std::string, std::string>> made;
    const bool is_mixed = where == table::small;
    for (const std::string_view kind : {"A", "I", "R"}) {
        if (is_mixed) {
            made.emplace_back(prefix(kind, partition.value), prefix(kind, partition.value + 1U));
        }
    }
    if (!is_mixed) {
        made.emplace_back(prefix({}, partition.value), prefix({}, partition.value + 1U));
    }
    return made;
}

read_answer read_rows(const table_source& from, const read_request& what) {
    if (what.whole != partition_read::none) {
        return read_partition(from, what);
    }
    if (what.spool) {
        return read_spool(from, what);
    }
    read_answer answer{
        .reader = what.reader, .session = what.session, .rows = {}, .read_until = what.end};
    const session_key session = key_of(what.partition, what.session);
    const queue_key begin = queue_key_of(session, what.first);
    const queue_key end = queue_key_of(session, what.end);
    std::size_t bytes = 0;
    queue_row_view parts;
    const auto add = [&](std::string_view key, std::string_view value) {
        stored_row row{.sequence = load_u64(key.data() + sizeof(session_key)),
                       .value = std::string(value),
                       .body = {}};
        if (!decode(value, parts)
            || (parts.body
                && !from.get(table::bodies, body_key_of(*parts.body).view(), row.body))) {
            answer.is_broken = true;
            return true;
        }
        bytes += row.value.size() + row.body.size();
        answer.rows.push_back(std::move(row));
        if (answer.rows.size() < what.rows_max && bytes < what.bytes_max) {
            return true;
        }
        answer.read_until = answer.rows.back().sequence + 1;
        return false;
    };
    answer.is_broken = !from.scan(table::queue, begin.view(), end.view(), add) || answer.is_broken;
    return answer;
}

load_report load_from(const table_source& from, store_reader& to) { return loader(from, to).run(); }

} // namespace gv::storage
