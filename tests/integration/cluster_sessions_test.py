# SPDX-License-Identifier: Apache-2.0
"""Sessions that follow their clients from node to node."""

import subprocess
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.cluster import ClusterTest
from tests.integration.wire import DISCONNECT, Wire

TAKEN_OVER = 0x8e
SERVER_BUSY = 0x89


class ClusterSessions(ClusterTest):
    def kept(self, node, client, *more):
        """A persistent session, connected, that hears "t" at QoS 2."""
        return Subscriber(self, node.port, "-V", "5", "-c", "-x", "3600", "-i", client, "-t", "t",
                          "-q", "2", *more)

    def test_a_session_made_on_one_node_is_there_on_another(self):
        nodes = self.nodes(3)
        first, second, third = nodes
        for home in nodes:
            client = self.client_of(home, nodes)
            self.assertEqual(self.kept(first, client).stop(), [])
            texts = [f"{number}" for number in range(100)]
            for each in texts:
                publish(second.port, "t", each, "-q", "2" if int(each) % 2 else "1")
            ear = self.kept(third, client)
            heard = ear.take(len(texts))
            self.assertEqual([each for each in heard if int(each) % 2 == 0], texts[0::2])
            self.assertEqual([each for each in heard if int(each) % 2 == 1], texts[1::2])
            self.assertEqual(ear.stop(), [])
            with Wire(second.port, version=5) as wire:
                self.assertTrue(wire.connect_v5(client, 3600))

    def test_one_client_identifier_on_two_nodes_is_one_connection(self):
        nodes = self.nodes(3)
        for home in nodes:
            client = self.client_of(home, nodes)
            for expiry in (0, 3600):
                with Wire(nodes[0].port, version=5) as one, Wire(nodes[1].port, version=5) as other:
                    one.connect_v5(client, expiry)
                    other.connect_v5(client, expiry)
                    kind, body = one.receive()
                    self.assertEqual((kind, body[0]), (DISCONNECT, TAKEN_OVER))
                    other.publish_and_wait("x", b"still in")

    def test_without_its_home_a_kept_session_waits_and_everything_else_goes_on(self):
        nodes = self.nodes(3)
        home, here, there = nodes
        client = self.client_of(home, nodes)
        ear = self.kept(here, client)
        fleeting = Subscriber(self, here.port, "-i", self.client_of(home, nodes), "-t", "t")
        home.kill()
        here.wait_for_log_match("member_changed .*node=node1 became=died")
        publish(there.port, "t", "meanwhile", "-q", "1")
        self.assertEqual(fleeting.next(), "meanwhile")
        refused = run_sub(here.port, "-V", "311", "-c", "-i", client, "-t", "t", "-W", "5")
        self.assertIn("broker unavailable", refused.stderr)
        ear.kill()
        self.wait_until_ready(self.node("node1", before=home))
        again = self.kept_once_it_is_let_in(there, client)
        self.assertEqual(again.next(), "meanwhile")

    def kept_once_it_is_let_in(self, node, client):
        def is_in():
            with Wire(node.port, version=5) as wire:
                try:
                    return wire.connect_v5(client, 3600)
                except AssertionError:
                    return False
        wait_for("its home to be there again", is_in)
        return self.kept(node, client)

    def test_its_home_restarted_while_a_client_is_on_another_node(self):
        nodes = self.nodes(2)
        home, here = nodes
        client = self.client_of(home, nodes)
        with Wire(here.port, version=5) as wire:
            wire.connect_v5(client, 3600)
            wire.subscribe("t", qos=1)
            home.stop()
            kind, body = wire.receive()
            self.assertEqual((kind, body[0]), (DISCONNECT, SERVER_BUSY))
        self.wait_until_ready(self.node("node1", before=home))
        publish(here.port, "t", "later", "-q", "1")
        ear = self.kept_once_it_is_let_in(here, client)
        self.assertEqual(ear.next(), "later")

    def test_the_will_of_a_client_at_a_node_that_dies_is_published_once(self):
        nodes = self.nodes(3)
        home, front, there = nodes
        heir = Subscriber(self, there.port, "-t", "wills/#", "-q", "1")
        for expiry, number in ((0, 1), (3600, 2)):
            client = self.client_of(home, nodes)
            Subscriber(self, front.port, "-V", "5", "-c", "-x", str(expiry), "-i", client, "-t", "nothing",
                       "--will-topic", f"wills/{number}", "--will-payload", f"{number}",
                       "--will-qos", "1")
        front.kill()
        self.assertEqual(sorted(heir.take(2)), ["1", "2"])
        self.wait_until_ready(self.node("node2", before=front))
        time.sleep(1)
        self.assertEqual(heir.stop(), [])

    def test_a_node_that_leaves_hands_its_partitions_over(self):
        nodes = self.nodes(3)
        leaving, *rest = nodes
        client = self.client_of(leaving, nodes)
        with Wire(rest[0].port).connect(client) as fleeting:
            done = subprocess.run([PROGRAM, "cluster", "leave", "--storage.folder", leaving.store],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.spread(rest)
            with Wire(rest[1].port).connect(client) as taker:
                taker.publish_and_wait("x", b"in")
                self.assertEqual(fleeting.receive()[0], None)
