// SPDX-License-Identifier: Apache-2.0
// A run of messages from publishers to subscribers: connects them, drives them from one loop
// through warm-up, measured window and draining, and reports. Which client talks to which is its
// plan.
#pragma once

#include "bench/load/broker_process.hpp"
#include "bench/load/event_loop.hpp"
#include "bench/load/options.hpp"
#include "bench/load/other_nodes.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/report.hpp"
#include "bench/load/subscriber.hpp"

#include <string>
#include <vector>

namespace gv::load {

struct subscriber_plan {
    std::vector<std::string> filters;
    publisher_range sources;
    std::string session; ///< identifier of a persistent session; empty: a volatile one
};

/// Who publishes where, and who hears it. Topics are equally long.
struct traffic_plan {
    publish_plan publish;
    std::vector<std::string> topics; ///< one for each publisher
    std::vector<subscriber_plan> subscribers;
    std::vector<topic_walk> walks; ///< one for each publisher, or none
    bool is_timed = false;
};

/// The plan of pairs, fanout, fanin, wildcards, paced and flood.
[[nodiscard]] traffic_plan make_traffic_plan(const load_options& options);

class traffic {
  public:
    /// Connects and subscribes everybody. Errors: throws std::runtime_error, as do all below.
    traffic(const load_options& options, traffic_plan plan);

    /// Runs and adds what was measured.
    void run(report& out);

  private:
    void connect_subscribers(const broker_address& address);
    void connect_publishers(const broker_address& address);
    void start();
    /// Drives everybody until `end`, or until nothing has moved for `patience`.
    void drive_until(nanoseconds end);
    void drain();
    void turn(nanoseconds end);
    void wake_due(nanoseconds now);
    [[nodiscard]] nanoseconds timeout(nanoseconds now, nanoseconds end) const;
    void publish_waiting();
    void watch(nanoseconds now);
    [[nodiscard]] std::uint64_t deliveries_due() const;
    [[nodiscard]] std::uint64_t messages_sent() const;
    [[nodiscard]] bool is_drained() const;
    void add_counts(report& out) const;

    load_options options_;
    traffic_plan plan_;
    broker_process broker_;
    other_nodes others_; ///< of publishers and of sessions, if these are others
    event_loop loop_;
    io_scratch scratch_;
    tally counts_;
    publisher_context publisher_context_;
    subscriber_context subscriber_context_;
    std::vector<publisher> publishers_;
    std::vector<subscriber> subscribers_;
    std::vector<publisher*> turn_list_;
    frame_batch batch_;
    nanoseconds now_ = 0;
    nanoseconds pace_start_ = 0;
    nanoseconds next_due_ = 0; ///< paced: when the next publisher has a message due
    std::uint64_t due_count_ = 0;
    nanoseconds next_watch_ = 0;
    nanoseconds last_progress_ = 0;
    std::uint64_t last_delivered_ = 0;
    std::uint64_t resident_max_ = 0;
    bool is_stalled_ = false;
};

} // namespace gv::load
