# SPDX-License-Identifier: Apache-2.0
"""Nodes that know each other by certificates, and what they say of those who are not believed."""

import re
import subprocess
import threading
import time

from tests.integration.broker import PROGRAM, wait_for
from tests.integration.certificates import Authority
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.cluster import ClusterTest, metrics
from tests.integration.wire import PUBACK, Wire

SEEN_S = 1.2  # until new certificates are in use everywhere


class TlsTest(ClusterTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, "authority")

    def install(self, folder, number, authority=None, cluster="test", days=2):
        """Certificate, key and authorities of that node, in that folder; replaces what is there."""
        authority = authority or self.authority
        certificate, key = authority.sign(f"node{number}", f"URI:grapevine://{cluster}/{number:016x}",
                                          days)
        folder.mkdir(exist_ok=True)
        for name, text in (("node.pem", certificate), ("node.key", key),
                           ("ca.pem", authority.certificate)):
            draft = folder / (name + ".new")
            draft.write_text(text.read_text())
            draft.rename(folder / name)
        return folder

    @staticmethod
    def flags(folder):
        return ["--cluster.tls_certificate", folder / "node.pem", "--cluster.tls_key",
                folder / "node.key", "--cluster.tls_ca", folder / "ca.pem"]

    def tls_node(self, number, *arguments, authority=None, cluster="test", days=2, **options):
        folder = self.install(self.folder / f"tls{number}", number, authority, cluster, days)
        made = self.node(f"node{number}", *self.flags(folder), *arguments, **options)
        made.tls = folder
        return made

    def tls_nodes(self, count):
        started = [self.tls_node(number + 1) for number in range(count)]
        self.wait_until_joined(*started)
        return started

    def stranger(self, number, *arguments, **how):
        """A node that finds nobody to be with."""
        made = self.tls_node(number, "--cluster.ready_within", "1s", *arguments, **how)
        self.wait_until_ready(made)
        return made

    def alarm(self, node, *words):
        """The one line about it, however often the two meet."""
        def lines():
            return [line for line in re.findall("^.* cluster_alarm .*$", node.log(), re.MULTILINE)
                    if all(word in line for word in words)]
        wait_for(f"an alarm of {node.name} with {words}", lines)
        self.assertEqual(len(lines()), 1, node.log())
        wait_for("it to be counted",
                 lambda: metrics(node)["grapevine_cluster_distrusted_total"] >= 1)

    def never_met(self, *nodes):
        for each in nodes:
            self.assertNotIn("member_changed", each.log())
            self.assertEqual(metrics(each)["grapevine_cluster_members_alive"], 0)


