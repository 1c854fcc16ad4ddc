# SPDX-License-Identifier: Apache-2.0
"""Several brokers that are one cluster, each in a folder of its own, on 127.0.0.1."""

import re
import urllib.error
import urllib.request

from tests.integration.broker import BrokerTest, wait_for


def metrics(node):
    """Each by its name; labels of it are added up."""
    with urllib.request.urlopen(f"http://127.0.0.1:{node.ports['admin']}/metrics") as answer:
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
    def wait_until_ready(node):
        def is_ready():
            try:
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{node.ports['admin']}/readyz") as answer:
                    return answer.status == 200
            except urllib.error.HTTPError:
                return False
        wait_for(f"{node.name} to serve", is_ready)
