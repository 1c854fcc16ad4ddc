# SPDX-License-Identifier: Apache-2.0
"""Nodes of this release and of a later one (tests/future) in one cluster, and what they say when
they cannot be. The later one speaks wire versions 1 and 2 unless told otherwise, and puts fields
into every message that this release does not know."""

import os
import re

from tests.integration.broker import wait_for
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.cluster import ClusterTest, metrics
from tests.integration.wire import Wire

FUTURE = os.environ["FUTURE_GRAPEVINE"]


class ClusterVersions(ClusterTest):
    def future(self, name, *arguments, wire="1-2", before=None):
        return self.node(name, *arguments, before=before, program=FUTURE,
                         environment={"FUTURE_WIRE": wire})

    def is_understood(self, *nodes):
        """No node complains of another, and none lost what it said."""
        for each in nodes:
            for word in ("cluster_alarm", "future_row_changed", "as_told=false", "malformed",
                         "INVALID"):
                self.assertNotIn(word, each.log())
            found = metrics(each)
            for name in ("membership_messages_malformed", "route_messages_refused",
                         "retained_messages_refused", "lane_faults", "refused"):
                self.assertEqual(found[f"grapevine_cluster_{name}_total"], 0, (each.name, name))

    def level(self, node):
        found = metrics(node)
        return tuple(found[f"grapevine_cluster_wire_{name}"]
                     for name in ("level", "lowest", "highest"))

    def exchange(self, *nodes, qualities=(1, 2, 0)):
        """Everything that nodes tell each other, from each to each."""
        for hearing in nodes:
            for speaking in nodes:
                if hearing is speaking:
                    continue
                for qos in qualities:
                    topic = f"from/{speaking.name}/to/{hearing.name}/{qos}"
                    ear = Subscriber(self, hearing.port, "-t", topic, "-q", qos)
                    publish(speaking.port, topic, "hello", "-q", str(qos))
                    self.assertEqual(ear.next(), "hello")
                    self.assertEqual(ear.stop(), [])
                publish(speaking.port, f"lamps/{speaking.name}", "on", "-r", "-q", "1")
                wait_for("the lamp", lambda: run_sub(
                    hearing.port, "-t", f"lamps/{speaking.name}", "-W", "1",
                    "-C", "1").stdout == "on\n")
                group = f"$share/group/jobs/{speaking.name}/{hearing.name}"
                with Wire(hearing.port).connect("member").subscribe(group) as member, \
                        Wire(speaking.port).connect("boss") as boss:
                    boss.publish(f"jobs/{speaking.name}/{hearing.name}", b"done", qos=1)
                    self.assertTrue(member.receive()[1].endswith(b"done"))

    def test_two_releases_are_one_cluster(self):
        today, later = self.node("today"), self.future("later")
        self.wait_until_joined(today, later)
        self.exchange(today, later)
        self.is_understood(today, later)
        for each in (today, later):
            self.assertEqual(self.level(each), (1, 1, 2))
        today.wait_for_log_match("cluster_wire_level .*active=1 lowest=1 highest=2")

    def test_who_comes_later_gets_all_routes_and_retained_messages(self):
        """By pages of routes and of retained messages, either way."""
        for kinds in ((self.node, self.future), (self.future, self.node)):
            self.seeds = []
            first = kinds[0]("first")
            with Wire(first.port).connect("fills") as wire:
                for number in range(100):
                    wire.publish(f"lamps/{number}", b"x" * 100, qos=1, retain=True)
                    wire.receive()
                for number in range(100):
                    wire.subscribe(f"ear/{number}/+")
                second = kinds[1]("second")
                self.wait_until_joined(first, second)
                found = run_sub(second.port, "-t", "lamps/+", "-F", "%l", "-C", "100").stdout
                self.assertEqual(found.split(), ["100"] * 100)
                publish(second.port, "ear/99/x", "heard", "-q", "1")
                self.assertTrue(wire.receive()[1].endswith(b"heard"))
            self.is_understood(first, second)

    def test_what_a_later_node_tells_of_itself_passes_through_one_of_today(self):
        """Through gossip and exchanges, and through the file of members: the later nodes never
        meet."""
        first, today = self.future("first"), self.node("today")
        self.wait_until_joined(first, today)
        first.kill()
        today.wait_for_log_match("member_changed .*node=first became=died")
        second = self.future("second", "--cluster.ready_within", "2s")
        second.wait_for_log_match("future_row .*node=first as_told=true")
        second.kill()
        today.stop()
        again = self.node("today", "--cluster.ready_within", "2s", before=today)
        third = self.future("third", "--cluster.ready_within", "2s")
        third.wait_for_log_match("future_row .*node=first as_told=true")
        third.wait_for_log_match("future_row .*node=second as_told=true")
        self.assertEqual(self.level(again), (1, 1, 2))
        for each in (first, second, third):
            self.assertNotIn("future_row_changed", each.log())

    def test_nodes_are_updated_one_by_one_and_one_goes_back(self):
        nodes = self.nodes(3)
        publish(nodes[0].port, "kept", "through all of it", "-r", "-q", "1")
        for number in range(3):
            nodes[number].stop()
            nodes[number] = self.future(nodes[number].name, before=nodes[number])
            self.wait_until_ready(nodes[number])
            expected = (1, 1, 2) if number < 2 else (2, 1, 2)
            for each in nodes:
                wait_for("the level", lambda node=each: self.level(node) == expected)
            # QoS 0 may be lost as long as not every lane to the new one is there.
            self.exchange(nodes[number], nodes[number - 1], qualities=(1, 2))
            self.assertEqual(run_sub(nodes[number].port, "-t", "kept", "-C", "1").stdout,
                             "through all of it\n")
        nodes[1].stop()
        nodes[1] = self.node("node2", before=nodes[1])
        self.wait_until_ready(nodes[1])
        for each in nodes:
            wait_for("the level", lambda node=each: self.level(node) == (1, 1, 2))
        self.exchange(nodes[1], nodes[2], qualities=(1, 2))
        nodes[0].wait_for_log_match("cluster_wire_level .*active=2 lowest=1 highest=2")
        for each in nodes:
            self.assertNotIn("future_row_changed", each.log())
            self.assertNotIn("as_told=false", each.log())

    def alarms(self, node):
        return re.findall("^.* cluster_alarm .*$", node.log(), re.MULTILINE)

    def expect_one_alarm(self, node, *words):
        """One line tells all, however often the two meet."""
        def refused():
            return metrics(node)["grapevine_cluster_refused_total"]
        wait_for("several refusals", lambda: refused() >= 4, seconds=60)
        lines = self.alarms(node)
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])

    def test_a_node_without_a_common_version_is_refused_and_both_say_what_to_do(self):
        today = self.node("today")
        later = self.future("later", "--cluster.ready_within", "1s", wire="2-3")
        self.wait_until_ready(later)
        address = f"address=127.0.0.1:{later.ports['cluster']}"
        self.expect_one_alarm(
            today, "alarm=refused_peer", "peer=later", address, 'ours="wire 1 to 1"',
            'theirs="wire 2 to 3"', "update this node first, to a release that speaks wire version 2")
        self.expect_one_alarm(
            later, "alarm=refused_by_peer", 'ours="wire 2 to 3"', 'theirs="wire 1 to 1"',
            "update the other node first, to a release that speaks wire version 2")
        self.assertEqual(self.level(today), (1, 1, 1))
        self.assertNotIn("member_changed", today.log() + later.log())

    def test_a_member_that_comes_back_too_new_is_refused_too(self):
        today, later = self.node("today"), self.future("later")
        self.wait_until_joined(today, later)
        later.stop()
        later = self.future("later", "--cluster.ready_within", "1s", before=later, wire="2-3")
        self.wait_until_ready(later)
        self.expect_one_alarm(today, "peer=later", 'theirs="wire 2 to 3"', "update this node first")
        self.expect_one_alarm(later, "peer=today", 'theirs="wire 1 to 1"',
                              "update the other node first")
        self.assertEqual(self.level(later), (3, 1, 3))

    def test_a_node_of_another_cluster_is_refused_and_both_say_what_to_do(self):
        here = self.node("here")
        stranger = self.node("stranger", "--cluster.name", "other", "--cluster.ready_within", "1s")
        self.wait_until_ready(stranger)
        self.expect_one_alarm(
            here, "alarm=refused_peer", "peer=stranger", 'ours="cluster test"',
            'theirs="cluster other"', "give both nodes the same cluster.name")
        self.expect_one_alarm(
            stranger, "alarm=refused_by_peer", 'ours="cluster other"', 'theirs="cluster test"',
            "give both nodes the same cluster.name")
