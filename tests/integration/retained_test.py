# SPDX-License-Identifier: Apache-2.0
"""Retained messages."""

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish, run_pub, run_sub
from tests.integration.wire import Wire

MANY = 200_000


class Retained(BrokerTest):
    def test_a_new_subscriber_learns_the_last_value(self):
        port = self.broker().port
        publish(port, "home/lamp", "off", "-r")
        publish(port, "home/lamp", "on", "-r")
        publish(port, "home/lamp", "not kept")
        subscriber = Subscriber(self, port, "-t", "home/#", "-F", "%r %t %p")
        self.assertEqual(subscriber.next(), "1 home/lamp on")
        publish(port, "home/lamp", "off", "-r")
        self.assertEqual(subscriber.next(), "0 home/lamp off")

    def test_an_empty_payload_takes_it_away(self):
        port = self.broker().port
        publish(port, "home/lamp", "on", "-r")
        self.assertEqual(run_pub(port, "-t", "home/lamp", "-r", "-n").returncode, 0)
        subscriber = Subscriber(self, port, "-v", "-t", "home/#")
        publish(port, "home/door", "live", "-q", "1")
        self.assertEqual(subscriber.next(), "home/door live")

    def test_quality_of_a_replay(self):
        port = self.broker().port
        for quality in range(3):
            publish(port, f"kept/{quality}", "x", "-r", "-q", str(quality))
        done = run_sub(port, "-t", "kept/#", "-q", "2", "-C", "3", "-W", "20", "-F", "%t %q")
        self.assertEqual(sorted(done.stdout.splitlines()), ["kept/0 0", "kept/1 1", "kept/2 2"])

    def replay_many(self, quality):
        """All of them arrive, each once, whatever the client's own pace."""
        port = self.broker().port
        with Wire(port).connect("filler") as filler:
            for start in range(0, MANY, 1000):
                filler.send(b"".join(
                    filler.publish_bytes(f"fleet/{number // 100}/{number}", b"%d" % number,
                                         retain=True)
                    for number in range(start, start + 1000)))
            filler.publish_and_wait("done", b"")
        done = run_sub(port, "-t", "#", "-q", quality, "-C", MANY, "-W", "100",
                       "-F", "%r %t %p")
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = {f"1 fleet/{number // 100}/{number} {number}" for number in range(MANY)}
        self.assertTrue(set(done.stdout.splitlines()) == expected)

    def test_many_thousands_arrive_complete(self):
        self.replay_many(0)

    def test_many_thousands_arrive_complete_at_quality_1(self):
        self.replay_many(1)

    def test_live_messages_come_through_a_replay(self):
        """A client that does not read its replay gets it whole later, and others are not slowed."""
        port = self.broker().port
        with Wire(port).connect("filler") as filler:
            for number in range(20_000):
                filler.publish(f"kept/{number}", bytes(100), retain=True)
            filler.publish_and_wait("done", b"")
            with Wire(port, receive_bytes=4096).connect("lazy") as lazy:
                lazy.subscribe("#")
                subscriber = Subscriber(self, port, "-t", "live")
                for number in range(100):
                    filler.publish_and_wait("live", b"%d" % number)
                self.assertEqual(subscriber.take(100), [str(number) for number in range(100)])
                topics = set()
                while len(topics) < 20_001:
                    _, body = lazy.receive()
                    length = int.from_bytes(body[:2], "big")
                    topics.add(body[2:2 + length])
                self.assertIn(b"kept/19999", topics)
                self.assertIn(b"live", topics)
