# SPDX-License-Identifier: Apache-2.0
"""Who may come in, and what they may do."""

import subprocess

from paho.mqtt import client as mqtt

from tests.integration.broker import PROGRAM, BrokerTest
from tests.integration.clients import Subscriber, publish, run_pub
from tests.integration.paho_client import PahoClient

RULES = """\
topic read public/#

user alice
topic readwrite alice/#
topic deny alice/secret

pattern readwrite clients/%c/#
pattern read users/%u
"""


def log_in(user):
    return ["-u", user, "-P", user + "'s password"]


class Access(BrokerTest):
    def passwords(self):
        """alice by mosquitto_passwd, bob by grapevine passwd, in one file."""
        path = self.folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-c", "-b", path, "alice", "alice's password"],
                       check=True, capture_output=True)
        subprocess.run([PROGRAM, "passwd", "-b", path, "bob", "bob's password"], check=True)
        return path

    def guarded(self, *arguments):
        rules = self.write("acl", RULES)
        return self.broker("--auth.password_file", self.passwords(), "--auth.acl_file", rules,
                           *arguments)

    def refused(self, port, *arguments):
        done = run_pub(port, "-t", "t", "-m", "x", *arguments)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_passwords_of_both_tools(self):
        port = self.guarded().port
        for user in ("alice", "bob"):
            publish(port, "t", "x", *log_in(user))
            self.assertIn("bad user name or password",
                          self.refused(port, "-u", user, "-P", "wrong"))
            self.assertIn("Bad User Name or Password",
                          self.refused(port, "-u", user, "-P", "wrong", "-V", "mqttv5"))
            self.assertIn("refused", self.refused(port, "-u", user))
        self.assertIn("refused", self.refused(port, *log_in("mallory")))
        self.assertIn("refused", self.refused(port))

    def test_a_removed_user_is_out(self):
        broker = self.guarded()
        publish(broker.port, "t", "x", *log_in("bob"))
        subprocess.run([PROGRAM, "passwd", "-D", self.folder / "passwords", "bob"], check=True)
        broker.reload()
        self.refused(broker.port, *log_in("bob"))
        publish(broker.port, "t", "x", *log_in("alice"))

    def test_anonymous_clients_only_where_they_are_allowed(self):
        config = '[[listeners]]\nport = 0\nallow_anonymous = {}\n[auth]\npassword_file = "{}"\n'
        path = self.passwords()
        open_port = self.broker(config=config.format("true", path)).port
        publish(open_port, "t", "x")
        publish(open_port, "t", "x", *log_in("bob"))
        self.refused(open_port, "-u", "bob", "-P", "wrong")
        self.refused(self.broker(config=config.format("false", path)).port)

    def test_a_listener_for_others_needs_to_say_who_may_come(self):
        config = self.write("open.toml", '[[listeners]]\nbind = "0.0.0.0"\nport = 0\n')
        for flags in ([], ["--check-config"]):
            done = subprocess.run([PROGRAM, "-c", config, *flags], capture_output=True, text=True,
                                  timeout=20)
            self.assertEqual(done.returncode, 1)
            self.assertIn("open.toml:2: listeners.0.bind: 0.0.0.0:0 is open to other machines",
                          done.stderr)
            self.assertIn("set auth.password_file, or allow_anonymous = true", done.stderr)

    def test_what_is_denied_does_not_arrive(self):
        port = self.guarded().port
        reader = Subscriber(self, port, "-v", "-t", "#", "-q", "1", *log_in("alice"))
        for topic in ("bob/x", "alice/secret", "public/x", "alice/x"):
            publish(port, topic, "by alice", "-q", "1", *log_in("alice"))
        publish(port, "alice/y", "by bob", "-q", "1", *log_in("bob"))
        publish(port, "alice/z", "by alice", "-q", "1", *log_in("alice"))
        self.assertEqual(reader.take(2), ["alice/x by alice", "alice/z by alice"])

    def test_v5_is_told_what_is_denied(self):
        port = self.guarded().port
        done = run_pub(port, "-t", "bob/x", "-m", "x", "-q", "1", "-V", "mqttv5", "-d",
                       *log_in("alice"))
        self.assertIn("RC:135", done.stdout + done.stderr)
        self.assertIn("Not authorized", done.stderr)

    def test_patterns_know_client_and_user(self):
        port = self.guarded().port
        reader = Subscriber(self, port, "-v", "-t", "clients/#", "-q", "1", "-i", "same",
                            *log_in("bob"))
        publish(port, "clients/same/x", "by another", "-q", "1", "-i", "writer", *log_in("alice"))
        self.assertEqual(reader.stop(), [])
        own = PahoClient(self, port, client_id="own", login=("alice", "alice's password"))
        own.subscribe("clients/#", 1)
        own.publish("clients/own/x", "mine", 1)
        self.assertEqual(own.next().payload, b"mine")

    def test_a_denied_filter_is_refused(self):
        rules = self.write("acl", "topic readwrite #\ntopic deny secret/#\n")
        port = self.broker("--auth.acl_file", rules).port
        client = PahoClient(self, port, version=mqtt.MQTTv5)
        self.assertEqual(client.subscribe("secret/#", 1)[0].value, 0x87)
        self.assertEqual(PahoClient(self, port).subscribe("secret/#", 1), (0x80,))
        self.assertEqual(client.subscribe("open/#", 1)[0].value, 1)

    def test_reload_changes_rules_for_those_who_are_here(self):
        broker = self.guarded()
        reader = Subscriber(self, broker.port, "-v", "-t", "alice/#", "-q", "1", *log_in("alice"))
        publish(broker.port, "alice/x", "before", "-q", "1", *log_in("bob"))
        self.write("acl", RULES + "\nuser bob\ntopic write alice/#\n")
        subprocess.run([PROGRAM, "passwd", "-b", self.folder / "passwords", "carol",
                        "carol's password"], check=True)
        broker.reload()
        publish(broker.port, "alice/x", "after", "-q", "1", *log_in("bob"))
        publish(broker.port, "t", "x", *log_in("carol"))
        self.assertEqual(reader.next(), "alice/x after")
        self.write("acl", "user alice\ntopic deny alice/#\n")
        broker.reload()
        publish(broker.port, "alice/x", "hidden", "-q", "1", *log_in("bob"))
        self.assertEqual(reader.stop(), [])

    def test_a_wrong_file_changes_nothing_on_reload(self):
        broker = self.guarded()
        self.write("acl", "nonsense here\n")
        broker.reload()
        broker.wait_for_log("reload_refused")
        broker.wait_for_log("acl:1")
        reader = Subscriber(self, broker.port, "-t", "alice/#", "-q", "1", *log_in("alice"))
        publish(broker.port, "alice/x", "as before", "-q", "1", *log_in("alice"))
        self.assertEqual(reader.next(), "as before")

    def test_passwords_are_never_in_the_log(self):
        broker = self.guarded("--log.level", "trace")
        publish(broker.port, "alice/x", "the payload", "-q", "1", *log_in("alice"))
        self.refused(broker.port, "-u", "bob", "-P", "a wrong password")
        broker.wait_for_log("wrong password")
        for secret in ("alice's password", "a wrong password", "the payload"):
            self.assertNotIn(secret, broker.log())