class ClusterTls(TlsTest):
    def test_three_nodes_are_one_broker(self):
        nodes = self.tls_nodes(3)
        for hearing in nodes:
            for speaking in nodes:
                with Wire(hearing.port).connect("ear").subscribe("t", 1) as ear:
                    publish(speaking.port, "t", "hello", "-q", "1")
                    self.assertTrue(ear.receive()[1].endswith(b"hello"))
        publish(nodes[0].port, "lamp", "on", "-r", "-q", "1")
        wait_for("the lamp", lambda: run_sub(nodes[2].port, "-t", "lamp", "-C", "1", "-W",
                                             "1").stdout == "on\n")
        for number, each in enumerate(nodes):
            each.wait_for_log_match(rf"cluster_listening .*node={number + 1:016x} .*security=tls")
            self.assertNotIn("cluster_alarm", each.log())
            self.assertGreater(metrics(each)["grapevine_cluster_certificate_expiry_seconds"], 1e9)

    def test_a_node_is_who_its_certificate_says_after_a_restart_too(self):
        first, second = self.tls_nodes(2)
        second.stop()
        again = self.node("node2", *self.flags(second.tls), before=second)
        self.wait_until_ready(again)
        again.wait_for_log_match("cluster_listening .*node=0000000000000002 start=2")
        first.wait_for_log_match("member_changed .*node=node2 became=refuted|"
                                 "member_changed .*node=node2 became=joined .*start=2")

    def test_a_node_without_a_store_is_who_its_certificate_says(self):
        here = self.tls_node(1)
        nothing_kept = ("--storage.enabled", "false")
        time.sleep(1 - time.time() % 1)  # both of its starts in one second, if they are quick
        passing = self.tls_node(2, *nothing_kept)
        self.wait_until_joined(here, passing)
        passing.stop()
        here.wait_for_log_match("member_changed .*node=node2 became=(left|died)")
        again = self.node("node2", *nothing_kept, *self.flags(passing.tls), before=passing)
        again.wait_for_log_match("cluster_listening .*node=0000000000000002")
        self.wait_until_joined(again)
        lives = [re.search(r"cluster_listening .* start=(\d+)", each.log())[1]
                 for each in (passing, again)]
        self.assertLess(int(lives[0]), int(lives[1]))
        ear = Subscriber(self, again.port, "-t", "t", "-q", "1")
        publish(here.port, "t", "hello", "-q", "1")
        self.assertEqual(ear.next(), "hello")

    def test_a_node_of_another_authority_is_refused_and_both_say_why(self):
        here = self.tls_node(1)
        stranger = self.stranger(2, authority=Authority(self.folder, "elsewhere"))
        self.alarm(stranger, f"address=127.0.0.1:{here.ports['cluster']}",
                   'the certificate of node \\"node1\\" (0000000000000001) of cluster \\"test\\" is '
                   'signed by \\"CN=authority\\", which is not an authority that this node has')
        self.alarm(here, 'address="it has called"',
                   'the certificate of node \\"node2\\" (0000000000000002) of cluster \\"test\\" is '
                   'signed by \\"CN=elsewhere\\", which is not an authority that this node has')
        self.never_met(here, stranger)
        # Who believes both is not believed for that.
        both = stranger.tls / "ca.pem"
        both.write_text(both.read_text() + self.authority.certificate.read_text())
        stranger.reload()
        self.alarm(stranger, f"address=127.0.0.1:{here.ports['cluster']}",
                   "closed the connection when it had seen the certificate of this node")
        self.never_met(here, stranger)

    def test_a_node_of_another_cluster_is_refused_and_both_say_why(self):
        here = self.tls_node(1)
        stranger = self.stranger(2, "--cluster.name", "other", cluster="other")
        self.alarm(stranger, f"address=127.0.0.1:{here.ports['cluster']}",
                   'the certificate is that of node \\"node1\\" (0000000000000001) of cluster '
                   '\\"test\\"; here is the cluster \\"other\\"')
        self.alarm(here, 'address="it has called"',
                   'the certificate is that of node \\"node2\\" (0000000000000002) of cluster '
                   '\\"other\\"; here is the cluster \\"test\\"')
        stranger.stop()
        self.seeds = [f"127.0.0.1:{stranger.ports['cluster']}"]
        again = self.node("node2", "--cluster.name", "other", *self.flags(stranger.tls),
                          before=stranger)
        third = self.stranger(3)
        self.alarm(third, f"address=127.0.0.1:{again.ports['cluster']}",
                   'of cluster \\"other\\"; here is the cluster \\"test\\"')
        self.never_met(here)

    def test_a_certificate_that_has_expired_is_refused_and_both_say_so(self):
        here = self.tls_node(1)
        late = self.stranger(2, days=-1)
        late.wait_for_log("has expired, on")
        late.wait_for_log("renew it: other nodes refuse it")
        self.alarm(here, 'address="it has called"',
                   'the certificate of node \\"node2\\" (0000000000000002) of cluster \\"test\\" has '
                   'expired, on ')
        self.alarm(late, f"address=127.0.0.1:{here.ports['cluster']}",
                   "closed the connection when it had seen the certificate of this node")
        self.never_met(here, late)
        # It takes part as soon as it has a new one.
        self.install(late.tls, 2)
        late.reload()
        late.wait_for_log("cluster_certificate_renewed")
        here.wait_for_log_match("member_changed .*node=node2 became=joined")

    def test_plain_text_and_tls_do_not_meet(self):
        here = self.tls_node(1)
        plain = self.node("plain", "--cluster.ready_within", "1s")
        self.wait_until_ready(plain)
        self.seeds = [f"127.0.0.1:{plain.ports['cluster']}"]
        other = self.stranger(2)
        self.alarm(other, f"address=127.0.0.1:{plain.ports['cluster']}",
                   "speaks plain text, and this node has a certificate")
        self.never_met(here, plain, other)

    def test_certificates_are_replaced_under_load(self):
        """All of them, and the authority: at first each node believes both."""
        nodes = self.tls_nodes(3)
        kept = ["-c", "-i", "kept", "-t", "load/#", "-q", "1"]
        ear = Subscriber(self, nodes[2].port, *kept)
        load = Load(nodes[0].port)
        self.addCleanup(load.stop)
        fresh = Authority(self.folder, "fresh")
        both = self.authority.certificate.read_text() + fresh.certificate.read_text()

        def reload_all():
            for each in nodes:
                each.reload()
                self.assertNotIn("reload_refused", each.log())
            time.sleep(SEEN_S)
        for each in nodes:
            (each.tls / "ca.pem").write_text(both)
        reload_all()
        for number, each in enumerate(nodes):
            self.install(each.tls, number + 1, fresh)
            (each.tls / "ca.pem").write_text(both)
        reload_all()
        for each in nodes:
            (each.tls / "ca.pem").write_text(fresh.certificate.read_text())
        reload_all()
        heard = ear.take(load.acknowledged)
        # Connections that are there stay; those of a node that starts are made anew.
        heard += ear.stop()
        nodes[2].stop()
        nodes[2] = self.node("node3", *self.flags(self.folder / "tls3"), before=nodes[2])
        self.wait_until_ready(nodes[2])
        ear = Subscriber(self, nodes[2].port, *kept)
        load.wait_for_more(100)
        sent = load.stop()
        while len(set(heard)) < sent:
            heard.append(ear.next())
        self.assertEqual(set(heard), {str(number) for number in range(sent)})
        for each in nodes:
            self.assertNotIn("distrusted", each.log())
        # Who shows the old one is not believed any more.
        late = self.stranger(4)
        self.alarm(late, "CN=fresh", "(0000000000000001)")
        self.never_met(late)

    def test_what_is_wrong_is_not_taken_by_a_reload(self):
        first, second = self.tls_nodes(2)
        (first.tls / "node.key").write_text("no key")
        first.reload()
        first.wait_for_log("holds no private key")
        self.install(first.tls, 7)
        first.reload()
        first.wait_for_log("is the certificate of node 0000000000000007, and this is node "
                           "0000000000000001")
        self.assertEqual(first.log().count("reload_refused"), 2)
        second.stop()
        again = self.node("node2", *self.flags(second.tls), before=second)
        self.wait_until_joined(again)
        ear = Subscriber(self, again.port, "-t", "t")
        publish(first.port, "t", "as before", "-q", "1")
        self.assertEqual(ear.next(), "as before")


