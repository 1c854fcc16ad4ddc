// SPDX-License-Identifier: Apache-2.0
// What the membership machine counts. Its thread is the single writer.
#pragma once

#include "base/metric.hpp"

namespace gv::cluster {

struct membership_metrics {
    counter<"grapevine_cluster_probes_total", "Probes sent to other nodes, redials included.">
        probes;
    counter<"grapevine_cluster_probe_acks_total", "Probes that were answered, by whatever way.">
        acks;
    counter<"grapevine_cluster_probe_failures_total",
            "Probes of live nodes without an answer by any way.">
        failures;
    counter<"grapevine_cluster_indirect_probes_total",
            "Requests to other nodes to probe one that did not answer.">
        indirect_probes;
    counter<"grapevine_cluster_nacks_total",
            "Answers of other nodes that they could not reach it either.">
        nacks;
    counter<"grapevine_cluster_relayed_probes_total", "Probes sent for other nodes.">
        relayed_probes;
    counter<"grapevine_cluster_suspicions_total", "Nodes that this one began to suspect by itself.">
        suspicions;
    counter<"grapevine_cluster_accusations_contested_total",
            "Accusations by other nodes not believed, since the accused had just answered.">
        contested;
    counter<"grapevine_cluster_suspicions_refuted_total",
            "Suspect or dead nodes that turned out to be alive.">
        refuted;
    counter<"grapevine_cluster_refutations_total", "Accusations against this node that it refuted.">
        refutations;
    counter<"grapevine_cluster_deaths_total", "Nodes declared dead, here or by others."> deaths;
    counter<"grapevine_cluster_push_pulls_total", "Exchanges of the whole state that were begun.">
        push_pulls;
    counter<"grapevine_cluster_membership_messages_sent_total", "Membership messages sent."> sent;
    counter<"grapevine_cluster_membership_messages_received_total", "Membership messages received.">
        received;
    counter<"grapevine_cluster_membership_messages_malformed_total",
            "Membership messages that were not understood.">
        malformed;
    counter<"grapevine_cluster_membership_messages_stale_total",
            "Membership messages of an earlier life of a node.">
        stale;
    counter<"grapevine_cluster_refused_total",
            "Messages refused: another cluster, other wire versions, or meant for another node.">
        refused;
    counter<"grapevine_cluster_stalls_total",
            "Times that this node did not run for longer than a second.">
        stalls;
    counter<"grapevine_cluster_members_left_out_total",
            "Rows of new nodes for which the table had no room.">
        left_out;

    gauge<"grapevine_cluster_members_alive", "Other nodes that are alive."> alive;
    gauge<"grapevine_cluster_members_suspect", "Other nodes that are suspect."> suspect;
    gauge<"grapevine_cluster_members_dead", "Registered nodes that are not reached."> dead;
    gauge<"grapevine_cluster_awareness", "How far this node doubts itself: 0 is well, 8 the most.">
        awareness;
    gauge<"grapevine_cluster_wire_level",
          "The active level: the highest wire version that all registered members speak.">
        level;
    gauge<"grapevine_cluster_wire_lowest", "Lowest wire version that any registered member speaks.">
        lowest;
    gauge<
        "grapevine_cluster_wire_highest",
        "Highest wire version that any registered member speaks; above the level while an upgrade "
        "is under way.">
        highest;
    gauge<"grapevine_cluster_clock_correction_seconds",
          "What this node's clock lacks by most clocks of the cluster; 0 while it is right within "
          "half a second, or fewer than three nodes are there.">
        clock_correction;
    gauge<"grapevine_cluster_gossip_waiting", "Rows on their way to other nodes."> gossip;
};

} // namespace gv::cluster
