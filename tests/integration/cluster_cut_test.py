# SPDX-License-Identifier: Apache-2.0
"""Nodes whose network is cut while they live."""

import re
import threading
import time
import urllib.request

from tests.integration.broker import wait_for
from tests.integration.cluster import ClusterTest
from tests.integration.netns import Network
from tests.integration.wire import PUBACK, PUBLISH, Wire, packet

PEER_PORT, CLIENT_PORT, ADMIN_PORT = 7883, 1883, 9090
AGREED_WITHIN_S = 10
CUT_S = 15
LONG_CUT_S = 50
HEARD_AGAIN_WITHIN_S = 7
DIRECT_AGAIN_WITHIN_S = 10


class CutTest(ClusterTest):
    """Each node on a machine of its own, as far as it can tell."""

    def machines(self, count):
        self.network = Network(self, count)
        started = [self.machine(number + 1, count) for number in range(count)]
        for each in started:
            for other in started:
                if other is not each:
                    each.wait_for_log_match(rf"member_changed .*node={other.name} became=(joined|refuted)")
            each.wait_for_log_match(" cluster_ready ")
        return started

    def machine(self, number, count):
        address = self.network.address(number)
        seeds = [f"{self.network.address(other + 1)}:{PEER_PORT}" for other in range(count)]
        config = (f'[node]\nname = "node{number}"\n'
                  f'[cluster]\nname = "test"\nbind = "{address}"\nport = {PEER_PORT}\n'
                  f"allow_plaintext = true\nseeds = {seeds}\n".replace("'", '"')
                  + f'[admin]\nbind = "{address}"\n[shards]\nthreads = 2\n'
                  f'[[listeners]]\nbind = "{address}"\nport = {CLIENT_PORT}\n'
                  "allow_anonymous = true\n")
        started = self.broker("--admin.port", ADMIN_PORT, config=config,
                              prefix=self.network.prefix(number))
        started.name = f"node{number}"
        started.address = address
        return started

    @staticmethod
    def wire(node, client, clean=True):
        return Wire(CLIENT_PORT, host=node.address).connect(client, clean=clean)

    def kept_session(self, node, client, topic):
        with self.wire(node, client, clean=False) as wire:
            wire.subscribe(topic, 1)
            wire.send(packet(0xe0, b""))

    def collect(self, node, client, count):
        """What the kept session gets, until there are so many or none comes for a second."""
        found = []
        with self.wire(node, client, clean=False) as wire:
            while len(found) < count:
                kind, body = wire.receive()
                assert kind == PUBLISH, kind
                length = int.from_bytes(body[:2], "big")
                wire.send(packet(0x40, body[2 + length:4 + length]))
                found.append(body[4 + length:].decode())
            wire.send(packet(0xe0, b""))
        return found

    def publish(self, node, topic, texts, qos=1, retain=False):
        with self.wire(node, f"mouth-{node.name}") as mouth:
            for each in texts:
                mouth.publish(topic, each.encode(), qos=qos, retain=retain)
                if qos:
                    self.assertEqual(mouth.receive()[0], PUBACK)

    def retained(self, node, topics):
        """What is retained there: a marker of our own, at QoS 0 behind it, ends it."""
        with self.wire(node, "looks") as wire:
            wire.subscribe(topics)
            wire.socket.settimeout(0.5)
            found = {}
            try:
                while True:
                    _, body = wire.receive()
                    length = int.from_bytes(body[:2], "big")
                    found[body[2:2 + length].decode()] = body[2 + length:].decode()
            except TimeoutError:
                return found

    @staticmethod
    def metric(node, name):
        page = urllib.request.urlopen(f"http://{node.address}:{ADMIN_PORT}/metrics").read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                   if line.startswith((name + " ", name + "{")))


