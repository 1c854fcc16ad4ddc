// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_message.hpp"

#include "base/topic.hpp"

#include <limits>

namespace gv::cluster {

namespace {

/// Kind and number of the destination, generation, and the message's own tag and length.
constexpr std::size_t header_bytes = 40;
constexpr std::size_t change_bytes = 8; ///< besides its texts

using checked = result<void, route_fault>;

struct sizer {
    static std::size_t rows(const std::vector<route_change>& changes) noexcept {
        std::size_t sum = 0;
        for (const route_change& each : changes) {
            sum += bytes_of(each);
        }
        return sum;
    }
    std::size_t operator()(const route_digests& m) const noexcept { return m.streams.size() * 48; }
    std::size_t operator()(const route_deltas& m) const noexcept { return rows(m.changes); }
    std::size_t operator()(const route_applied& m) const noexcept {
        return m.positions.size() * 40;
    }
    std::size_t operator()(const resend_request&) const noexcept { return 0; }
    std::size_t operator()(const hashes_request&) const noexcept { return 0; }
    std::size_t operator()(const stream_hashes& m) const noexcept { return sizeof m.hashes; }
    std::size_t operator()(const page_request&) const noexcept { return 0; }
    std::size_t operator()(const route_page& m) const noexcept { return rows(m.rows); }
};

checked check_stream(const route_destination& stream) {
    const bool is_partition = stream.kind == destination_kind::partition;
    if (!is_partition && stream.kind != destination_kind::node
        && stream.kind != destination_kind::kept) {
        return failure(route_fault::unknown_stream);
    }
    if (is_partition && stream.number >= partition_count) {
        return failure(route_fault::unknown_stream);
    }
    return {};
}

checked check_author(const route_destination& stream, const route_generation& of, node_id from) {
    if (checked known = check_stream(stream); !known) {
        return known;
    }
    const bool is_node = stream.kind != destination_kind::partition;
    if (of.author != from || (is_node && stream.number != from.value)) {
        return failure(route_fault::not_its_own);
    }
    return is_node && of.epoch != 0 ? failure(route_fault::numbers_invalid) : checked{};
}

checked check_value(const route_key& key, const route_value& value) {
    const bool is_group = !key.group.empty();
    const bool counts_fit =
        is_group ? value.total > 0 && value.online <= value.total && !value.no_local_only
                 : value.total == 0 && value.online == 0;
    return value.quality <= 2 && counts_fit ? checked{} : failure(route_fault::value_invalid);
}

checked check_value(const route_change& change) {
    if (change.is_removal) {
        return change.value == route_value{} ? checked{} : failure(route_fault::value_invalid);
    }
    return check_value(change.key(), change.value);
}

checked check_rows(const std::vector<route_change>& rows, const route_limits& limits) {
    if (rows.size() > limits.message_rows_max) {
        return failure(route_fault::message_too_large);
    }
    for (const route_change& row : rows) {
        checked fine = check(row.key(), limits);
        fine = fine ? check_value(row) : fine;
        if (!fine) {
            return fine;
        }
    }
    return {};
}

struct checker {
    node_id from;
    const route_limits& limits;

    checked operator()(const route_digests& m) const {
        if (m.streams.size() > route_streams_max) {
            return failure(route_fault::message_too_large);
        }
        for (const stream_digest& each : m.streams) {
            if (checked fine = check_author(each.stream, each.of, from); !fine) {
                return fine;
            }
            if (each.seq == 0) {
                return failure(route_fault::numbers_invalid);
            }
        }
        return {};
    }
    checked operator()(const route_deltas& m) const {
        if (checked fine = check_author(m.stream, m.of, from); !fine) {
            return fine;
        }
        const route_seq room = std::numeric_limits<route_seq>::max() - m.first_seq;
        // The state of a generation's start is 1, so its first change is 2.
        if (m.first_seq < 2 || m.changes.empty() || m.changes.size() > room
            || m.latest_seq < m.first_seq + m.changes.size() - 1) {
            return failure(route_fault::numbers_invalid);
        }
        return check_rows(m.changes, limits);
    }
    checked operator()(const route_applied& m) const {
        if (m.positions.size() > route_streams_max) {
            return failure(route_fault::message_too_large);
        }
        for (const stream_position& each : m.positions) {
            if (checked fine = check_stream(each.stream); !fine) {
                return fine;
            }
            if (each.since > each.applied) {
                return failure(route_fault::numbers_invalid);
            }
        }
        return {};
    }
    checked operator()(const resend_request& m) const { return check_stream(m.stream); }
    checked operator()(const hashes_request& m) const { return check_stream(m.stream); }
    checked operator()(const stream_hashes& m) const {
        checked fine = check_author(m.stream, m.of, from);
        return fine && m.seq == 0 ? failure(route_fault::numbers_invalid) : fine;
    }
    checked operator()(const page_request& m) const { return check_stream(m.stream); }
    checked operator()(const route_page& m) const {
        if (checked fine = check_author(m.stream, m.of, from); !fine) {
            return fine;
        }
        for (const route_change& row : m.rows) {
            if (row.is_removal) {
                return failure(route_fault::value_invalid);
            }
        }
        return check_rows(m.rows, limits);
    }
};

} // namespace

std::size_t bytes_of(const route_change& change) noexcept {
    return change_bytes + change.filter.size() + change.group.size();
}

std::size_t bytes_of(const route_message& message) noexcept {
    return header_bytes + std::visit(sizer{}, message);
}

result<void, route_fault> check(const route_key& key, const route_limits& limits) {
    if (key.filter.size() > limits.filter_bytes_max
        || count_levels(key.filter) > limits.levels_max) {
        return failure(route_fault::filter_too_long);
    }
    if (!is_valid_topic_filter(key.filter)) {
        return failure(route_fault::filter_invalid);
    }
    if (key.group.size() > limits.group_bytes_max
        || key.group.find_first_of(std::string_view("/+#\0", 4)) != std::string_view::npos) {
        return failure(route_fault::group_invalid);
    }
    return {};
}

result<void, route_fault> check(const route_key& key, const route_value& value,
                                const route_limits& limits) {
    const checked fine = check(key, limits);
    return fine ? check_value(key, value) : fine;
}

result<void, route_fault> check(const route_message& message, node_id from,
                                const route_limits& limits) {
    if (bytes_of(message) > limits.message_bytes_max) {
        return failure(route_fault::message_too_large);
    }
    return std::visit(checker{.from = from, .limits = limits}, message);
}

std::string_view text_of(route_fault fault) noexcept {
    switch (fault) {
    case route_fault::unknown_peer:
        return "a node that is no member spoke of routes";
    case route_fault::not_its_own:
        return "it spoke for a stream that is not its own";
    case route_fault::unknown_stream:
        return "no such stream of routes";
    case route_fault::filter_invalid:
        return "not a topic filter";
    case route_fault::filter_too_long:
        return "a topic filter over the limit";
    case route_fault::group_invalid:
        return "not the name of a shared group";
    case route_fault::value_invalid:
        return "a route whose QoS or counts are impossible";
    case route_fault::message_too_large:
        return "a message about routes over the limit";
    case route_fault::too_many_rows:
        return "more routes than the limit in one stream";
    case route_fault::numbers_invalid:
        return "sequence numbers that no stream can have";
    }
    return "unknown fault";
}

} // namespace gv::cluster
