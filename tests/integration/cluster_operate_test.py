# SPDX-License-Identifier: Apache-2.0
"""`grapevine cluster`: what an operator sees of a running cluster, and does to it."""

import json
import signal
import stat
import subprocess
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.cluster import ClusterTest
from tests.integration.wire import Wire

DONE, FAILED, MISUSED, NOT_FOUND = range(4)


def operate(*arguments):
    return subprocess.run([PROGRAM, "cluster", *(str(each) for each in arguments)],
                          capture_output=True, text=True, timeout=90, check=False)


class Operate(ClusterTest):
    def at(self, node, *arguments):
        """The command for that node, told where its store is as the broker was."""
        return operate(*arguments, "--storage.folder", node.store)

    def status(self, node):
        done = self.at(node, "status", "--json")
        self.assertIn(done.returncode, (DONE, FAILED), done.stderr)
        found = json.loads(done.stdout)
        found["exit"] = done.returncode
        found["by_name"] = {each["name"]: each for each in found["members"]}
        return found

    def wait_for_state(self, node, name, state):
        return wait_for(f"{name} to be {state}", lambda: (
            self.status(node)["by_name"].get(name, {}).get("state") == state
            and self.status(node)))

    def alone(self, name, *arguments):
        """A node without seeds that knows of nobody."""
        self.seeds, before = [], self.seeds
        started = self.node(name, *arguments)
        self.seeds = before
        self.wait_until_ready(started)
        return started

    @staticmethod
    def place(node):
        return f"127.0.0.1:{node.ports['cluster']}"

    # --- status

    def test_status_shows_all_members(self):
        first, second, third = self.nodes(3)
        with Wire(second.port).connect("ear") as ear:
            ear.subscribe("lamps/#")
            whole = wait_for("routes and links", lambda: (
                (found := self.status(first))["exit"] == DONE
                and found["by_name"]["node2"]["routes"] == 1
                and all(each["linked"] and each["lanes"]["linked"] == each["lanes"]["lanes"] == self.lanes_to_a_node()
                        and "round_trip_ms" in each and each.get("retained_differences") == 0
                        for each in found["members"] if not each["self"]) and found))
        self.assertEqual((whole["cluster"], whole["whole"], whole["ready"]), ("test", True, True))
        self.assertTrue(whole["routes_ready"] and whole["retained_ready"])
        self.assertEqual([each["name"] for each in whole["members"]], ["node1", "node2", "node3"])
        self.assertEqual([each["self"] for each in whole["members"]], [True, False, False])
        self.assertEqual(whole["by_name"]["node3"]["address"], self.place(third))
        self.assertLess(abs(whole["by_name"]["node3"]["clock_ahead_ms"]), 1000)
        self.assertLess(whole["by_name"]["node3"]["round_trip_ms"], 500)
        text = self.at(first, "status")
        self.assertEqual(text.returncode, DONE)
        self.assertTrue(text.stdout.startswith(
            "cluster test: 3 of 3 members alive, wire 1 to 1\nthis node: serving clients, "), text)
        self.assertIn(whole["by_name"]["node2"]["node"], text.stdout)

    def test_status_shows_who_is_dead_and_what_waits_for_it(self):
        first, second = self.nodes(2, "--sessions.follow_clients", "false")
        away = "away"
        run_sub(second.port, "-i", away, "-c", "-q", "1", "-t", "post", "-E")
        second.kill()
        found = self.wait_for_state(first, "node2", "dead")
        self.assertEqual((found["exit"], found["whole"]), (FAILED, False))
        publish(first.port, "post", "x" * 1000, "-q", "1")
        lanes = self.status(first)["by_name"]["node2"]["lanes"]
        self.assertEqual((lanes["state"], lanes["spool_messages"]), ("spooling", 1))
        self.assertGreater(lanes["spool_bytes"], 1000)
        self.assertIn("1 of 2 members alive", self.at(first, "status").stdout)

    def test_the_socket_is_for_the_user_of_the_broker_alone(self):
        node = self.alone("node1")
        path = node.store / "operate.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        node.kill()
        self.assertTrue(path.exists())
        self.assertEqual(self.at(node, "status").returncode, NOT_FOUND)
        again = self.node("node1", before=node)
        self.assertGreater(self.status(again)["by_name"]["node1"]["boot"], 1)
        again.stop()
        self.assertFalse(path.exists())
        self.assertEqual(sorted(each.name for each in node.store.glob("operate*")), [])

    def test_a_socket_in_a_deep_folder_works(self):
        deep = self.folder.joinpath(*["a-rather-long-name-of-a-folder"] * 6)
        deep.mkdir(parents=True)
        node = self.alone("node1", "--cluster.operator_socket", deep / "socket")
        self.assertEqual(operate("status", "--socket", deep / "socket").returncode, DONE)
        self.assertFalse((node.store / "operate.sock").exists())

    def test_a_node_without_a_store_has_a_socket_where_it_is_told(self):
        path = self.folder / "socket"
        self.alone("node1", "--storage.enabled", "false", "--cluster.operator_socket", path)
        self.assertEqual(operate("status", "--socket", path).returncode, DONE)
        found = operate("status", "--storage.enabled", "false", "--cluster.operator_socket", path)
        self.assertEqual(found.returncode, DONE, found.stderr)
        silent = operate("status", "--storage.enabled", "false")
        self.assertEqual(silent.returncode, MISUSED)
        self.assertIn("set cluster.operator_socket", silent.stderr)

    def test_two_brokers_do_not_share_a_socket(self):
        path = self.folder / "socket"
        self.alone("node1", "--cluster.operator_socket", path)
        with self.assertRaisesRegex(AssertionError, "another broker listens there"):
            self.alone("node2", "--cluster.operator_socket", path)
        self.assertEqual(operate("status", "--socket", path).returncode, DONE)

    def refused_start(self, *arguments):
        """What a broker says that cannot start, in good order."""
        folder = self.folder / "refused"
        ended = subprocess.run(
            [PROGRAM, "-p", "0", "--admin.port", "0", "--cluster.name", "test", "--cluster.port",
             "0", "--cluster.seeds", ",".join(self.seeds), "--shards.threads", "2",
             "--storage.folder", str(folder), *(str(each) for each in arguments)],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertNotIn("Sanitizer", ended.stderr)
        return ended.stderr

    def test_a_start_that_fails_half_way_ends_in_good_order(self):
        """Before the threads run, and when all of them do and another node talks to this one."""
        said = self.refused_start("--cluster.operator_socket", "/no/such/folder/socket")
        self.assertIn("/no/such/folder/socket", said)
        self.assertIn("cluster.operator_socket", said)
        self.node("node1")
        for _ in range(5):
            self.assertIn("node.pid_file",
                          self.refused_start("--node.pid_file", "/no/such/folder/pid"))

    def test_only_a_socket_is_replaced_by_the_socket(self):
        path = self.write("socket", "precious")
        self.assertIn("no socket", self.refused_start("--cluster.operator_socket", path))
        self.assertEqual(path.read_text(), "precious")

    def test_a_command_line_without_sense_is_refused(self):
        for arguments, words in ((["dance"], "neither status, join"), ([], "say what to do"),
                                 (["join"], "join takes"), (["join", "here"], "host:port"),
                                 (["forget"], "forget takes"), (["status", "--speed"], "--speed"),
                                 (["leave", "now"], "nothing behind it")):
            refused = operate(*arguments)
            self.assertEqual(refused.returncode, MISUSED, arguments)
            self.assertIn(words, refused.stderr)
        self.assertEqual(operate("--help").returncode, DONE)

    def test_no_broker_is_told_from_a_bad_one(self):
        for arguments in (["status", "--socket", self.folder / "nothing"],
                          ["leave", "--storage.folder", self.folder],
                          ["join", "127.0.0.1:1", "--socket", "/no/such/folder/socket"]):
            absent = operate(*arguments)
            self.assertEqual(absent.returncode, NOT_FOUND, absent.stderr)
            self.assertIn("run this on the machine of a running broker", absent.stderr)

    # --- join

    def test_join_works_at_once_and_outlives_restarts(self):
        first, second, third = (self.alone(f"node{each}") for each in (1, 2, 3))
        joined = self.at(first, "join", self.place(second), self.place(third))
        self.assertEqual(joined.returncode, DONE, joined.stderr)
        self.assertIn(f"found node2 ", joined.stdout)
        self.assertIn(f"found node3 ", joined.stdout)
        self.wait_until_joined(first, second, third)
        ear = Subscriber(self, third.port, "-t", "t")
        publish(second.port, "t", "hello")
        self.assertEqual(ear.next(), "hello")
        ear.stop()
        again = self.at(first, "join", self.place(second))
        self.assertIn("is there already: node2", again.stdout)
        for each in (first, second, third):
            each.stop()
        self.seeds = []
        back = []
        for each in (third, first):
            self.seeds = []  # nobody names anybody: they remember each other
            back.append(self.node(each.name, before=each))
        self.wait_until_joined(*back)

    def test_join_tells_why_nobody_was_found(self):
        node = self.alone("node1")
        silent = self.at(node, "join", "127.0.0.1:1")
        self.assertEqual(silent.returncode, FAILED)
        self.assertIn("127.0.0.1:1: nobody listens there; check that a node runs there",
                      silent.stderr)
        self.assertEqual(len(self.status(node)["members"]), 1)
        itself = self.at(node, "join", self.place(node))
        self.assertEqual(itself.returncode, FAILED)
        self.assertIn("that is this node itself", itself.stderr)
        mqtt = self.at(node, "join", f"127.0.0.1:{node.port}")
        self.assertEqual(mqtt.returncode, FAILED)
        self.assertIn(f"127.0.0.1:{node.port}: ", mqtt.stderr)
        unknown = self.at(node, "join", "no-such-name.invalid:7883")
        self.assertEqual(unknown.returncode, FAILED)
        self.assertIn("no-such-name.invalid", unknown.stderr)

    def test_join_of_another_cluster_names_both(self):
        node = self.alone("node1")
        other = self.alone("node2", "--cluster.name", "garden")
        refused = self.at(node, "join", self.place(other))
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn('there is the cluster "garden", here the cluster "test"; '
                      "give both the same cluster.name", refused.stderr)

    def test_join_by_a_name_finds_the_node_itself_behind_another_address(self):
        node = self.alone("node1", "--cluster.bind", "127.0.0.1")
        itself = self.at(node, "join", f"localhost:{node.ports['cluster']}")
        self.assertEqual(itself.returncode, FAILED)
        self.assertIn("that is this node itself", itself.stderr)

    # --- leave

    def test_who_leaves_is_no_member_any_more_and_does_not_come_back(self):
        first, second, third = self.nodes(3)
        with Wire(third.port).connect("ear") as ear:
            ear.subscribe("t")
            left = self.at(third, "leave")
            self.assertEqual(left.returncode, DONE, left.stderr)
        self.assertIn("node3 ", left.stdout)
        self.assertIn("has left the cluster test", left.stdout)
        self.assertEqual(third.process.wait(10), 0)
        for each in (first, second):
            found = wait_for("node3 to have left", lambda node=each: (
                (seen := self.status(node))["by_name"]["node3"]["state"] == "left" and seen))
            self.assertEqual((found["exit"], found["whole"]), (DONE, True))
            self.assertEqual(found["by_name"]["node3"]["routes"], 0)
        with self.assertRaisesRegex(AssertionError, 'has left the cluster "test" for good'):
            self.node("node3", before=third)
        (third.store / "cluster.left").unlink()
        again = self.node("node3", before=third)
        self.wait_for_state(first, "node3", "alive")
        self.assertEqual(self.status(again)["exit"], DONE)

    def test_a_node_with_kept_sessions_leaves_only_if_forced(self):
        first, second = self.nodes(2, "--sessions.follow_clients", "false")
        away = "away"
        run_sub(second.port, "-i", away, "-c", "-q", "1", "-t", "post", "-E")
        publish(first.port, "post", "for later", "-q", "1")
        wait_for("the message", lambda: self.status(second)["queued_messages"] == 1)
        refused = self.at(second, "leave")
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn("1 kept sessions with 1 queued messages", refused.stderr)
        self.assertIn("--force", refused.stderr)
        self.assertEqual(self.status(second)["exit"], DONE)
        forced = self.at(second, "leave", "--force")
        self.assertEqual(forced.returncode, DONE, forced.stderr)
        self.wait_for_state(first, "node2", "left")
        lines = subprocess.run([PROGRAM, "store", "export", "--folder", second.store],
                               capture_output=True, text=True, check=True).stdout
        self.assertIn(f'"client_id":"{away}"', lines)

    def test_a_node_that_is_alone_keeps_its_retained_messages_unless_forced(self):
        node = self.alone("node1")
        publish(node.port, "lamps/1", "on", "-r")
        refused = self.at(node, "leave")
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn("1 retained messages are on this node, and no other member is there",
                      refused.stderr)
        self.assertFalse((node.store / "cluster.left").exists())
        # It goes on as before.
        run_sub(node.port, "-i", "keeper", "-c", "-q", "1", "-t", "post", "-E")
        self.assertEqual(self.status(node)["kept_sessions"], 1)
        run_sub(node.port, "-i", "keeper", "-t", "post", "-E")
        self.assertEqual(run_sub(node.port, "-t", "lamps/1", "-C", "1").stdout, "on\n")
        forced = self.at(node, "leave", "--force")
        self.assertEqual(forced.returncode, DONE, forced.stderr)

    def test_a_node_leaves_once_another_has_its_retained_messages(self):
        first, second = self.nodes(2)
        second_id = self.status(second)["by_name"]["node2"]["node"]
        first.process.send_signal(signal.SIGSTOP)
        try:
            publish(second.port, "lamps/1", "on", "-r")
            refused = self.at(second, "leave")
        finally:
            first.process.send_signal(signal.SIGCONT)
        self.assertEqual(refused.returncode, FAILED, refused.stdout)
        self.assertIn("1 retained messages", refused.stderr)
        self.assertEqual(self.status(second)["by_name"]["node2"]["node"], second_id)
        left = wait_for("node2 to leave", lambda: (
            (done := self.at(second, "leave")).returncode == DONE and done))
        self.assertIn("has left the cluster test", left.stdout)
        self.assertEqual(run_sub(first.port, "-t", "lamps/1", "-C", "1").stdout, "on\n")

    def test_a_node_that_is_stopped_before_it_has_left_remains_a_member(self):
        first, second = self.nodes(2)
        first.process.send_signal(signal.SIGSTOP)
        try:
            publish(second.port, "lamps/1", "on", "-r")
            leaving = subprocess.Popen(
                [PROGRAM, "cluster", "leave", "--storage.folder", second.store],
                stderr=subprocess.PIPE, text=True)
            time.sleep(1)  # it waits for node1, which says nothing
            self.assertIsNone(leaving.poll())
            self.assertEqual(second.stop(), 0)
            _, said = leaving.communicate(timeout=30)
        finally:
            first.process.send_signal(signal.SIGCONT)
        self.assertEqual(leaving.returncode, FAILED)
        self.assertIn("this node is being stopped, and remains a member", said)
        self.assertFalse((second.store / "cluster.left").exists())
        again = self.node("node2", before=second)
        self.wait_for_state(first, "node2", "alive")
        self.assertEqual(self.status(again)["exit"], DONE)

    def test_a_node_without_a_store_leaves(self):
        first = self.node("node1")
        path = self.folder / "socket"
        second = self.node("node2", "--storage.enabled", "false", "--cluster.operator_socket", path)
        self.wait_until_joined(first, second)
        left = operate("leave", "--socket", path)
        self.assertEqual(left.returncode, DONE, left.stderr)
        self.wait_for_state(first, "node2", "left")

    # --- forget

    def test_forget_removes_a_dead_member_everywhere(self):
        first, second, third = nodes = self.nodes(3)
        run_sub(third.port, "-i", self.client_of(third, nodes), "-c", "-q", "1", "-t", "post", "-E")
        third.kill()
        for each in (first, second):
            self.wait_for_state(each, "node3", "dead")
            publish(each.port, "post", "never read", "-q", "1")
            self.assertEqual(
                self.status(each)["by_name"]["node3"]["lanes"]["spool_messages"], 1)
        done = self.at(first, "forget", "node3")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("node3 ", done.stdout)
        for each in (first, second):
            wait_for("node3 to be gone", lambda node=each: (
                "node3" not in self.status(node)["by_name"]))
            self.assertEqual(self.status(each)["exit"], DONE)
        self.assertIn("was forgotten already", self.at(second, "forget", "node3").stdout)
        # Not even a restart brings it back to mind, nor what was kept for it.
        second.stop()
        again = self.node("node2", before=second)
        self.wait_until_joined(first, again)
        self.assertEqual([*self.status(again)["by_name"]], ["node2", "node1"])
        publish(again.port, "post", "nobody wants it", "-q", "1")

    def test_forget_refuses_who_is_there(self):
        first, second = self.nodes(2)
        ids = {name: each["node"] for name, each in self.status(first)["by_name"].items()}
        for which, words in (("node2", "is alive"), (ids["node2"], "is alive"),
                             ("node1", "this node itself"), (ids["node1"], "this node itself"),
                             ("node9", "no member has this name")):
            refused = self.at(first, "forget", which)
            self.assertEqual(refused.returncode, FAILED)
            self.assertIn(words, refused.stderr)
        self.assertEqual(self.status(second)["exit"], DONE)

    def test_forget_works_for_who_is_remembered_only(self):
        """Right after a start, while that node is waited for."""
        first, second = self.nodes(2)
        first.stop()
        second.process.send_signal(signal.SIGSTOP)
        try:
            self.seeds = []
            again = self.node("node1", "--cluster.ready_within", "10min", before=first)
            found = self.status(again)
            self.assertEqual((found["by_name"]["node2"]["state"], found["ready"]),
                             ("remembered", False))
            done = self.at(again, "forget", "node2")
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertEqual([*self.status(again)["by_name"]], ["node1"])
            self.wait_until_ready(again)
        finally:
            second.process.send_signal(signal.SIGCONT)

    def test_who_is_remembered_and_there_is_not_forgotten(self):
        first, second = self.nodes(2)
        first.stop()
        self.seeds = []
        again = self.node("node1", before=first)
        refused = self.at(again, "forget", "node2")
        self.assertEqual(refused.returncode, FAILED, refused.stdout)
        self.assertIn("is alive", refused.stderr)
        self.wait_until_ready(again)
        self.assertEqual(self.status(second)["exit"], DONE)
        self.assertNotIn("forgotten_by_the_cluster", second.log())

    def test_forget_means_the_dead_one_of_two_of_a_name(self):
        first, second = self.nodes(2)
        lost = self.status(first)["by_name"]["node2"]["node"]
        second.kill()
        self.wait_for_state(first, "node2", "dead")
        fresh = self.node("node2")  # the machine with a new disk
        wait_for("the new one", lambda: len(self.status(first)["members"]) == 3)
        self.wait_until_ready(fresh)
        done = self.at(first, "forget", "node2")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(lost, done.stdout)
        self.assertEqual(self.status(first)["by_name"]["node2"]["state"], "alive")
        self.assertNotEqual(self.status(first)["by_name"]["node2"]["node"], lost)

