# SPDX-License-Identifier: Apache-2.0
"""Nodes whose network is cut while they live."""

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
        self.kept_session(first, "kept1", "to/first")
        self.kept_session(second, "kept2", "to/second")
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
            self.assertEqual(self.collect(second, "kept2", 100), texts)
            self.assertEqual(self.collect(first, "kept1", 100), texts)
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
