// SPDX-License-Identifier: Apache-2.0
#include "storage/row_check.hpp"

#include "base/bytes.hpp"
#include "base/hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <set>

namespace gv::storage {

namespace {

constexpr moment clock{};
constexpr std::array<std::string_view, table_count> names{
    "meta",  "sessions", "queue_meta", "subscriptions", "queue",
    "small", "bodies",   "retained",   "spool",         "routes"};

[[nodiscard]] std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return out;
}

enum class fault : std::uint8_t { none, broken, stray, without_body };

class checker {
  public:
    explicit checker(const table_source& from) : from_(from) {}

    [[nodiscard]] row_check run() {
        scan(table::meta, &checker::check_meta);
        scan(table::sessions, &checker::check_session);
        scan(table::queue_meta, &checker::check_queue_meta);
        scan(table::subscriptions, &checker::check_subscription);
        scan(table::queue, &checker::check_row);
        scan(table::small, &checker::check_small);
        scan(table::bodies, &checker::check_body);
        scan(table::retained, &checker::check_retained);
        scan(table::spool, &checker::check_spooled);
        scan(table::routes, &checker::check_route);
        return std::move(made_);
    }

  private:
    using check = fault (checker::*)(std::string_view key, std::string_view value);

    void scan(table which, check how) {
        table_report& report = made_.tables[static_cast<std::size_t>(which)];
        report.is_readable = from_.scan(which, [&](std::string_view key, std::string_view value) {
            ++report.rows;
            report.bytes += key.size() + value.size();
            owner_ = nullptr;
            count(report, (this->*how)(key, value), key);
        });
    }

    void count(table_report& report, fault found, std::string_view key) const {
        if (found == fault::none) {
            return;
        }
        report.broken += found == fault::broken ? 1U : 0U;
        report.stray += found == fault::stray ? 1U : 0U;
        report.without_body += found == fault::without_body ? 1U : 0U;
        if (report.examples.size() < table_report::examples_max) {
            const char* what = found == fault::broken  ? "broken: "
                               : found == fault::stray ? "of no session: "
                                                       : "without its body: ";
            report.examples.push_back(what + hex(key)
                                      + (owner_ == nullptr ? "" : " of client " + *owner_));
        }
    }

    [[nodiscard]] static fault broken_unless(bool is_whole) {
        return is_whole ? fault::none : fault::broken;
    }

    /// Remembers whose row it is; what follows the session in the key is `rest`.
    [[nodiscard]] bool is_stray(std::string_view key, std::size_t skipped, std::string_view& rest) {
        constexpr std::size_t size = sizeof(session_key);
        if (key.size() < skipped + size) {
            return true;
        }
        const auto found = clients_.find(std::string(key.substr(skipped, size)));
        if (found == clients_.end()) {
            return true;
        }
        owner_ = &found->second;
        rest = key.substr(skipped + size);
        return false;
    }

    [[nodiscard]] static bool is_message(std::string_view value) {
        publication what;
        return decode(value, clock, what);
    }

    fault check_meta(std::string_view key, std::string_view value) {
        if (key == node_key) {
            node_record node;
            if (!decode(value, node)) {
                return fault::broken;
            }
            made_.node = node;
            return fault::none;
        }
        return broken_unless(key == clock_key && value.size() == 8);
    }

    fault check_session(std::string_view key, std::string_view value) {
        session_record record;
        if (key.size() < 2 || !decode(value, record)) {
            return fault::broken;
        }
        const partition_id partition{load_u16(key.data())};
        const auto [at, is_new] =
            clients_.emplace(key_of(partition, record.id).view(), key.substr(2));
        owner_ = &at->second;
        return broken_unless(is_new && partition == partition_of(key.substr(2))
                             && (!record.will || is_message(record.will->message)));
    }

    fault check_queue_meta(std::string_view key, std::string_view value) {
        std::string_view rest;
        queue_record record;
        return is_stray(key, 0, rest) ? fault::stray
                                      : broken_unless(rest.empty() && decode(value, record));
    }

    fault check_subscription(std::string_view key, std::string_view value) {
        std::string_view filter;
        subscription_record record;
        return is_stray(key, 0, filter) ? fault::stray
                                        : broken_unless(!filter.empty() && decode(value, record));
    }

    fault check_row(std::string_view key, std::string_view value) {
        std::string_view rest;
        if (is_stray(key, 0, rest)) {
            return fault::stray;
        }
        if (rest.size() != 8 || !decode(value, row_)) {
            return fault::broken;
        }
        if (!row_.body) {
            return broken_unless(is_message(row_.message));
        }
        needed_.insert(row_.body->in);
        return from_.get(table::bodies, body_key_of(*row_.body).view(), body_)
                   ? fault::none
                   : fault::without_body;
    }

