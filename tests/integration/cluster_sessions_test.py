# SPDX-License-Identifier: Apache-2.0
"""Sessions that follow their clients from node to node."""

from tests.integration.broker import wait_for
from tests.integration.cluster import ClusterTest, metrics


class ClusterSessions(ClusterTest):
    def spread(self, nodes):
        """Until each node is home of its share."""
        def homes():
            return [int(metrics(each)["grapevine_cluster_partitions"]) for each in nodes]
        wait_for("partitions on all nodes", lambda: sum(homes()) == 256 and min(homes()) > 40)
