// SPDX-License-Identifier: Apache-2.0
// What the cluster counts beside membership: lanes by shard, and what the control thread knows.
#pragma once

#include "base/metric.hpp"

namespace gv::server {

/// A part of a shard's block.
struct lane_metrics {
    counter<"grapevine_cluster_messages_sent_total",
            "Messages handed to lanes to other nodes, one for each node.">
        messages_sent;
    counter<"grapevine_cluster_messages_resent_total",
            "Messages sent to other nodes once more, after a break.">
        messages_resent;
    counter<"grapevine_cluster_frames_sent_total", "Frames of messages sent to other nodes.">
        frames_sent;
    counter<"grapevine_cluster_bytes_sent_total", "Bytes of these frames."> bytes_sent;
    counter<"grapevine_cluster_messages_received_total",
            "Messages of other nodes given to subscribers or retained here.">
        messages_received;
    counter<"grapevine_cluster_messages_duplicate_total",
            "Messages of other nodes that had come before and were not given out again.">
        duplicates;
    counter<"grapevine_cluster_messages_redated_total",
            "Messages of other nodes dated anew here, since their node's clock is wrong.">
        redated;
    counter<"grapevine_cluster_frames_received_total", "Frames received from other nodes.">
        frames_received;
    counter<"grapevine_cluster_bytes_received_total", "Bytes of these frames."> bytes_received;
    counter<"grapevine_cluster_messages_dropped_full_total",
            "QoS 0 for other nodes dropped because too much waited for them.">
        dropped_full;
    counter<"grapevine_cluster_messages_dropped_unlinked_total",
            "QoS 0 for other nodes dropped because there was no link.">
        dropped_unlinked;
    counter<"grapevine_cluster_lane_faults_total",
            "Times a lane was closed because its peer said what no honest node says.">
        faults;
    counter<"grapevine_cluster_holds_total",
            "Times a publisher was held because too much waited for another node.">
        holds;
    gauge<"grapevine_cluster_messages_unanswered",
          "Messages of QoS 1 and 2 that other nodes have not taken yet.">
        unanswered;
    gauge<"grapevine_cluster_queue_bytes", "Bytes in memory for other nodes."> queue_bytes;
    gauge<"grapevine_cluster_credit_bytes",
          "Bytes that other nodes allow to be sent to them; 0 without a link.">
        credit_bytes;
    gauge<"grapevine_cluster_lanes_spooling",
          "Lanes to other nodes that write to disk what waits, because the node is away or slow.">
        lanes_spooling;
    counter<"grapevine_cluster_spools_begun_total", "Times that a lane began to write to disk.">
        spools_begun;
    gauge<"grapevine_cluster_spool_messages", "Messages on disk for other nodes."> spool_messages;
    gauge<"grapevine_cluster_spool_bytes", "Bytes of these."> spool_bytes;
    counter<"grapevine_cluster_spool_unreadable_total",
            "Messages for other nodes that were on disk and could not be read.">
        spool_unreadable;
    gauge<"grapevine_cluster_held_bytes",
          "Bytes of other nodes' messages that their subscribers here have not taken yet.">
        held_bytes;
};

/// Written by the control thread of the cluster.
struct exchange_metrics {
    gauge<"grapevine_cluster_routes", "Filters that other nodes want, counted for each of them.">
        routes;
    gauge<"grapevine_cluster_routes_unconfirmed",
          "Changes of what is wanted here that the last of the live nodes has not confirmed.">
        routes_unconfirmed;
    counter<"grapevine_cluster_route_gaps_total",
            "Times that changes of another node's routes were missed, and asked for.">
        route_gaps;
    counter<"grapevine_cluster_route_mismatches_total",
            "Times that a digest of another node's routes differed at the same number.">
        route_mismatches;
    counter<"grapevine_cluster_route_repairs_total",
            "Times that routes of another node were compared bucket by bucket and rows fetched.">
        route_repairs;
    counter<"grapevine_cluster_subscribe_waits_total",
            "Subscriptions that waited until other nodes knew of them.">
        waits;
    counter<"grapevine_cluster_subscribe_waits_late_total",
            "Of these, those that were acknowledged before all had said so.">
        waits_late;
    counter<"grapevine_cluster_route_messages_refused_total",
            "Messages about routes that no honest node sends.">
        routes_refused;
    counter<"grapevine_cluster_route_pages_sent_total",
            "Pages of routes sent to nodes that lacked them.">
        route_pages;
    counter<"grapevine_cluster_retained_compares_total",
            "Comparisons of retained messages with another node.">
        retained_compares;
    counter<"grapevine_cluster_retained_differences_total", "Of these, with a difference.">
        retained_differences;
    counter<"grapevine_cluster_retained_rows_sent_total",
            "Retained messages and removals sent to nodes that lacked them.">
        retained_sent;
    counter<"grapevine_cluster_retained_rows_applied_total",
            "Retained messages and removals fetched from other nodes and newer than what was here.">
        retained_applied;
    counter<"grapevine_cluster_retained_rows_refused_total",
            "Retained messages of other nodes for which a limit left no room.">
        retained_refused;
    counter<"grapevine_cluster_retained_rows_distrusted_total",
            "Retained messages of other nodes with a stamp too far ahead.">
        retained_distrusted;
    counter<"grapevine_cluster_retained_collections_total",
            "Times that removals known to every member were forgotten.">
        retained_collections;
    counter<"grapevine_cluster_retained_messages_refused_total",
            "Messages about retained messages that no honest node sends.">
        retained_faults;
    gauge<"grapevine_cluster_partitions", "Partitions of sessions whose home this node is.">
        partitions;
    counter<"grapevine_cluster_partition_changes_total",
            "Changes of the table that says which node is home of which partition.">
        partition_changes;
    counter<
        "grapevine_cluster_distrusted_total",
        "Connections and calls that were refused since the other end has no certificate of this "
        "cluster, or that of another node.">
        distrusted;
    gauge<"grapevine_cluster_certificate_expiry_seconds",
          "When the certificate of this node ends, in seconds since 1970; 0: it has none.">
        certified_until;
    gauge<"grapevine_cluster_lanes_relayed",
          "Lanes to other nodes that go by way of a third one, since the direct link is cut.">
        lanes_relayed;
    gauge<"grapevine_cluster_relay_streams", "Streams between other nodes that this one passes on.">
        relay_streams;
    counter<"grapevine_cluster_relay_frames_total",
            "Frames and replies of other nodes passed on to other nodes.">
        relay_frames;
    counter<"grapevine_cluster_relay_bytes_total", "Bytes of these."> relay_bytes;
    counter<"grapevine_cluster_relays_refused_total",
            "Streams that this node was asked to pass on, and did not.">
        relays_refused;
};

} // namespace gv::server