class ClusterCut(CutTest):
    def live_together(self, first, second, cut_s):
        kept1, kept2 = (self.client_of(each, (first, second)) for each in (first, second))
        self.kept_session(first, kept1, "to/first")
        self.kept_session(second, kept2, "to/second")
        texts = [f"message {number}" for number in range(100)]
        self.network.cut_both_ways(1, 2)
        began = time.monotonic()
        if cut_s > 7:  # else nobody is declared dead, and publishers may wait
            for here, there in ((first, "node2"), (second, "node1")):
                here.wait_for_log_match(f"member_changed .*node={there} became=died")
        self.publish(first, "to/second", texts)
        self.publish(second, "to/first", texts)
        self.publish(first, "lamps/1", ["on"], retain=True)
        self.publish(second, "lamps/2", ["off"], retain=True)
        with self.wire(second, "ear") as ear:
            ear.subscribe("new")
            time.sleep(max(0.0, began + cut_s - time.monotonic()))
            self.assertGreater(self.network.dropped(1), 0)
            self.network.heal(1, 2)
            healed = time.monotonic()
            self.assertEqual(self.collect(second, kept2, 100), texts)
            self.assertEqual(self.collect(first, kept1, 100), texts)
            lamps = {"lamps/1": "on", "lamps/2": "off"}
            for each in (first, second):
                wait_for("agreement", lambda node=each: self.retained(node, "lamps/#") == lamps)
            self.publish(first, "new", ["heard"])
            self.assertTrue(ear.receive()[1].endswith(b"heard"))
            took = time.monotonic() - healed
            self.assertLess(took, AGREED_WITHIN_S)
            self.took = took
        for each in (first, second):
            wait_for("all answers", lambda node=each: self.metric(
                node, "grapevine_cluster_messages_unanswered") == 0, 2)

    def test_two_nodes_agree_soon_after_a_cut(self):
        self.live_together(*self.machines(2), CUT_S)

    def test_two_nodes_agree_soon_after_a_long_cut(self):
        self.live_together(*self.machines(2), LONG_CUT_S)


class Counting(threading.Thread):
    """Publishes 0, 1, 2, … at QoS 1, each when the one before is acknowledged, until stop()."""

    def __init__(self, test, node, topic):
        super().__init__(daemon=True)
        self.wire = test.wire(node, f"counts-{topic}")
        self.topic = topic
        self.sent = 0
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.is_set():
            self.wire.publish_and_wait(self.topic, b"%d" % self.sent)
            self.sent += 1
            time.sleep(0.005)

    def stop(self):
        self.is_over.set()
        self.join(30)
        assert not self.is_alive(), f"{self.sent} is not acknowledged"
        return self.sent


