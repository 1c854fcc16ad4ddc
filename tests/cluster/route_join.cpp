// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/route_join.hpp"

#include "cluster/route_exchange.hpp"

#include <malloc.h>

#include <ctime>
#include <deque>
#include <iostream>
#include <string>

namespace gv::cluster::testing {

namespace {

constexpr std::size_t warm_matches = 200'000;

double cpu_seconds() {
    timespec spent{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

std::size_t heap_bytes() {
    const struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

struct wire final : route_effects {
    std::deque<route_message> sent;
    std::size_t bytes = 0;
    std::size_t written = 0;
    std::size_t written_bytes = 0;
    std::size_t in_flight_max = 0;
    bool is_ready = false;

    void send(std::span<const node_id>, const route_message& message) override {
        bytes += bytes_of(message);
        sent.push_back(message);
    }
    void filter_changed(std::string_view) override {}
    void all_changed() override {}
    void kept_row_put(node_id, const route_key& key, const route_value&) override {
        ++written;
        written_bytes += sizeof(node_id) + key.filter.size() + 1; // as in the store
    }
    void on_known(wait_token, route_known) override {}
    void on_routes_ready() override { is_ready = true; }
};

/// Of the size that devices have: 29 characters; every fourth has a wildcard in it.
std::string filter_of(std::uint64_t number) {
    std::string digits = std::to_string(10'000'000 + number);
    return number % 4 == 0 ? "site/" + digits.substr(1, 3) + "/device/" + digits + "/+/set"
                           : "site/" + digits.substr(1, 3) + "/device/" + digits + "/state";
}

class timed {
  public:
    explicit timed(const char* what, std::uint64_t rows) : what_(what), rows_(rows) {}
    ~timed() {
        const double seconds = cpu_seconds() - begin_;
        const auto bytes = static_cast<double>(heap_bytes()) - static_cast<double>(heap_);
        std::cout << what_ << ": " << seconds << " s of CPU, "
                  << seconds / static_cast<double>(rows_) * 1e9 << " ns a row, "
                  << bytes / static_cast<double>(rows_) << " bytes a row" << std::endl;
    }
    timed(const timed&) = delete;
    timed& operator=(const timed&) = delete;

  private:
    const char* what_;
    std::uint64_t rows_;
    double begin_ = cpu_seconds();
    std::size_t heap_ = heap_bytes();
};

struct pair_of_nodes {
    static constexpr route_exchange::identity first{node_id{1}, boot_id{1}};
    static constexpr route_exchange::identity second{node_id{2}, boot_id{1}};
    time_point now{1s};
    wire from_first;
    wire from_second;
    route_exchange one{first, {}, now};
    route_exchange two{second, {}, now};

    void deliver() {
        while (!from_first.sent.empty() || !from_second.sent.empty()) {
            hand_over(from_first, first.node, two, from_second);
            hand_over(from_second, second.node, one, from_first);
        }
    }
    void hand_over(wire& from, node_id who, route_exchange& to, wire& answers) {
        std::size_t in_flight = 0;
        for (const route_message& each : from.sent) {
            in_flight += bytes_of(each);
        }
        from.in_flight_max = std::max(from.in_flight_max, in_flight);
        for (; !from.sent.empty(); from.sent.pop_front()) {
            const auto done = to.on_message(who, from.sent.front(), now, answers);
            if (!done) {
                std::cout << "refused: " << text_of(done.error()) << "\n";
            }
        }
    }
    void pass(duration span) {
        now += span;
        while (one.next_deadline() <= now || two.next_deadline() <= now) {
            one.on_deadline(now, from_first);
            two.on_deadline(now, from_second);
            deliver();
        }
    }
    void meet() {
        one.on_peer(second, peer_state::alive, now, from_first);
        two.on_peer(first, peer_state::alive, now, from_second);
        two.report_when_ready(from_second);
        deliver();
    }
};

void show_matches(const route_exchange& routes, std::uint64_t rows) {
    route_matches found;
    std::size_t targets = 0;
    const double begin = cpu_seconds();
    for (std::size_t i = 0; i < warm_matches; ++i) {
        std::string topic = filter_of(i * 7'919 % rows);
        if (const auto plus = topic.find('+'); plus != std::string::npos) {
            topic[plus] = 'x';
        }
        routes.match(topic, found);
        targets += found.targets.size();
    }
    std::cout << "match: " << (cpu_seconds() - begin) / warm_matches * 1e9 << " ns a topic, "
              << targets << " of " << warm_matches << " found" << std::endl;
}

/// Rows of one stream, or spread over all partitions.
enum class spread : std::uint8_t { one_stream, all_partitions };

route_destination stream_of(std::uint64_t row, spread how) {
    return how == spread::one_stream
               ? route_destination(pair_of_nodes::first.node)
               : route_destination(partition_id{static_cast<std::uint16_t>(row % partition_count)});
}

void subscribe(pair_of_nodes& nodes, std::uint64_t row, spread how) {
    const std::string filter = filter_of(row);
    const route_subscription what{.key = {.filter = filter, .group = {}}};
    if (!nodes.one.subscribe(stream_of(row, how), what, nodes.now, nodes.from_first)) {
        std::cout << "refused: " << filter << "\n";
    }
}

void show_join(std::uint64_t rows, spread how) {
    pair_of_nodes nodes;
    if (how == spread::all_partitions) {
        for (std::uint16_t each = 0; each < partition_count; ++each) {
            nodes.one.open_partition(partition_id{each}, 1);
            nodes.one.start_partition(partition_id{each}, nodes.now, nodes.from_first);
        }
    }
    {
        const timed owner("owner counts them", rows);
        for (std::uint64_t row = 0; row < rows; ++row) {
            subscribe(nodes, row, how);
        }
    }
    nodes.pass(1s);
    {
        const timed both("join, both ends", rows);
        nodes.meet();
    }
    std::cout << "ready: " << (nodes.from_second.is_ready ? "yes" : "no") << ", "
              << nodes.two.index().size() << " rows, "
              << static_cast<double>(nodes.from_first.bytes) / static_cast<double>(rows)
              << " bytes a row on the wire, at most " << nodes.from_first.in_flight_max
              << " on their way" << std::endl;
    show_matches(nodes.two, rows);
    {
        const timed told("told as they come, both ends", rows / 10);
        for (std::uint64_t row = rows; row < rows + rows / 10; ++row) {
            subscribe(nodes, row, how);
            nodes.deliver();
        }
        nodes.pass(1s);
    }
    {
        const timed swept("gone and swept", nodes.two.index().size());
        nodes.two.on_peer(pair_of_nodes::first, peer_state::gone, nodes.now, nodes.from_second);
        nodes.from_second.sent.clear();
        while (nodes.two.next_deadline() <= nodes.now) {
            nodes.two.on_deadline(nodes.now, nodes.from_second);
        }
    }
    std::cout << nodes.two.index().size() << " rows left" << std::endl;
}

void tell_kept(pair_of_nodes& nodes, std::uint64_t rows) {
    const auto kept = route_destination::kept_of(pair_of_nodes::first.node);
    nodes.one.open_kept();
    for (std::uint64_t row = 0; row < rows; ++row) {
        const std::string filter = filter_of(row);
        const route_subscription what{.key = {.filter = filter, .group = {}}};
        if (!nodes.one.subscribe(kept, what, nodes.now, nodes.from_first)) {
            std::cout << "refused: " << filter << "\n";
        }
    }
    nodes.one.start_kept(nodes.from_first);
    nodes.pass(1s);
}

/// What kept sessions want: the first join writes it down, after a restart it is there.
void show_restart(std::uint64_t rows) {
    pair_of_nodes nodes;
    tell_kept(nodes, rows);
    {
        const timed both("join, both ends", rows);
        nodes.meet();
    }
    std::cout << nodes.from_second.written << " rows to be written, "
              << static_cast<double>(nodes.from_second.written_bytes) / static_cast<double>(rows)
              << " bytes a row" << std::endl;
    pair_of_nodes again;
    tell_kept(again, rows);
    again.two.on_peer(pair_of_nodes::first, peer_state::dead, again.now, again.from_second);
    {
        const timed restored("restored", rows);
        for (std::uint64_t row = 0; row < rows; ++row) {
            const std::string filter = filter_of(row);
            if (!again.two.restore_kept(pair_of_nodes::first.node, {filter, {}}, {})) {
                std::cout << "not restored: " << filter << "\n";
            }
        }
    }
    {
        const timed both("join after a restart, both ends", rows);
        again.meet();
    }
    std::cout << "ready: " << (again.from_second.is_ready ? "yes" : "no") << ", "
              << again.from_second.written << " rows to be written, "
              << again.from_first.bytes + again.from_second.bytes << " bytes on the wire"
              << std::endl;
}

} // namespace

void show_join(std::uint64_t rows) {
    std::cout << "--- " << rows << " filters of one node\n";
    show_join(rows, spread::one_stream);
    std::cout << "--- " << rows << " filters over 256 partitions\n";
    show_join(rows, spread::all_partitions);
    std::cout << "--- " << rows << " filters of kept sessions\n";
    show_restart(rows);
}

} // namespace gv::cluster::testing
