# SPDX-License-Identifier: Apache-2.0
"""Two nodes that each have sessions of their own become one cluster: a person says what becomes of
the sessions of one of them."""

import json
import subprocess
import threading
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.clients import Subscriber, publish
from tests.integration.cluster import ClusterTest, metrics
from tests.integration.wire import Wire

SESSIONS = 15


class ClusterUnion(ClusterTest):
    def alone(self, name, *arguments, before=None):
        self.seeds = []
        started = self.node(name, *arguments, before=before)
        self.wait_until_ready(started)
        wait_for("a table", lambda: int(metrics(started)["grapevine_cluster_partitions"]) == 256)
        return started

    @staticmethod
    def command(node, *words):
        return subprocess.run([PROGRAM, "cluster", *map(str, words), "--storage.folder", node.store],
                              capture_output=True, text=True, timeout=200)

    def status(self, node):
        return json.loads(self.command(node, "status", "--json").stdout)

    @staticmethod
    def place(node):
        return f"127.0.0.1:{node.ports['cluster']}"

    def make_sessions(self, node, clients, size=0):
        """Each hears a topic of its own, and has a message there that names the node."""
        for client in clients:
            with Wire(node.port).connect(client, clean=False) as wire:
                wire.subscribe(f"own/{client}", qos=2)
        for client in clients:
            publish(node.port, f"own/{client}", f"{node.name} {client}".ljust(size, "."), "-q", "2")

    def expect(self, node, client, texts):
        """What waits for that client, and nothing else."""
        ear = Subscriber(self, node.port, "-c", "-i", client, "-t", f"own/{client}", "-q", "2")
        self.assertEqual(sorted(line.rstrip(".") for line in ear.take(len(texts))), sorted(texts))
        self.assertEqual(ear.stop(), [])

    def kept(self, *nodes):
        return sum(int(metrics(each)["grapevine_sessions_persistent"]) for each in nodes)

    def two(self, *arguments, size=0):
        """Each with sessions; one client has some on both."""
        first, second = self.alone("node1"), self.alone("node2", *arguments)
        self.at_first = [f"first-{number}" for number in range(SESSIONS)]
        self.at_second = [f"second-{number}" for number in range(SESSIONS)]
        self.make_sessions(first, [*self.at_first, "both"])
        self.make_sessions(second, [*self.at_second, "both"], size)
        time.sleep(2.5)  # each second a node looks whether it has some
        return first, second

    def rest(self, first, second, sessions):
        """Until each node has its share, and each session is there once."""
        self.spread((first, second))
        wait_for("all sessions once", lambda: self.kept(first, second) == sessions
                 and self.status(second)["misplaced_sessions"] == 0)

    def expect_all_once(self, first, second):
        self.rest(first, second, 2 * SESSIONS + 1)
        for number, client in enumerate(self.at_first):
            self.expect((first, second)[number % 2], client, [f"node1 {client}"])
        for number, client in enumerate(self.at_second):
            self.expect((first, second)[number % 2], client, [f"node2 {client}"])
        self.expect(first, "both", ["node1 both", "node2 both"])

    def test_two_sets_of_sessions_are_merged(self):
        first, second = self.two()
        done = self.command(second, "join", "--merge", self.place(first))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("found node1", done.stdout)
        self.assertIn(f"{SESSIONS + 1} sessions handed over", done.stdout)
        second.wait_for_log("sessions_united")
        self.expect_all_once(first, second)
        again = self.command(second, "join", "--merge")
        self.assertEqual(again.returncode, 1)
        self.assertIn("nothing to do", again.stderr)

    def test_who_refuses_another_table_tells_both_remedies(self):
        first, second = self.two()
        self.assertEqual(self.command(second, "join", self.place(first)).returncode, 0)
        wait_for("the log", lambda: "sessions_of_two_clusters" in first.log() + second.log())
        log = first.log() + second.log()
        for node in (first, second):
            wait_for("another table", lambda: any(each["another_table"]
                                                  for each in self.status(node)["members"]))
            text = self.command(node, "status").stdout
            for remedy in ("cluster join --merge", "cluster join --discard"):
                self.assertIn(remedy, text)
                self.assertIn(remedy, log)
        # The other way round as well: the older table goes.
        done = self.command(first, "join", "--merge")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_all_once(first, second)
        self.assertNotIn("join --merge", self.command(first, "status").stdout)

    def test_sessions_are_discarded_and_their_clients_come_again(self):
        first, second = self.two()
        with Wire(second.port).connect("second-0", clean=False):
            done = self.command(second, "join", "--discard", self.place(first))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"Discarding {SESSIONS + 1} kept sessions", done.stderr)
        self.assertIn(f"{SESSIONS + 1} sessions with ", done.stdout)
        self.assertIn(" discarded.", done.stdout)
        self.assertIn("sessions_discarded", second.log())
        self.rest(first, second, SESSIONS + 1)
        for node, client in ((first, "second-1"), (second, "second-2")):
            ear = Subscriber(self, node.port, "-c", "-i", client, "-t", f"own/{client}", "-q", "2")
            publish(first.port, f"own/{client}", "new", "-q", "2")
            self.assertEqual(ear.take(1), ["new"])
            self.assertEqual(ear.stop(), [])
        for number, client in enumerate([*self.at_first, "both"]):
            self.expect((first, second)[number % 2], client, [f"node1 {client}"])

    def test_nothing_is_discarded_without_another_table(self):
        only = self.alone("node1")
        self.make_sessions(only, ["c"])
        for what in ("--merge", "--discard"):
            done = self.command(only, "join", what)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no other node is there", done.stderr)
        self.expect(only, "c", ["node1 c"])

    def test_a_node_that_is_killed_while_its_sessions_go_goes_on_later(self):
        first, second = self.two("--sessions.handover_rate", "64KiB", size=20000)
        merge = threading.Thread(
            target=lambda: self.command(second, "join", "--merge", self.place(first)))
        merge.start()
        wait_for("the first to have gone", lambda: self.kept(second) < SESSIONS)
        status = self.status(second)
        there, = status["handovers"]
        self.assertEqual(there["name"], "node1")
        self.assertGreater(there["partitions_waiting"] + there["partitions_under_way"], 0)
        self.assertGreater(there["sessions_left"], 0)
        self.assertGreater(there["sessions_gone"], 0)
        self.assertGreater(there["bytes_gone"], 0)
        self.assertEqual(status["homes"], 256 * [there["node"]])
        self.assertIn("to node1: ", self.command(second, "status").stdout)
        second.kill()
        merge.join()
        again = self.node("node2", before=second)
        self.wait_until_ready(again)

        def is_whole():
            done = self.command(again, "join", "--merge", self.place(first))
            return done.returncode == 0 or "nothing to do" in done.stderr
        wait_for("the rest to have gone", is_whole)
        self.expect_all_once(first, again)

    def test_status_says_what_holds_sessions_up_and_they_go_on_by_themselves(self):
        first, second = self.two("--sessions.handover_rate", "64KiB", size=20000)
        outcome = []
        merge = threading.Thread(target=lambda: outcome.append(
            self.command(second, "join", "--merge", self.place(first))))
        merge.start()
        wait_for("the first to have gone", lambda: self.kept(second) < SESSIONS)
        first.kill()
        wait_for("the reason", lambda: "node1 (dead)" in self.status(second).get("held_up", ""))
        self.assertIn("held up: not all members are alive: node1 (dead)",
                      self.command(second, "status").stdout)
        first = self.node("node1", before=first)
        self.wait_until_ready(first)
        merge.join()
        self.assertEqual(outcome[0].returncode, 0, outcome[0].stderr)
        self.assertIn("sessions to be handed over", outcome[0].stderr)
        self.expect_all_once(first, second)
