# SPDX-License-Identifier: Apache-2.0
"""Which node is home of which partition of sessions: one table, whoever starts first."""

from tests.integration.broker import wait_for
from tests.integration.cluster import ClusterTest, metrics


class ClusterPartitions(ClusterTest):
    @staticmethod
    def homes(nodes):
        return [int(metrics(each)["grapevine_cluster_partitions"]) for each in nodes]

    def test_each_has_a_share_and_has_the_same_after_a_restart(self):
        nodes = self.nodes(3)
        self.spread(nodes)
        before = self.homes(nodes)
        for each in nodes:
            each.kill()
        # In another order, the first one last: the others know from their disks.
        second = self.node("node2", before=nodes[1])
        third = self.node("node3", before=nodes[2])
        first = self.node("node1", before=nodes[0])
        self.wait_until_joined(second, third, first)
        wait_for("the same homes", lambda: self.homes((first, second, third)) == before)
        for each in (first, second, third):
            self.assertNotIn("partitions_founded", each.log())

    def test_two_tables_that_meet_become_one(self):
        first = self.node("node1")
        wait_for("a table", lambda: self.homes((first,)) == [256])
        seeds, self.seeds = self.seeds, []
        second = self.node("node2")
        wait_for("another table", lambda: self.homes((second,)) == [256])
        second.kill()
        self.seeds = seeds
        second = self.node("node2", before=second)
        self.wait_until_joined(first, second)
        self.spread((first, second))

    def test_a_node_without_a_store_is_home_of_none(self):
        first = self.node("node1")
        second = self.node("node2", "--storage.enabled", "false")
        third = self.node("node3")
        self.wait_until_joined(first, second, third)
        self.spread((first, third))
        self.assertEqual(self.homes((second,)), [0])
