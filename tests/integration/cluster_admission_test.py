# SPDX-License-Identifier: Apache-2.0
"""A cluster from nothing: `grapevine cluster init`, tokens, and who may not come in."""

import os
import re
import stat
import subprocess
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.clients import Subscriber, publish
from tests.integration.cluster import ClusterTest

DONE, FAILED, MISUSED = range(3)


def command(*arguments):
    return subprocess.run([PROGRAM, "cluster", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)


class Admission(ClusterTest):
    def store(self, name):
        return self.folder / name

    def at(self, name, *arguments):
        return command(*arguments, "--node.name", name, "--storage.folder", self.store(name))

    def init(self, name="node1"):
        done = self.at(name, "init", "test")
        self.assertEqual(done.returncode, DONE, done.stderr)
        return done.stdout

    def start(self, name, *arguments, environment=None):
        """With nothing configured about the cluster but the port."""
        started = self.broker("--node.name", name, "--cluster.port", "0", "--storage.folder",
                              self.store(name), *arguments, environment=environment)
        started.name, started.store = name, self.store(name)
        return started

    def token(self, by, *arguments):
        done = self.at(by.name, "token", "--address", f"127.0.0.1:{by.ports['cluster']}", *arguments)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertRegex(done.stdout, r"^GV1\.\S+\n$")
        self.assertIn("grapevine cluster join --token", done.stderr)
        return done.stdout.strip()

    def join(self, name, token):
        return self.at(name, "join", "--token", token)

    def speak(self, hearing, speaking):
        ear = Subscriber(self, hearing.port, "-t", "t", "-q", "1")
        publish(speaking.port, "t", "hello", "-q", "1")
        self.assertEqual(ear.next(), "hello")
        self.assertEqual(ear.stop(), [])

    def test_a_cluster_from_nothing(self):
        said = self.init()
        self.assertRegex(said, r'Node "node1" \([0-9a-f]{16}\) is the first node of the cluster "test"')
        folder = self.store("node1") / "cluster.tls"
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        self.assertEqual({each.name for each in folder.iterdir()},
                         {"ca.key", "ca.pem", "node.key", "node.pem"})
        for each in folder.iterdir():
            self.assertEqual(stat.S_IMODE(os.stat(each).st_mode), 0o600)
        first = self.start("node1")
        first.wait_for_log_match("cluster_listening .*cluster=test .*security=tls")
        self.assertIn(re.search(r"\(([0-9a-f]{16})\)", said)[1], first.log())
        for name in ("node2", "node3"):
            done = self.join(name, self.token(first))
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertIn('may join the cluster "test"', done.stdout)
        first.wait_for_log_match("node_admitted .*node=node2")
        second, third = self.start("node2"), self.start("node3")
        self.wait_until_joined(first, second, third)
        self.speak(third, second)
        self.speak(first, third)
        # The tokens are of no use any more, and the nodes come back without.
        second.stop()
        again = self.start("node2")
        again.wait_for_log_match("member_changed .*node=node1 became=(joined|refuted)")
        self.wait_until_ready(again)
        self.speak(again, first)

    def test_a_token_is_good_once_and_outlives_a_restart_of_who_made_it(self):
        self.init()
        first = self.start("node1")
        token = self.token(first)
        port = first.ports["cluster"]
        first.stop()
        first = self.start("node1", "--cluster.port", port)
        self.assertEqual(self.join("node2", token).returncode, DONE)
        done = self.join("node3", token)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("the token was used already; get another one: `grapevine cluster token`",
                      done.stderr)
        self.assertFalse((self.store("node3") / "cluster.tls" / "node.pem").exists())
        first.wait_for_log("token_used_again")

    def test_a_token_that_is_over_or_of_another_is_refused(self):
        self.init()
        first = self.start("node1")
        token = self.token(first, "--for", "1s")
        time.sleep(2.1)
        done = self.join("node2", token)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("the node there does not take the token: it was used, is over, or was never of "
                      "that node", done.stderr)
        first.wait_for_log("alarm=distrusted")
        # Whoever listens at that address must be of the cluster that made the token.
        self.init("other1")
        other = self.start("other1")
        parts = self.token(first).split(".", 5)
        parts[5] = f"127.0.0.1:{other.ports['cluster']}"
        done = self.join("node2", ".".join(parts))
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("the node there is not one of the cluster that the token is of", done.stderr)
        guessed = self.token(first).split(".", 5)
        guessed[2] = "0" * 32
        self.assertEqual(self.join("node2", ".".join(guessed)).returncode, FAILED)
        for wrong in ("hello", token[:40]):
            self.assertIn("the token: is not a", self.join("node2", wrong).stderr)

    def test_nobody_there_is_told(self):
        self.init()
        first = self.start("node1")
        token = self.token(first)
        first.stop()
        done = self.join("node2", token)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("no node answers there", done.stderr)

    def test_a_token_in_the_environment_is_enough(self):
        self.init()
        first = self.start("node1")
        token = self.token(first)
        second = self.start("node2", environment={"GRAPEVINE_CLUSTER__JOIN_TOKEN": token})
        self.wait_until_joined(first, second)
        self.speak(first, second)
        second.stop()
        again = self.start("node2", environment={"GRAPEVINE_CLUSTER__JOIN_TOKEN": token})
        self.wait_until_ready(again)
        self.assertNotIn(token, again.log())
        self.speak(first, again)

    def test_a_node_with_a_store_keeps_its_id(self):
        """Who has run alone, or in plain text, is the same node with a certificate."""
        first = self.start("node1", "--cluster.name", "test")
        first.wait_for_log("cluster_listening")
        number = re.search(r"cluster_listening .*node=([0-9a-f]{16})", first.log())[1]
        done = self.at("node1", "init", "test")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("another process uses this store; stop the other broker", done.stderr)
        first.stop()
        self.assertIn(f"({number})", self.init())
        first = self.start("node1", "--cluster.name", "test")
        first.wait_for_log_match(f"cluster_listening .*node={number} .*security=tls")

    def test_what_is_there_is_not_overwritten(self):
        self.init()
        for arguments in (("init",), ("init", "test")):
            done = self.at("node1", *arguments)
            self.assertEqual(done.returncode, FAILED)
            self.assertIn("is there already: this node has been set up", done.stderr)
        done = self.at("node2", "init")
        self.assertIn("cluster.name: the cluster has no name", done.stderr)
        done = self.at("node2", "token")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("ca.key: cannot be read", done.stderr)

    def test_a_certificate_is_renewed_while_the_node_runs(self):
        self.init()
        first = self.start("node1")
        self.assertEqual(self.join("node2", self.token(first)).returncode, DONE)
        second = self.start("node2")
        self.wait_until_joined(first, second)
        time.sleep(1.1)  # dates are whole seconds
        done = self.at("node1", "renew")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertEqual(self.join("node2", self.token(first)).returncode, DONE)
        for each in (first, second):
            each.reload()
            each.wait_for_log("cluster_certificate_renewed")
            self.assertNotIn("reload_refused", each.log())
        self.speak(first, second)
        second.stop()
        again = self.start("node2")
        wait_for("the first", lambda: "member_changed" in again.log())
        self.speak(first, again)