    fault check_small(std::string_view key, std::string_view value) {
        std::string_view rest;
        packet_id id;
        will_record due;
        if (key.starts_with('W')) {
            return broken_unless(key.size() == sizeof(due_will_key) && decode(value, due)
                                 && is_message(due.message));
        }
        if (key.starts_with('C')) {
            claim_record claim;
            return broken_unless(key.size() == sizeof(claim_key) && decode(value, claim));
        }
        if (key.starts_with('P')) {
            partition_record partition;
            return broken_unless(key.size() == sizeof(partition_key) && decode(value, partition));
        }
        if (key == founding_key) {
            founding_record founding;
            return broken_unless(decode(value, founding));
        }
        if (is_stray(key, 1, rest)) {
            return fault::stray;
        }
        arriving_record arriving;
        unrouted_record unrouted;
        switch (key.front()) {
        case 'A':
            return broken_unless(rest.empty() && decode(value, arriving));
        case 'I':
            return broken_unless(rest.size() == 2 && (value.empty() || decode(value, unrouted)));
        case 'R':
            return broken_unless(rest.size() == 8 && decode(value, id));
        default:
            return fault::broken;
        }
    }

    fault check_body(std::string_view key, std::string_view value) {
        bucket in;
        if (key.size() != sizeof(body_key) || !decode(key, in)) {
            return fault::broken;
        }
        if (in != last_bucket_) {
            last_bucket_ = in;
            ++made_.buckets;
            made_.buckets_unused += needed_.contains(in) ? 0U : 1U;
        }
        return broken_unless(is_message(value));
    }

    fault check_retained(std::string_view key, std::string_view value) {
        publication what;
        return broken_unless(decode(value, clock, what) && what.topic == key);
    }

    // What is in it besides is a lane's matter.
    fault check_spooled(std::string_view key, std::string_view value) {
        spool_place place;
        spooled_row row;
        return broken_unless(decode(key, place) && decode(value, row));
    }

    fault check_route(std::string_view key, std::string_view value) {
        route_place place;
        route_row row;
        return broken_unless(decode(key, place) && decode(value, row)
                             && row.is_of_group() == !place.group.empty());
    }

    const table_source& from_;
    row_check made_;
    boost::unordered_flat_map<std::string, std::string> clients_; ///< by session key
    std::set<bucket> needed_;
    std::optional<bucket> last_bucket_;
    const std::string* owner_ = nullptr; ///< client of the row that is looked at
    queue_row_view row_;
    std::string body_;
};

class counter final : public store_reader {
  public:
    explicit counter(std::size_t longest_max) : longest_max_(longest_max) {}

    void on_sessions(std::vector<stored_session> found) override {
        made.sessions = found.size();
        std::vector<session_stats> all;
        for (const stored_session& each : found) {
            all.push_back(count(each));
        }
        const std::size_t wanted = std::min(longest_max_, all.size());
        std::ranges::partial_sort(
            all, all.begin() + static_cast<std::ptrdiff_t>(wanted), std::greater(),
            [](const session_stats& each) { return std::pair(each.queued_bytes, each.queued); });
        all.resize(wanted);
        made.longest = std::move(all);
    }
    void on_retained(std::string_view topic, std::string_view message) override {
        publication what;
        const bool is_tombstone = decode(message, {}, what) && what.payload.empty();
        made.retained += is_tombstone ? 0U : 1U;
        made.retained_bytes += topic.size() + message.size();
    }
    void on_bucket(const bucket&) override { ++made.buckets; }
    void on_due_will(std::string_view, will_record) override {}
    void on_stray(table, std::string_view) override {}
    void on_spool(const spool_left& found) override {
        made.spooled += found.rows;
        made.spooled_bytes += found.bytes;
    }
    void on_route(const route_place&, const route_row&) override { ++made.routes; }

    store_stats made;

  private:
    session_stats count(const stored_session& from) {
        session_stats one{.client_id = from.client_id,
                          .subscriptions = from.subscriptions.size(),
                          .releases = from.releases.size(),
                          .inbound = from.inbound.size(),
                          .was_attached = from.record.is_attached};
        for (const stored_rows& run : from.rows) {
            one.queued += run.rows;
            one.queued_bytes += run.size;
        }
        made.attached += one.was_attached ? 1U : 0U;
        made.sum.subscriptions += one.subscriptions;
        made.sum.queued += one.queued;
        made.sum.queued_bytes += one.queued_bytes;
        made.sum.releases += one.releases;
        made.sum.inbound += one.inbound;
        return one;
    }

    std::size_t longest_max_;
};

} // namespace

std::string_view name_of(table which) noexcept { return names[static_cast<std::size_t>(which)]; }

bool row_check::is_sound() const noexcept {
    return node.has_value() && std::ranges::all_of(tables, [](const table_report& each) {
               return each.is_readable && each.broken == 0 && each.without_body == 0;
           });
}

row_check check_rows(const table_source& from) { return checker(from).run(); }

store_stats stats_of(const table_source& from, std::size_t longest_max) {
    counter reader(longest_max);
    static_cast<void>(load_from(from, reader));
    std::string value;
    if (node_record node; from.get(table::meta, node_key, value) && decode(value, node)) {
        reader.made.node = node;
    }
    return std::move(reader.made);
}

} // namespace gv::storage
