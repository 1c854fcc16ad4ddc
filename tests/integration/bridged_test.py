# SPDX-License-Identifier: Apache-2.0
"""A Mosquitto whose bridge connects here, as those in houses do."""

import unittest

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.mosquitto import PROGRAM, Mosquitto


@unittest.skipUnless(PROGRAM, "mosquitto is not installed")
class BridgedMosquitto(BrokerTest):
    def bridge(self):
        """Both ways, all topics. Returns both, connected."""
        here = self.broker()
        there = Mosquitto(self.folder, f"connection house\naddress 127.0.0.1:{here.port}\n"
                          "topic # both 1\nnotifications false\n")
        self.addCleanup(there.process.wait)
        self.addCleanup(there.process.terminate)
        here.wait_for_log(" subscribe ")
        return here, there

    def test_gets_nothing_back_that_it_sent(self):
        here, there = self.bridge()
        local = Subscriber(self, there.port, "-t", "t", "-q", "1")
        remote = Subscriber(self, here.port, "-t", "t", "-q", "1")
        for word in ("one", "two"):
            publish(there.port, "t", word, "-q", "1")
        publish(here.port, "t", "end", "-q", "1")
        self.assertEqual(remote.take(3), ["one", "two", "end"])
        self.assertEqual(local.take(3), ["one", "two", "end"])

    def test_keeps_what_is_retained(self):
        here, there = self.bridge()
        local = Subscriber(self, there.port, "-t", "r")
        publish(here.port, "r", "kept", "-q", "1", "-r")
        self.assertEqual(local.take(1), ["kept"])
        self.assertEqual(run_sub(there.port, "-t", "r", "-C", "1").stdout.strip(), "kept")
