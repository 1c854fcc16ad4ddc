# SPDX-License-Identifier: Apache-2.0
"""Several nodes are one broker."""

import time

from tests.integration.broker import wait_for
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.cluster import ClusterTest
from tests.integration.wire import PUBACK, PUBREC, SUBACK, Wire, packet, text

NO_MATCHING_SUBSCRIBERS = 0x10


class Cluster(ClusterTest):
    def test_what_is_published_on_one_node_is_heard_on_another(self):
        nodes = self.nodes(3)
        for qos in (0, 1, 2):
            for hearing in nodes:
                for speaking in nodes:
                    topic = f"from/{speaking.name}/to/{hearing.name}/{qos}"
                    ear = Subscriber(self, hearing.port, "-t", topic, "-q", qos)
                    publish(speaking.port, topic, "hello", "-q", str(qos))
                    self.assertEqual(ear.next(), "hello")
                    self.assertEqual(ear.stop(), [])

    def test_who_has_the_suback_misses_nothing(self):
        """Subscribe on one node, publish on another as soon as the SUBACK is there, many times."""
        hearing, speaking = self.nodes(2)
        with Wire(hearing.port).connect("ear") as ear, Wire(speaking.port).connect("mouth") as mouth:
            for number in range(300):
                topic = f"round/{number}"
                ear.subscribe(topic)
                mouth.publish(topic, b"%d" % number)
                _, body = ear.receive()
                self.assertTrue(body.endswith(b"%d" % number), body)

    def test_order_and_number_over_a_link(self):
        hearing, speaking = self.nodes(2)
        for qos in (0, 1, 2):
            ear = Subscriber(self, hearing.port, "-t", "count", "-q", qos)
            with Wire(speaking.port).connect(f"mouth{qos}") as mouth:
                for number in range(500):
                    mouth.publish("count", b"%d" % number, qos=qos, packet_id=number + 1)
                self.assertEqual(ear.take(500), [str(number) for number in range(500)])
            self.assertEqual(ear.stop(), [])

    def test_large_messages_pass(self):
        hearing, speaking = self.nodes(2)
        with Wire(hearing.port).connect("ear").subscribe("large", 1) as ear, \
                Wire(speaking.port).connect("mouth") as mouth:
            for size in (200_000, 300_000, 10_000_000):
                payload = bytes(range(256)) * (size // 256)
                mouth.publish("large", payload, qos=1)
                _, body = ear.receive()
                self.assertTrue(body.endswith(payload))
                self.assertEqual(mouth.receive()[0], PUBACK)

    def test_an_acknowledgement_tells_of_subscribers_anywhere(self):
        hearing, speaking = self.nodes(2)
        with Wire(speaking.port, version=5).connect("mouth") as mouth:
            def reason(qos):
                mouth.publish("where", b"x", qos=qos)
                kind, body = mouth.receive()
                self.assertEqual(kind, PUBACK if qos == 1 else PUBREC)
                if qos == 2:
                    mouth.send(packet(0x62, body[:2]))
                    mouth.receive()
                return body[2] if len(body) > 2 else 0
            self.assertEqual(reason(1), NO_MATCHING_SUBSCRIBERS)
            self.assertEqual(reason(2), NO_MATCHING_SUBSCRIBERS)
            with Wire(hearing.port).connect("ear").subscribe("where"):
                self.assertEqual(reason(1), 0)
                self.assertEqual(reason(2), 0)
            wait_for("the end of interest", lambda: reason(1) == NO_MATCHING_SUBSCRIBERS)

    def test_a_retained_message_is_everywhere(self):
        nodes = self.nodes(3)
        publish(nodes[1].port, "lamp", "on", "-r", "-q", "1")
        for each in nodes:
            wait_for("the lamp", lambda port=each.port: run_sub(
                port, "-t", "lamp", "-W", "1", "-C", "1").stdout == "on\n")
        clear(nodes[2].port, "lamp")
        for each in nodes:
            wait_for("darkness", lambda port=each.port: run_sub(
                port, "-t", "lamp", "-W", "1", "-C", "1").stdout == "")

    def retained(self, node, topics="lamps/#"):
        """What a new subscriber finds, as long as something comes within a second."""
        done = run_sub(node.port, "-t", topics, "-v", "-W", "1")
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    def test_who_was_away_learns_what_was_retained_and_what_was_cleared(self):
        first, second, third = self.nodes(3)
        for lamp in range(5):
            publish(first.port, f"lamps/{lamp}", "on", "-r", "-q", "1")
        wait_for("all lamps", lambda: len(self.retained(third)) == 5)
        third.stop()
        clear(second.port, "lamps/0")
        publish(second.port, "lamps/1", "off", "-r", "-q", "1")
        publish(second.port, "lamps/9", "new", "-r")
        expected = {"lamps/1": "off", "lamps/2": "on", "lamps/3": "on", "lamps/4": "on",
                    "lamps/9": "new"}
        wait_for("the changes", lambda: self.retained(first) == expected)
        again = self.node("node3", before=third)
        self.wait_until_ready(again)
        self.assertEqual(self.retained(again), expected)
        for each in (first, second, again):
            self.assertEqual(self.retained(each), expected)

    def test_retained_messages_outlive_a_restart_of_all_in_another_order(self):
        first, second, third = self.nodes(3)
        publish(second.port, "lamps/1", "on", "-r", "-q", "1")
        for each in (first, second, third):
            wait_for("the lamp", lambda node=each: self.retained(node) == {"lamps/1": "on"})
        for each in (first, second, third):
            each.stop()
        again = [self.node(each.name, before=each) for each in (third, first, second)]
        self.wait_until_joined(*again)
        for each in again:
            self.assertEqual(self.retained(each), {"lamps/1": "on"})

    def test_two_nodes_serve_alone_and_agree_afterwards(self):
        first, second = self.nodes(2)
        publish(first.port, "lamps/1", "first", "-r", "-q", "1")
        wait_for("the lamp", lambda: self.retained(second) == {"lamps/1": "first"})
        second.kill()
        first.wait_for_log_match("member_changed .*node=node2 became=died")
        publish(first.port, "lamps/2", "alone", "-r", "-q", "1")
        first.kill()
        second = self.node("node2", "--cluster.ready_within", "2s", before=second)
        self.wait_until_ready(second)
        publish(second.port, "lamps/3", "alone too", "-r", "-q", "1")
        clear(second.port, "lamps/1")
        first = self.node("node1", "--cluster.ready_within", "2s", before=first)
        started = time.monotonic()
        expected = {"lamps/2": "alone", "lamps/3": "alone too"}
        for each in (first, second):
            wait_for("agreement", lambda node=each: self.retained(node) == expected)
        self.assertLess(time.monotonic() - started, 15)
        ear = Subscriber(self, first.port, "-t", "hello")
        publish(second.port, "hello", "again", "-q", "1")
        self.assertEqual(ear.next(), "again")

    def test_a_thousand_retained_messages_reach_a_node_that_joins(self):
        first, = self.nodes(1)
        with Wire(first.port).connect("fills") as wire:
            for number in range(1000):
                wire.publish(f"lamps/{number}", b"x" * 1000, qos=1, retain=True)
                self.assertEqual(wire.receive()[0], PUBACK)
            wire.publish("lamps/large", bytes(5_000_000), qos=1, retain=True)
            self.assertEqual(wire.receive()[0], PUBACK)
        second = self.node("node2")
        self.wait_until_joined(first, second)
        found = run_sub(second.port, "-t", "lamps/+", "-F", "%l", "-C", "1001").stdout.split()
        self.assertEqual(sorted(map(int, found)), [1000] * 1000 + [5_000_000])

    def test_a_client_that_does_not_want_its_own_messages(self):
        nodes = self.nodes(2)
        ear = Subscriber(self, nodes[0].port, "-t", "own", "-V", "5", "-i", "other")
        with Wire(nodes[1].port, version=5).connect("self") as own:
            own.send(packet(0x82, b"\0\1\0" + text("own") + b"\x04"))  # No Local
            self.assertEqual(own.receive()[0], SUBACK)
            own.publish("own", b"said")
            self.assertEqual(ear.next(), "said")
            publish(nodes[0].port, "own", "by another")
            self.assertTrue(own.receive()[1].endswith(b"by another"))

    def test_nodes_start_in_any_order_and_come_back(self):
        first, second, third = self.nodes(3)
        first.kill()
        second.wait_for_log_match("member_changed .*node=node1 became=died")
        ear = Subscriber(self, second.port, "-t", "news")
        publish(third.port, "news", "goes on", "-q", "1")
        self.assertEqual(ear.next(), "goes on")
        again = self.node("node1", before=first)
        self.wait_until_ready(again)
        publish(again.port, "news", "back", "-q", "1")
        self.assertEqual(ear.next(), "back")
        third.stop()
        second.wait_for_log_match("member_changed .*node=node3 became=died")
        second.stop()
        other = self.node("node3", before=third)
        self.wait_until_ready(other)
        ear = Subscriber(self, other.port, "-t", "news")
        publish(again.port, "news", "without the second", "-q", "1")
        self.assertEqual(ear.next(), "without the second")

    def test_a_publisher_is_acknowledged_when_the_other_node_dies(self):
        """Whoever was connected there has no session any more."""
        hearing, speaking = self.nodes(2)
        with Wire(hearing.port).connect("ear").subscribe("t", 1), \
                Wire(speaking.port).connect("mouth") as mouth:
            hearing.kill()
            mouth.publish("t", b"to nobody", qos=1)
            self.assertEqual(mouth.receive(), (PUBACK, b"\0\1"))

    def test_a_node_of_another_cluster_is_refused_and_both_say_why(self):
        self.nodes(1)
        stranger = self.node("stranger", "--cluster.name", "other", "--cluster.ready_within", "1s")
        stranger.wait_for_log_match("cluster_alarm .*refused_by_peer")
        self.assertRegex(stranger.log(), "ours=\"?cluster other.*theirs=\"?cluster test")


def clear(port, topic):
    """Takes a retained message away."""
    with Wire(port).connect("clears") as wire:
        wire.publish(topic, b"", qos=1, retain=True)
        assert wire.receive()[0] == PUBACK
