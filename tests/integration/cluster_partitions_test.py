# SPDX-License-Identifier: Apache-2.0
"""Which node is home of which partition of sessions: one table, whoever starts first."""

from tests.integration.broker import wait_for
from tests.integration.cluster import ClusterTest, metrics


class ClusterPartitions(ClusterTest):
    @staticmethod
    def homes(*nodes):
        return [int(metrics(each)["grapevine_cluster_partitions"]) for each in nodes]

    def wait_for_homes(self, nodes, expected):
        wait_for(f"partitions at home: {expected}", lambda: self.homes(*nodes) == expected)

    def test_the_first_node_is_home_of_all_and_remains_it(self):
        nodes = self.nodes(3)
        self.wait_for_homes(nodes, [256, 0, 0])
        for each in nodes:
            each.kill()
        # In another order, the first one last: the others know from their disks.
        second = self.node("node2", before=nodes[1])
        third = self.node("node3", before=nodes[2])
        first = self.node("node1", before=nodes[0])
        self.wait_until_joined(second, third, first)
        self.wait_for_homes((first, second, third), [256, 0, 0])
        for each in (first, second, third):
            self.assertNotIn("partitions_founded", each.log())

    def test_two_tables_that_meet_become_one(self):
        first = self.node("node1")
        self.wait_for_homes((first,), [256])
        seeds, self.seeds = self.seeds, []
        second = self.node("node2")
        self.wait_for_homes((second,), [256])
        second.kill()
        self.seeds = seeds
        second = self.node("node2", before=second)
        self.wait_until_joined(first, second)
        self.wait_for_homes((first, second), [256, 0])