class ClusterRelay(CutTest):
    def next_text(self, wire, qos=0):
        kind, body = wire.receive()
        self.assertEqual(kind, PUBLISH)
        length = int.from_bytes(body[:2], "big")
        if qos:
            wire.send(packet(0x40, body[2 + length:4 + length]))
        return body[2 + length + (2 if qos else 0):].decode()

    def hear_again(self, first, second, cut_at):
        """How long after the cut a new message at QoS 0 is heard."""
        with self.wire(second, "hears") as ear, self.wire(first, "speaks") as mouth:
            ear.subscribe("news")  # other nodes hear of it when they can
            ear.socket.settimeout(0.05)
            while True:
                mouth.publish("news", b"x")
                try:
                    ear.receive()
                    return time.monotonic() - cut_at
                except TimeoutError:
                    self.assertLess(time.monotonic() - cut_at, 30)

    def check_relay(self, cut):
        first, second, third = self.machines(3)
        with self.wire(second, "ear1") as forth, self.wire(first, "ear2") as back, \
                self.wire(second, "ear3") as old_ear, self.wire(first, "mouth3") as mouth:
            forth.subscribe("forth", 1)
            back.subscribe("back", 1)
            old_ear.subscribe("old")
            counts = [Counting(self, first, "forth"), Counting(self, second, "back")]
            self.assertEqual(self.next_text(forth, 1), "0")
            self.assertEqual(self.next_text(back, 1), "0")
            cut()
            cut_at = time.monotonic()
            # Who subscribed before: heard as soon as the lane is there.
            old_ear.socket.settimeout(0.05)
            mouth_sent = 0
            while True:
                mouth.publish("old", b"%d" % mouth_sent)
                mouth_sent += 1
                try:
                    heard = int(self.next_text(old_ear))
                    if time.monotonic() - cut_at > 1 or heard > 5:
                        break
                except TimeoutError:
                    self.assertLess(time.monotonic() - cut_at, 30)
            old = time.monotonic() - cut_at
            # Who subscribes now: what they want must be told across the cut.
            new = self.hear_again(first, second, cut_at)
            self.publish(first, "lamps/1", ["on"], retain=True)
            self.publish(second, "lamps/2", ["on"], retain=True)
            lamps = {"lamps/1": "on", "lamps/2": "on"}
            for each in (first, second, third):
                wait_for("the lamps", lambda node=each: self.retained(node, "lamps/#") == lamps)
            self.assertGreater(self.metric(first, "grapevine_cluster_lanes_relayed"), 0)
            self.assertGreater(self.metric(second, "grapevine_cluster_lanes_relayed"), 0)
            self.assertGreater(self.metric(third, "grapevine_cluster_relay_streams"), 0)
            self.assertGreater(self.metric(third, "grapevine_cluster_relay_bytes_total"), 0)
            self.assertGreater(self.network.dropped(2), 0)
            self.network.heal(1, 2)
            healed_at = time.monotonic()
            for each, name in ((first, "lanes_relayed"), (second, "lanes_relayed"),
                               (third, "relay_streams")):
                wait_for("the direct way", lambda node=each, what=name: self.metric(
                    node, f"grapevine_cluster_{what}") == 0)
            direct = time.monotonic() - healed_at
            for counting, ear in zip(counts, (forth, back)):
                sent = counting.stop()
                self.assertEqual([self.next_text(ear, 1) for _ in range(1, sent)],
                                 [str(number) for number in range(1, sent)])
                ear.socket.settimeout(0.5)
                self.assertRaises(TimeoutError, ear.receive)
        for each in (first, second, third):
            self.assertNotIn("became=died", each.log())
        self.figures = {"old": old, "new": new, "direct": direct, "sent": sent}
        self.assertLess(max(old, new), HEARD_AGAIN_WITHIN_S, self.figures)
        self.assertLess(direct, DIRECT_AGAIN_WITHIN_S, self.figures)

    def test_a_link_cut_one_way_is_gone_round(self):
        self.check_relay(lambda: self.network.cut(1, 2))

    def test_a_link_cut_both_ways_is_gone_round(self):
        self.check_relay(lambda: self.network.cut_both_ways(1, 2))

    def test_another_neighbour_takes_the_place_of_one_that_dies(self):
        nodes = self.machines(4)
        first, second = nodes[:2]
        with self.wire(second, "ear1") as ear:
            ear.subscribe("forth", 1)
            counting = Counting(self, first, "forth")
            self.assertEqual(self.next_text(ear, 1), "0")
            self.network.cut_both_ways(1, 2)
            via = wait_for("another way", lambda: re.search(
                r"way_changed .*via=([0-9a-f]{16})", first.log()))[1]
            neighbour = next(each for each in nodes[2:] if each.name in re.search(
                rf"member_changed .*became=joined id={via} ", first.log())[0])
            wait_for("the lanes", lambda: self.metric(
                first, "grapevine_cluster_lanes_relayed") == self.lanes_to_a_node())
            neighbour.kill()
            killed_at = time.monotonic()
            self.assertLess(self.hear_again(first, second, killed_at), HEARD_AGAIN_WITHIN_S)
            sent = counting.stop()
            self.assertEqual([self.next_text(ear, 1) for _ in range(1, sent)],
                             [str(number) for number in range(1, sent)])
            for each in (first, second):
                for other in (first, second):
                    self.assertNotRegex(each.log(), rf"node={other.name} became=died")
