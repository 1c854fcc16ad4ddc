# SPDX-License-Identifier: Apache-2.0
"""The last will of a client at one node, and its heirs at another."""

from tests.integration.clients import Subscriber
from tests.integration.cluster import ClusterTest


class ClusterWill(ClusterTest):
    def mortal(self, node, nodes, *more):
        """With a session that lives on its node and outlives it, and so does the will."""
        return Subscriber(self, node.port, "-V", "5", "-c", "-x", "3600",
                          "-i", self.client_of(node, nodes), "-t", "nothing",
                          "--will-topic", "wills", "--will-payload", "he is gone", "--will-qos", "1", *more)

    def heir(self, node):
        return Subscriber(self, node.port, "-v", "-t", "wills", "-q", "1")

    def test_an_abrupt_end_is_heard_at_another_node(self):
        here, there = nodes = self.nodes(2)
        heir = self.heir(there)
        self.mortal(here, nodes).kill()
        self.assertEqual(heir.next(), "wills he is gone")

    def test_who_came_while_the_node_was_down_hears_it_when_the_node_is_back(self):
        away, here = nodes = self.nodes(2)
        mortal = self.mortal(away, nodes)
        away.kill()
        mortal.kill()
        here.wait_for_log_match("member_changed .*node=node1 became=died")
        heir = self.heir(here)
        self.wait_until_ready(self.node("node1", before=away))
        self.assertEqual(heir.next(), "wills he is gone")
        self.assertEqual(heir.stop(), [])

    def test_a_retained_one_is_everywhere(self):
        away, here = nodes = self.nodes(2)
        mortal = self.mortal(away, nodes, "--will-retain")
        away.kill()
        mortal.kill()
        heir = self.heir(here)
        self.wait_until_ready(self.node("node1", before=away))
        self.assertEqual(heir.next(), "wills he is gone")
        later = Subscriber(self, here.port, "-t", "wills", "-F", "%r %p")
        self.assertEqual(later.next(), "1 he is gone")
