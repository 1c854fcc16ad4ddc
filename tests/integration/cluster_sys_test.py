# SPDX-License-Identifier: Apache-2.0
"""$SYS topics of a cluster: sums, and each node for itself."""

from tests.integration.broker import wait_for
from tests.integration.clients import publish, run_sub
from tests.integration.cluster import ClusterTest
from tests.integration.wire import Wire

QUICK = ("--node.sys_interval", "1s")


class Sys(ClusterTest):
    @staticmethod
    def topics(node, under="$SYS/broker/"):
        lines = run_sub(node.port, "-t", f"{under}#", "-v", "-W", "1").stdout.splitlines()
        found = {}
        for line in lines:  # "retained messages/count" has a blank in it
            topic, text = (line.rsplit(" ", 1) if not line.endswith(" seconds")
                           and "/version " not in line else line.split(" ", 1))
            found[topic.removeprefix(under)] = text
        return found

    def test_levels_are_sums_and_nodes_stand_for_themselves(self):
        nodes = self.nodes(3, *QUICK)
        for number, each in enumerate(nodes):
            for one in range(number + 1):
                client = self.enterContext(Wire(each.port).connect(f"client-{number}-{one}"))
                client.subscribe(f"some/{number}/{one}")
        publish(nodes[0].port, "kept", "x", "-r", "-q", "1")
        expected = {f"node/node{number + 1}/clients/connected": str(number + 1)
                    for number in range(3)}
        for each in nodes:
            # Whoever reads is a client himself, of the node that he reads.
            def is_right(node=each):
                found = self.topics(node)
                mine = f"node/{node.name}/clients/connected"
                return (all(found.get(topic) == text for topic, text in expected.items()
                            if topic != mine)
                        and found.get("clients/connected") in ("6", "7")
                        and found.get("subscriptions/count") in ("6", "7") and found)
            found = wait_for("the sums", is_right)
            self.assertEqual(found["version"], found["node/node2/version"])
            self.assertIn("seconds", found["node/node3/uptime"])
            self.assertGreater(int(found["heap/current"]),
                               2 * int(found["node/node1/heap/current"]) // 3)
            # The same everywhere, so no sum; what is each node's own is among them.
            self.assertEqual(found["retained messages/count"],
                             found[f"node/{each.name}/retained messages/count"])

    def test_who_dies_takes_its_clients_along_and_not_its_counters(self):
        first, second = self.nodes(2, *QUICK)
        with Wire(second.port).connect("mouth") as mouth:
            for number in range(50):
                mouth.publish("nobody/hears", b"x", qos=1, packet_id=number + 1)
                mouth.receive()
            before = wait_for("the sums", lambda: (
                int((found := self.topics(first)).get("publish/messages/received", 0)) >= 50
                and found.get("node/node2/clients/connected") == "1" and found))
        second.kill()
        after = wait_for("the death", lambda: (
            (found := self.topics(first)) and "node/node2/" not in "".join(found) and found))
        self.assertGreaterEqual(int(after["publish/messages/received"]),
                                int(before["publish/messages/received"]))
        self.assertLessEqual(int(after["clients/connected"]), 1)
        again = self.node("node2", *QUICK, before=second)
        self.wait_until_ready(again)
        back = wait_for("the return", lambda: (
            "node/node2/uptime" in (found := self.topics(first)) and found))
        self.assertGreaterEqual(int(back["publish/messages/received"]),
                                int(after["publish/messages/received"]))
        self.assertLess(int(back["node/node2/publish/messages/received"]), 50)

    def test_odd_names_are_escaped(self):
        first = self.node("shed/1", *QUICK)
        second = self.node("a+b#c", *QUICK)
        wait_for("both", lambda: {
            topic.split("/")[1] for topic in self.topics(first) if topic.startswith("node/")}
            == {"shed%2F1", "a%2Bb%23c"})
        self.wait_until_ready(second)

    def test_a_node_alone_has_no_topics_of_nodes(self):
        alone = self.broker(*QUICK)
        found = wait_for("topics", lambda: self.topics(alone))
        self.assertFalse([topic for topic in found if topic.startswith("node/")])
