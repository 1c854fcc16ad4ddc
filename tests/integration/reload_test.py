# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: each listener keeps its own rules, and nothing changes that needs a restart."""

import subprocess

from tests.integration.broker import BrokerTest
from tests.integration.certificates import Authority
from tests.integration.clients import publish, run_pub
from tests.integration.observe_test import metric
from tests.integration.wire import Wire

CLOSED = '[[listeners]]\nname = "closed"\nbind = "127.0.0.2"\nport = 0\nallow_anonymous = false\n'
OPEN = '[[listeners]]\nname = "open"\nport = 0\nallow_anonymous = true\n'


class Reload(BrokerTest):
    def passwords(self):
        path = self.folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-c", "-b", path, "alice", "secret"], check=True,
                       capture_output=True)
        return f'[auth]\npassword_file = "{path}"\n'

    def reload(self, broker, config):
        broker.config_file.write_text(config)
        broker.reload()

    def is_let_in(self, broker, listener, host="127.0.0.1", *arguments):
        done = subprocess.run(["mosquitto_pub", "-h", host, "-p", str(broker.ports[listener]),
                               "-t", "t", "-m", "x", "-q", "1", *arguments], timeout=30,
                              capture_output=True)
        return done.returncode == 0

    def test_a_removed_listener_does_not_get_the_rules_of_another(self):
        auth = self.passwords()
        broker = self.broker(config=CLOSED + OPEN + auth)
        for config in (OPEN + auth, OPEN + CLOSED + auth, OPEN):
            self.reload(broker, config)
            self.assertTrue(self.is_let_in(broker, "open"))
            self.assertFalse(self.is_let_in(broker, "closed", "127.0.0.2"), config)
            self.assertTrue(self.is_let_in(broker, "closed", "127.0.0.2", "-u", "alice", "-P",
                                           "secret"), config)
        self.assertEqual(broker.log().count("listener_kept listener=closed"), 2)

    def test_a_listener_that_moves_to_loopback_stays_closed_until_then(self):
        config = '[[listeners]]\nname = "one"\nport = 0\nbind = "{}"\n'
        broker = self.broker(config=config.format("0.0.0.0") + self.passwords())
        self.assertFalse(self.is_let_in(broker, "one"))
        self.reload(broker, config.format("127.0.0.1"))
        self.assertFalse(self.is_let_in(broker, "one"))
        broker.wait_for_log("listener_kept listener=one")

    def test_what_needs_a_restart_waits_and_is_told_once(self):
        config = '[[listeners]]\nport = 0\n[storage]\ndurability = "{}"\n'
        broker = self.broker(config=config.format("fsync"))
        for _ in range(2):
            self.reload(broker, config.format("memory"))
            publish(broker.port, "t", "x", "-q", "1")
        accepted = "grapevine_publishes_accepted_total"
        self.assertEqual(metric(broker, accepted, durability="fsync"), 2)
        self.reload(broker, config.format("fsync"))
        self.assertEqual(broker.log().count("option=storage.durability"), 1)

    def test_the_transport_of_a_listener_is_what_it_was_opened_with(self):
        config = '[[listeners]]\nport = 0\ntransport = "{}"\n'
        broker = self.broker(config=config.format("tcp"))
        self.reload(broker, config.format("websocket"))
        broker.wait_for_log_match("option=listeners.0.transport .*after a restart")
        publish(broker.port, "t", "x", "-q", "1")

    def test_those_who_are_here_still_count(self):
        config = '[[listeners]]\nport = 0\nconnections_max = 1\n[mqtt]\nqos_max = {}\n'
        broker = self.broker(config=config.format(2))
        with Wire(broker.port).connect("first"):
            self.reload(broker, config.format(1))
            self.assertNotEqual(run_pub(broker.port, "-t", "t", "-m", "x").returncode, 0)

    def test_nothing_changes_if_a_certificate_is_wrong(self):
        authority = Authority(self.folder, "authority")
        certificate, key = authority.sign("localhost")
        other_key = authority.sign("other")[1]
        config = ('[[listeners]]\nport = 0\ntls_certificate = "{}"\ntls_key = "{}"\n'
                  '[mqtt]\nqos_max = {}\n')
        broker = self.broker(config=config.format(certificate, key, 2))
        # A listener that only a restart would open counts as well.
        added = (f'[[listeners]]\nport = 8999\ntls_certificate = "{certificate}"\n'
                 f'tls_key = "{other_key}"\n')
        for wrong in (config.format(certificate, other_key, 1), config.format(certificate, key, 1)
                      + added):
            before = len(broker.log())
            self.reload(broker, wrong)
            log = broker.log()[before:]
            self.assertRegex(log, "error configuration place=.*other.key problem=.*is not the key")
            self.assertIn("reload_refused", log)
            for word in ("option_changed", " reloaded"):
                self.assertNotIn(word, log)
            publish(broker.port, "t", "x", "-q", "2", "-V", "mqttv5", "--cafile",
                    authority.certificate)

    def test_nothing_changes_if_the_log_cannot_be_opened(self):
        config = '[[listeners]]\nport = 0\n[log]\ndestination = "{}"\n[mqtt]\nqos_max = {}\n'
        broker = self.broker(config=config.format("stderr", 2))
        self.reload(broker, config.format(self.folder, 1))
        broker.wait_for_log("is a folder")
        broker.wait_for_log("reload_refused")
        self.assertNotIn("option_changed", broker.log())
        publish(broker.port, "t", "x", "-q", "2", "-V", "mqttv5")