class Load:
    """Publishes numbers to load/ at QoS 1, one after the other."""

    def __init__(self, port):
        self.acknowledged = 0
        self.is_over = False
        self.wire = Wire(port).connect("load")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over:
            self.wire.publish("load/t", str(self.acknowledged).encode(), qos=1)
            assert self.wire.receive()[0] == PUBACK
            self.acknowledged += 1

    def wait_for_more(self, count):
        until = self.acknowledged + count
        wait_for("more of the load", lambda: self.acknowledged >= until)

    def stop(self):
        """Returns how many were acknowledged."""
        self.is_over = True
        self.thread.join()
        self.wire.__exit__()
        return self.acknowledged


class Configuration(TlsTest):
    def refused(self, *arguments):
        done = subprocess.run(
            [PROGRAM, "-p", "0", "--admin.port", "0", "--cluster.port", "0",
             "--storage.folder", str(self.folder / "store"), *map(str, arguments)],
            capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_other_machines_need_certificates_or_a_word(self):
        named = ("--cluster.name", "test")
        for why in (self.refused(*named, "--cluster.bind", "0.0.0.0"),
                    self.refused(*named, "--cluster.bind", "0.0.0.0", "--check-config")):
            self.assertIn("--cluster.bind: cluster.bind: 0.0.0.0:0 is open to other machines, and "
                          "without certificates whoever reaches it could join; make certificates "
                          "(`grapevine cluster init`, and `grapevine cluster token` for each other "
                          "node), or set cluster.allow_plaintext = true in a network that nobody "
                          "else is in", why)
        why = self.refused(*named, "--cluster.seeds", "192.0.2.1:7883")
        self.assertIn("--cluster.seeds: cluster.seeds: 192.0.2.1:7883 is on another machine, and "
                      "without certificates nobody knows who listens there", why)
        self.broker(*named, "--cluster.port", "0", "--cluster.bind", "0.0.0.0",
                    "--cluster.allow_plaintext", "true")
        folder = self.install(self.folder / "tls", 1)
        self.broker(*named, "--cluster.port", "0", "--cluster.bind", "0.0.0.0", *self.flags(folder))

    def test_every_problem_of_a_certificate_is_told(self):
        folder = self.install(self.folder / "tls", 1)
        other = self.install(self.folder / "other", 2, Authority(self.folder, "elsewhere"))
        why = self.refused("--cluster.name", "test", *self.flags(folder), "--cluster.tls_key",
                           other / "node.key", "--cluster.tls_ca", other / "ca.pem")
        self.assertIn("other/node.key: is not the key of the certificate in", why)
        self.assertIn("is signed by \"CN=authority\", which is not an authority", why)
        why = self.refused("--cluster.name", "home", *self.flags(folder))
        self.assertIn('of cluster "test"; here is the cluster "home"', why)
        why = self.refused("--cluster.name", "test", "--cluster.tls_certificate",
                           folder / "node.pem")
        self.assertEqual(why.count("belong together"), 2)

    def test_the_store_of_another_node_is_refused(self):
        node = self.tls_node(1)
        node.stop()
        self.install(node.tls, 2)
        why = self.refused("--cluster.name", "test", *self.flags(node.tls), "--storage.folder",
                           node.store)
        self.assertIn("node.pem: is the certificate of node 0000000000000002, and this is node "
                      "0000000000000001", why)

    def test_the_cluster_has_its_name_from_the_certificate(self):
        folder = self.install(self.folder / "tls", 1)
        node = self.broker("--cluster.port", "0", *self.flags(folder))
        node.wait_for_log_match("cluster_listening cluster=test")
