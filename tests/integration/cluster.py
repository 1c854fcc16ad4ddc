# SPDX-License-Identifier: Apache-2.0
"""Several brokers that are one cluster, each in a folder of its own, on 127.0.0.1."""

import re
import urllib.error
import urllib.request

from tests.integration.broker import BrokerTest, wait_for
from tests.integration.wire import Wire


def host_of(node):
    return getattr(node, "address", "127.0.0.1")


def metrics(node):
    """Each by its name; labels of it are added up."""
    with urllib.request.urlopen(f"http://{host_of(node)}:{node.ports['admin']}/metrics") as answer:
        text = answer.read().decode()
    found = {}
    for name, value in re.findall(r"^([a-z_]+)(?:\{.*\})? (\S+)$", text, re.MULTILINE):
        found[name] = found.get(name, 0) + float(value)
    return found


class ClusterTest(BrokerTest):
    def setUp(self):
        super().setUp()
        self.seeds = []

    def node(self, name, *arguments, before=None, **options):
        """A node, or that of `before` again, with its store and its ports."""
        places = ["--cluster.port", "0"]
        if before is not None:
            places = ["--cluster.port", before.ports["cluster"], "-p", before.port,
                      "--storage.folder", before.store]
        started = self.broker(
            "--node.name", name, "--cluster.name", "test", "--shards.threads", "2",
            "--cluster.seeds", ",".join(self.seeds), *places, *arguments,
            config=None if before is None else "", **options)
        started.name = name
        started.store = started.folder / "store" if before is None else before.store
        self.seeds.append(f"127.0.0.1:{started.ports['cluster']}")
        return started

    def lanes_to_a_node(self):
        """Each of two shards has one for messages and one for what fronts and homes say."""
        return 4

    def nodes(self, count, *arguments):
        started = [self.node(f"node{number + 1}", *arguments) for number in range(count)]
        self.wait_until_joined(*started)
        return started

    def wait_until_joined(self, *nodes):
        """Each knows of all others that they are there, and serves."""
        for each in nodes:
            for other in nodes:
                if other is not each:
                    each.wait_for_log_match(rf"member_changed .*node={other.name} became=(joined|refuted)")
            self.wait_until_ready(each)

    @staticmethod
    def spread(nodes):
        """Until each node is home of its share of the sessions."""
        least = 256 // len(nodes) // 2

        def is_spread():
            homes = [int(metrics(each)["grapevine_cluster_partitions"]) for each in nodes]
            return sum(homes) == 256 and min(homes) >= least
        wait_for("partitions on all nodes", is_spread)

    def client_of(self, home, nodes):
        """A client identifier whose sessions live on that node, once all are home of their shares.
        None of it is left there."""
        self.clients_tried = getattr(self, "clients_tried", 0)
        self.spread(nodes)

        def sessions():
            return {each.name: metrics(each)["grapevine_sessions_persistent"] for each in nodes}
        while True:
            self.clients_tried += 1
            client = f"client-{self.clients_tried}"
            before = sessions()
            with Wire(home.port, host=host_of(home)).connect(client, clean=False):
                grown = wait_for("the session", lambda: {
                    name for name, count in sessions().items() if count > before[name]})
            with Wire(home.port, host=host_of(home)).connect(client):
                pass
            wait_for("the session to end", lambda: sessions() == before)
            if grown == {home.name}:
                return client

    @staticmethod
    def wait_until_ready(node):
        def is_ready():
            try:
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{node.ports['admin']}/readyz") as answer:
                    return answer.status == 200
            except urllib.error.HTTPError:
                return False
        wait_for(f"{node.name} to serve", is_ready)
