# SPDX-License-Identifier: Apache-2.0
"""Nodes that find each other by names: SRV as Kubernetes has it for a headless service, and A."""

import time

from tests.integration.broker import wait_for
from tests.integration.cluster import ClusterTest
from tests.integration.cluster_operate_test import operate
from tests.integration.dns import A, NXDOMAIN, SERVFAIL, SRV, DnsServer, address, own_world, srv

SERVICE = "_cluster._tcp.grapevine.default.svc.cluster.local"


class Dns(ClusterTest):
    def setUp(self):
        super().setUp()
        why_not = own_world(self.folder)
        if why_not:
            self.skipTest(why_not)
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)

    def named(self, name, host, seed=SERVICE):
        """A node on an address of its own; ports differ, as DNS says."""
        self.seeds, before = [seed], self.seeds
        started = self.node(name, "--cluster.bind", host)
        self.seeds = before
        return started

    @staticmethod
    def row(node, host):
        return srv(host, node.ports["cluster"])

    def test_nodes_find_each_other_by_srv(self):
        self.dns.rows[SERVICE] = []
        first, second, third = (self.named(f"node{each}", f"127.0.0.{each}") for each in (1, 2, 3))
        for each in (1, 2, 3):
            self.dns.rows[f"node{each}.grapevine"] = [address(f"127.0.0.{each}")]
        self.dns.rows[SERVICE] = [self.row(node, f"node{at + 1}.grapevine")
                                  for at, node in enumerate((first, second, third))]
        self.wait_until_joined(first, second, third)
        first.wait_for_log_match(f"seed_found .*seed={SERVICE}")

    def test_all_addresses_of_all_targets_are_tried(self):
        """The first target is nobody's, the second has one address where nobody is and one where a
        node is."""
        first = self.named("node1", "127.0.0.1")
        self.dns.rows["nobody.grapevine"] = [address("127.0.0.9")]
        self.dns.rows["some.grapevine"] = [address("127.0.0.8"), address("127.0.0.1")]
        self.dns.rows[SERVICE] = [srv("nobody.grapevine", 7883),
                                  self.row(first, "some.grapevine")]
        second = self.named("node2", "127.0.0.2")
        self.wait_until_joined(first, second)

    def test_a_name_may_get_another_address(self):
        first = self.named("node1", "127.0.0.1")
        port = first.ports["cluster"]
        self.dns.rows["nodes.home"] = [address("127.0.0.9")]
        second = self.named("node2", "127.0.0.2", seed=f"nodes.home:{port}")
        wait_for("a lookup", lambda: ("nodes.home", A) in self.dns.asked)
        self.dns.rows["nodes.home"] = [address("127.0.0.1")]
        self.wait_until_joined(first, second)

    def test_what_is_wrong_is_told_once_and_tried_again(self):
        """No such name, a server that fails, no rows, a target without an address, silence."""
        node = self.named("node1", "127.0.0.1")
        self.wait_until_ready(node)
        for rows, words in ((NXDOMAIN, "DNS knows no such name"),
                            (SERVFAIL, "DNS does not answer, or is not able to"),
                            ([], "DNS knows no service of that name"),
                            ([srv(".", 7883)], "DNS knows no service of that name"),
                            ([srv("lost.grapevine", 7883)], "lost.grapevine: ")):
            self.dns.rows[SERVICE] = rows
            node.wait_for_log_match(f"seed_not_found .*seed={SERVICE} problem=.*{words}")
            before = len(self.dns.asked)
            wait_for("two more lookups", lambda: self.dns.asked[before:].count((SERVICE, SRV)) >= 2)
        told = [line for line in node.log().splitlines() if "seed_not_found" in line]
        self.assertEqual(len(told), 4, told)  # two of them are the same, one after the other
        other = self.named("node2", "127.0.0.2")
        self.dns.rows["other.grapevine"] = [address("127.0.0.2")]
        self.dns.rows[SERVICE] = [self.row(other, "other.grapevine")]
        self.wait_until_joined(node, other)

    def test_a_silent_server_holds_neither_the_start_nor_the_end(self):
        self.dns.rows[SERVICE] = None
        begun = time.monotonic()
        node = self.named("node1", "127.0.0.1")
        self.wait_until_ready(node)
        self.assertLess(time.monotonic() - begun, 12)
        status = operate("status", "--storage.folder", node.store)
        self.assertEqual(status.returncode, 0, status.stderr)
        begun = time.monotonic()
        self.assertEqual(node.stop(), 0)
        self.assertLess(time.monotonic() - begun, 20)  # resolv.conf alone would allow 25 s a name

    def test_an_operator_may_name_a_service(self):
        first = self.named("node1", "127.0.0.1", seed="127.0.0.1:1")
        second = self.named("node2", "127.0.0.2", seed="127.0.0.1:1")
        self.dns.rows["two.home"] = [address("127.0.0.2")]
        self.dns.rows[SERVICE] = [self.row(second, "two.home")]
        joined = operate("join", SERVICE, "--storage.folder", first.store)
        self.assertEqual(joined.returncode, 0, joined.stderr)
        self.assertIn(f"{SERVICE}: found node2", joined.stdout)
        self.wait_until_joined(first, second)
