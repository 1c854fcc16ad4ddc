# SPDX-License-Identifier: Apache-2.0
"""The last will."""

import os
import signal

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish
from tests.integration.wire import CONNACK, Wire, packet, text


def connect_with_delay(wire, delay_s, will):
    """A session of a minute with a will of its own delay, which mosquitto_sub cannot ask for."""
    wire.send(packet(0x10, text("MQTT") + bytes([5, 0x04 | 0x08]) + b"\0\0"
                     + b"\x05\x11\0\0\0\x3c" + text("delayed")
                     + b"\x05\x18" + delay_s.to_bytes(4, "big") + text("wills") + text(will)))
    kind, body = wire.receive()
    assert kind == CONNACK and body[1] == 0, body


class Will(BrokerTest):
    def mortal(self, port, *more):
        return Subscriber(self, port, "-t", "nothing", "-i", "mortal", "--will-topic", "wills",
                          "--will-payload", "he is gone", "--will-qos", "1", *more)

    def test_an_abrupt_end_publishes_it(self):
        port = self.broker().port
        heir = Subscriber(self, port, "-v", "-t", "wills")
        self.mortal(port).kill()
        self.assertEqual(heir.next(), "wills he is gone")

    def test_a_clean_end_does_not(self):
        port = self.broker().port
        heir = Subscriber(self, port, "-v", "-t", "wills")
        self.mortal(port).stop()
        publish(port, "wills", "nobody died", "-q", "1")
        self.assertEqual(heir.next(), "wills nobody died")

    def test_silence_beyond_the_keep_alive_publishes_it(self):
        port = self.broker().port
        heir = Subscriber(self, port, "-v", "-t", "wills")
        sleeper = self.mortal(port, "-k", "5")
        os.kill(sleeper.process.pid, signal.SIGSTOP)
        self.assertEqual(heir.next(), "wills he is gone")

    def test_a_retained_will_waits_for_heirs(self):
        broker = self.broker()
        self.mortal(broker.port, "--will-retain").kill()
        broker.wait_for_log("connection lost")
        heir = Subscriber(self, broker.port, "-t", "wills", "-F", "%r %p")
        self.assertEqual(heir.next(), "1 he is gone")

    def test_a_delayed_will_is_called_back_by_a_return(self):
        broker = self.broker()
        heir = Subscriber(self, broker.port, "-v", "-t", "wills", "-q", "1")
        with Wire(broker.port, 5) as first:
            connect_with_delay(first, 30, "the first")
        broker.wait_for_log("connection lost")
        with Wire(broker.port, 5) as second:
            connect_with_delay(second, 1, "the second")
        self.assertEqual(heir.next(), "wills the second")
        self.assertEqual(heir.stop(), [])
