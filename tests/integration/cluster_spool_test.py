# SPDX-License-Identifier: Apache-2.0
"""What is acknowledged for the sessions of a node that is away is not lost."""

import subprocess
import time

from tests.integration.broker import PROGRAM
from tests.integration.clients import Subscriber, publish
from tests.integration.cluster import ClusterTest
from tests.integration.wire import PUBACK, PUBREC, Wire, packet

PUBCOMP = 7
PROMPT_S = 5
IN_FLIGHT = 500


class ClusterSpool(ClusterTest):
    def pair(self):
        """The node whose sessions these tests are about, and another one."""
        self.ids = {}
        self.both = self.nodes(2)
        return self.both

    def id_of(self, client):
        """Of a client whose home is the first of them."""
        if client not in self.ids:
            self.ids[client] = self.client_of(self.both[0], self.both)
        return self.ids[client]

    def session(self, node, client, topic, qos=2):
        """A persistent session, connected."""
        return Subscriber(self, node.port, "-c", "-i", self.id_of(client), "-t", topic, "-q", qos)

    def offline(self, node, client, topic):
        self.assertEqual(self.session(node, client, topic).stop(), [])

    def back(self, name, before, *arguments):
        again = self.node(name, *arguments, before=before)
        self.wait_until_ready(again)
        return again

    @staticmethod
    def store(command, node):
        done = subprocess.run([PROGRAM, "store", command, "--folder", str(node.store)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish_and_time(self, wire, topic, text, qos):
        """Publishes, waits for the last acknowledgement, and checks that it came soon."""
        begun = time.monotonic()
        wire.publish(topic, text.encode(), qos=qos)
        kind, body = wire.receive()
        self.assertEqual(kind, PUBACK if qos == 1 else PUBREC)
        if qos == 2:
            wire.send(packet(0x62, body[:2]))
            self.assertEqual(wire.receive()[0], PUBCOMP)
        self.assertLess(time.monotonic() - begun, PROMPT_S)

    def publish_many(self, wire, topic, texts):
        """At QoS 1, many in flight."""
        texts = list(texts)
        for first in range(0, len(texts), IN_FLIGHT):
            part = texts[first:first + IN_FLIGHT]
            wire.send(b"".join(wire.publish_bytes(topic, text.encode(), qos=1, packet_id=number + 1)
                               for number, text in enumerate(part)))
            for _ in part:
                self.assertEqual(wire.receive()[0], PUBACK)

    def test_sessions_of_a_node_that_was_killed_get_everything_once(self):
        away, here = self.pair()
        self.offline(away, "offline", "t")
        connected = self.session(away, "online", "t")
        away.kill()
        connected.kill()
        texts = {1: [], 2: []}
        with Wire(here.port).connect("mouth") as mouth:
            def say(text):
                for qos in (1, 2):
                    texts[qos].append(f"{text} at {qos}")
                    self.publish_and_time(mouth, "t", texts[qos][-1], qos)
            for number in range(10):
                say(f"before it is noticed {number}")
            here.wait_for_log_match("member_changed .*node=node1 became=died")
            for number in range(10):
                say(f"later {number}")
            again = self.back("node1", away)
            for client in ("offline", "online"):
                ear = self.session(again, client, "t")
                lines = ear.take(len(texts[1]) + len(texts[2]))
                for qos in (1, 2):  # which keep their order each
                    self.assertEqual([line for line in lines if line.endswith(f"at {qos}")],
                                     texts[qos])
                say(f"after {client}")
                self.assertEqual(sorted(ear.take(2)), [texts[1][-1], texts[2][-1]])
                self.assertEqual(ear.stop(), [])

    def test_who_connects_later_hears_nothing_old(self):
        away, here = self.pair()
        ear = Subscriber(self, away.port, "-t", "t", "-q", "1")
        self.offline(away, "kept", "t")
        away.kill()
        ear.kill()
        for number in range(5):
            publish(here.port, "t", f"old {number}", "-q", "1")
        here.wait_for_log_match("member_changed .*node=node1 became=died")
        for number in range(5):
            publish(here.port, "t", f"older {number}", "-q", "2")
        again = self.node("node1", before=away)
        self.wait_until_ready(again)
        ear = Subscriber(self, again.port, "-t", "t", "-q", "2")
        kept = self.session(again, "kept", "t")
        kept.take(10)
        publish(here.port, "t", "new", "-q", "1")
        self.assertEqual(kept.next(), "new")
        self.assertEqual(ear.next(), "new")

    def test_what_was_acknowledged_survives_the_death_of_its_node(self):
        """Which has another number of shards when it is back, before the other one is."""
        away, here = self.pair()
        self.offline(away, "kept", "t/#")
        away.kill()
        topics = [f"t/{number}" for number in range(4)]
        for topic in topics:
            with Wire(here.port).connect(topic.replace("/", "")) as mouth:
                self.publish_many(mouth, topic, (f"{topic} {number}" for number in range(300)))
        here.kill()
        self.assertRegex(self.store("check", here), r"spool +1200 ")
        self.assertRegex(self.store("stats", here), "messages for other nodes 1200,")
        here = self.back("node2", here, "--shards.threads", "1")
        self.assertIn("spooled=1200", here.log())
        again = self.back("node1", away)
        ear = self.session(again, "kept", "t/#")
        lines = ear.take(1200)
        for topic in topics:
            self.assertEqual([line for line in lines if line.startswith(topic)],
                             [f"{topic} {number}" for number in range(300)])
        publish(here.port, "t/0", "new", "-q", "1")
        self.assertEqual(ear.next(), "new")
        self.assertEqual(ear.stop(), [])
        self.assertEqual(here.stop(), 0)
        self.assertRegex(self.store("check", here), r"spool +0 ")

    def stop_and(self, command, node):
        self.assertEqual(node.stop(), 0)
        return self.store(command, node)

    def settle_disk(self, node):
        """What others have told the node is on its way to the disk at once: this is written behind
        it, and waited for."""
        for number in range(8):  # among which are some for each shard
            publish(node.port, f"settles/{number}", "x", "-r", "-q", "1")

    def test_a_node_that_starts_alone_knows_what_the_others_sessions_want(self):
        """Both lose their power, and one is back first: its publishers' messages are for both."""
        away, here = self.pair()
        for client, topic in (("one", "t/#"), ("two", "t/+"), ("other", "elsewhere")):
            self.offline(away, client, topic)
        self.settle_disk(here)
        away.kill()
        here.kill()
        self.assertRegex(self.store("check", here), r"routes +3 ")
        self.assertRegex(self.store("stats", here), "kept sessions of other nodes 3\n")
        here = self.back("node2", here)
        self.assertIn("routes_restored", here.log())
        texts = {1: [], 2: []}
        with Wire(here.port).connect("mouth") as mouth:
            for number in range(50):
                for qos in (1, 2):
                    texts[qos].append(f"{number} at {qos}")
                    self.publish_and_time(mouth, "t/1", texts[qos][-1], qos)
        again = self.back("node1", away)
        for client, topic in (("one", "t/#"), ("two", "t/+")):
            ear = self.session(again, client, topic)
            lines = ear.take(100)
            for qos in (1, 2):
                self.assertEqual([line for line in lines if line.endswith(f"at {qos}")], texts[qos])
            self.assertEqual(ear.stop(), [])
        publish(here.port, "t/1", "new", "-q", "1")
        for client, topic in (("one", "t/#"), ("two", "t/+")):
            ear = self.session(again, client, topic)
            self.assertEqual(ear.next(), "new")
            self.assertEqual(ear.stop(), [])

    def test_what_nodes_want_that_are_not_remembered_stays_on_disk(self):
        """The list of nodes is lost, and with it whose these are, until that node is met again."""
        away, here = self.pair()
        self.offline(away, "kept", "t")
        self.settle_disk(here)
        away.kill()
        here.kill()
        (here.store / "cluster.members").unlink()
        here = self.back("node2", here)
        here.wait_for_log_match("routes_restored .*of_unknown_nodes=1")
        self.assertRegex(self.stop_and("check", here), r"routes +1 ")

    def test_a_publisher_is_told_that_its_message_is_wanted(self):
        away, here = self.pair()
        self.offline(away, "kept", "t")
        self.settle_disk(here)
        away.kill()
        here.kill()
        here = self.back("node2", here)
        for qos in (1, 2):
            with Wire(here.port, version=5).connect(f"mouth{qos}") as mouth:
                for number, (topic, reason) in enumerate((("t", 0x00), ("nobody", 0x10)), 1):
                    mouth.publish(topic, b"x", qos=qos, packet_id=number)
                    kind, body = mouth.receive()
                    self.assertEqual(kind, PUBACK if qos == 1 else PUBREC)
                    self.assertEqual(body[2] if len(body) > 2 else 0, reason, f"{topic} at {qos}")
        self.assertRegex(self.stop_and("check", here), r"spool +2 ")

    def test_what_was_unsubscribed_meanwhile_haunts_nobody(self):
        away, here = self.pair()
        with Wire(away.port).connect(self.id_of("kept"), clean=False) as ear:
            for topic in ("old", "stays"):
                ear.subscribe(topic, qos=1)
        self.settle_disk(here)
        here.kill()
        with Wire(away.port).connect(self.id_of("kept"), clean=False) as ear:
            ear.unsubscribe("old")
        away.kill()
        here = self.back("node2", here)
        for number in range(3):
            publish(here.port, "old", "for nobody", "-q", "1")
            publish(here.port, "stays", f"{number}", "-q", "1")
        again = self.back("node1", away)
        ear = self.session(again, "kept", "stays")
        self.assertEqual(ear.take(3), ["0", "1", "2"])
        here.wait_for_log_match("member_changed .*node=node1 became=joined")
        publish(here.port, "stays", "new", "-q", "1")
        self.assertEqual(ear.next(), "new")
        self.assertEqual(ear.stop(), [])
        self.settle_disk(here)
        self.assertRegex(self.stop_and("check", here), r"routes +1 ")
        self.assertRegex(self.store("check", here), r"spool +0 ")

    def test_a_long_absence(self):
        away, here = self.pair()
        self.offline(away, "kept", "t")
        away.kill()
        texts = [f"{number} {'x' * 100}" for number in range(20_000)]
        with Wire(here.port).connect("mouth") as mouth:
            self.publish_many(mouth, "t", texts)
            again = self.back("node1", away)
            ear = self.session(again, "kept", "t")
            self.publish_many(mouth, "t", ["the last"])
            self.assertEqual(ear.take(len(texts) + 1), texts + ["the last"])

    def test_without_a_store_a_publisher_waits_for_the_node(self):
        away = self.node("node1")
        here = self.node("node2", "--storage.enabled", "false")
        self.wait_until_joined(away, here)
        self.ids = {"kept": "kept"}  # the only node with a store is its home, whatever its name
        self.offline(away, "kept", "t")
        away.kill()
        here.wait_for_log_match("member_changed .*node=node1 became=died")
        with Wire(here.port).connect("mouth") as mouth:
            mouth.publish("t", b"patience", qos=1)
            again = self.back("node1", away)
            self.assertEqual(mouth.receive()[0], PUBACK)
        self.assertEqual(self.session(again, "kept", "t").next(), "patience")
