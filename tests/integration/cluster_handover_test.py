# SPDX-License-Identifier: Apache-2.0
"""Sessions go over to nodes that join, and from nodes that leave, are drained or stop."""

import subprocess
import threading
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.clients import Subscriber, publish
from tests.integration.cluster import ClusterTest, metrics
from tests.integration.wire import DISCONNECT, Wire

SESSIONS = 60
USE_ANOTHER_SERVER = 0x9c


class ClusterHandover(ClusterTest):
    def make_sessions(self, node):
        """Each hears a topic of its own, and has a message there."""
        for number in range(SESSIONS):
            with Wire(node.port).connect(f"s{number}", clean=False) as wire:
                wire.subscribe(f"own/{number}", qos=1)
        for number in range(SESSIONS):
            publish(node.port, f"own/{number}", f"first {number}", "-q", "1")

    def expect_sessions(self, nodes, texts):
        for number in range(SESSIONS):
            node = nodes[number % len(nodes)]
            ear = Subscriber(self, node.port, "-c", "-i", f"s{number}", "-t", f"own/{number}", "-q",
                             "1")
            self.assertEqual(ear.take(len(texts)), [f"{each} {number}" for each in texts])
            self.assertEqual(ear.stop(), [])

    @staticmethod
    def kept(nodes):
        return [int(metrics(each)["grapevine_sessions_persistent"]) for each in nodes]

    @staticmethod
    def command(node, *words):
        return subprocess.run([PROGRAM, "cluster", *words, "--storage.folder", node.store],
                              capture_output=True, text=True, timeout=120)

    def wait_until_shared(self, nodes):
        """Each node keeps some of the sessions, and all are there once."""
        wait_for("sessions on all nodes", lambda: min(self.kept(nodes)) > 0
                 and sum(self.kept(nodes)) == SESSIONS)
        self.spread(nodes)

    def test_nodes_that_join_get_their_share_of_sessions(self):
        first = self.node("node1")
        self.make_sessions(first)
        second, third = self.node("node2"), self.node("node3")
        self.wait_until_joined(first, second, third)
        nodes = (first, second, third)
        self.wait_until_shared(nodes)
        for number in range(SESSIONS):
            publish(second.port, f"own/{number}", f"second {number}", "-q", "1")
        self.expect_sessions(nodes, ["first", "second"])

    def test_a_node_leaves_with_its_sessions(self):
        nodes = self.nodes(3)
        self.spread(nodes)
        self.make_sessions(nodes[0])
        leaving, *rest = nodes
        self.assertGreater(self.kept(nodes)[0], 0)
        done = self.command(leaving, "leave")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sum(self.kept(rest)), SESSIONS)
        self.expect_sessions(rest, ["first"])

    def test_a_node_is_drained_and_comes_back(self):
        nodes = self.nodes(3)
        self.spread(nodes)
        self.make_sessions(nodes[0])
        first, *rest = nodes
        with Wire(first.port, version=5) as client:
            client.connect_v5("fleeting", 0, clean=True)
            done = self.command(first, "drain")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("is drained", done.stdout)
            kind, body = client.receive()
            self.assertEqual((kind, body[0]), (DISCONNECT, USE_ANOTHER_SERVER))
        self.assertEqual(sum(self.kept(rest)), SESSIONS)
        again = self.node("node1", before=first)
        self.wait_until_joined(*rest, again)
        self.wait_until_shared((*rest, again))
        self.expect_sessions((*rest, again), ["first"])

    def test_a_drain_ends_although_a_client_comes_back_at_once(self):
        """Before MQTT 5 a client is not told to use another server."""
        nodes = self.nodes(3)
        self.spread(nodes)
        is_over = threading.Event()
        times = []

        def insist():
            while not is_over.is_set():
                try:
                    with Wire(nodes[0].port).connect("insists") as wire:
                        times.append(time.monotonic())
                        wire.receive()
                except (OSError, AssertionError):
                    time.sleep(0.01)
        client = threading.Thread(target=insist)
        client.start()
        try:
            wait_for("the client", lambda: times)
            done = self.command(nodes[0], "drain")
        finally:
            is_over.set()
            client.join()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_nothing_is_lost_or_doubled_while_nodes_join_and_one_leaves(self):
        first = self.node("node1")
        self.make_sessions(first)
        ears = [Subscriber(self, first.port, "-c", "-i", f"ear{number}", "-t", "load", "-q", "2")
                for number in range(4)]
        is_over = threading.Event()
        sent = []

        def speak():
            while not is_over.is_set():
                text = f"{len(sent)}"
                publish(first.port, "load", text, "-q", "2")
                sent.append(text)
        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            second, third = self.node("node2"), self.node("node3")
            self.wait_until_joined(first, second, third)
            nodes = (first, second, third)
            wait_for("sessions on all nodes", lambda: min(self.kept(nodes)) > 0
                     and sum(self.kept(nodes)) == SESSIONS + len(ears))
            self.spread(nodes)
            done = self.command(third, "leave")
            self.assertEqual(done.returncode, 0, done.stderr)
            time.sleep(1)
        finally:
            is_over.set()
            speaker.join()
        self.assertGreater(len(sent), 50)
        for each in ears:
            self.assertEqual(each.take(len(sent)), sent)
            self.assertEqual(each.stop(), [])
        self.expect_sessions((first, second), ["first"])
