# SPDX-License-Identifier: Apache-2.0
"""Sessions that outlive their connection."""

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.observe_test import metric
from tests.integration.wire import DISCONNECT, PUBACK, Wire

SESSION_TAKEN_OVER = 0x8E


class Persistence(BrokerTest):
    def james_bond(self, port, *more):
        return Subscriber(self, port, "-v", "-t", "test/#", "-c", "-q", "1", "-i", "james bond",
                          *more)

    def test_the_story_of_james_bond(self):
        port = self.broker().port
        agent = self.james_bond(port)
        publish(port, "test/x", "hello")
        self.assertEqual(agent.next(), "test/x hello")
        self.assertEqual(agent.stop(), [])
        publish(port, "test/one", "wowie", "-q", "1")
        publish(port, "test/two", "zowie")
        agent = self.james_bond(port)
        self.assertEqual(agent.next(), "test/one wowie")
        publish(port, "test/x", "live again", "-q", "1")
        self.assertEqual(agent.next(), "test/x live again")
        self.assertEqual(agent.stop(), [])

    def test_an_agent_who_was_shot_gets_his_mail_too(self):
        port = self.broker().port
        self.james_bond(port).kill()
        for number in range(100):
            publish(port, f"test/{number}", "mail", "-q", str(1 + number % 2))
        agent = self.james_bond(port)
        self.assertEqual(agent.take(100), [f"test/{number} mail" for number in range(100)])
        self.assertEqual(agent.stop(), [])

    def test_only_the_newest_state_waits(self):
        """Asked for by the client, for one of its subscriptions; and by the configuration."""
        config = '[[listeners]]\nport = 0\n[[topics]]\nfilter = "meter/#"\nkeep = "newest"\n'
        broker = self.broker(config=config)

        def reader():
            return Subscriber(
                self, broker.port, "-v", "-c", "-q", "1", "-i", "panel", "-V", "mqttv5", "-x", "60", "-t",
                "state/#", "-D", "subscribe", "user-property", "keep", "newest")
        reader().stop()
        meter = ("-v", "-t", "#", "-c", "-q", "1", "-i", "old panel")
        Subscriber(self, broker.port, *meter).stop()
        for number in range(5):
            for topic in ("state/a", "state/b", "meter/1"):
                publish(broker.port, topic, number, "-q", "1")
        broker.kill()
        broker = self.broker("--storage.folder", broker.folder / "store", config=config)
        publish(broker.port, "state/a", "last", "-q", "1")
        publish(broker.port, "meter/1", "last", "-q", "1")
        self.assertEqual(reader().take(2), ["state/b 4", "state/a last"])
        self.assertEqual(metric(broker, "grapevine_messages_dropped_total", reason="superseded"),
                         2)
        old = Subscriber(self, broker.port, *meter)
        states = [f"state/{each} {number}" for number in range(5) for each in "ab"]
        self.assertEqual(old.take(12), states + ["state/a last", "meter/1 last"])
        self.assertEqual(old.stop(), [])

    def test_a_user_may_leave_only_so_much(self):
        broker = self.broker("--limits.queue_bytes_per_user_max", "2KiB")
        for name in ("one", "two"):
            for user in ("ann", "bob"):
                Subscriber(self, broker.port, "-t", user, "-c", "-q", "1", "-i", user + name, "-u",
                           user, "-P", "x").stop()
        for _ in range(4):
            publish(broker.port, "ann", "m" * 600, "-q", "1")
        publish(broker.port, "bob", "m" * 600, "-q", "1")
        dropped = "grapevine_messages_dropped_total"
        self.assertEqual(metric(broker, dropped, reason="queue_full"), 8 - 3)
        broker.wait_for_log("messages_dropped")

    def test_a_long_absence(self):
        """20,000 messages wait for each of four clients, wherever their home is."""
        port = self.broker().port
        count, names = 20_000, [f"sleeper {number}" for number in range(4)]
        subscribe = ("-t", "news", "-c", "-q", "1")
        for name in names:
            Subscriber(self, port, *subscribe, "-i", name).stop()
        with Wire(port).connect() as writer:
            for start in range(0, count, 100):
                writer.send(b"".join(writer.publish_bytes("news", b"%d" % number, qos=1,
                                                          packet_id=number - start + 1)
                                     for number in range(start, start + 100)))
                for _ in range(100):
                    self.assertEqual(writer.receive()[0], PUBACK)
        for name in names:
            done = run_sub(port, *subscribe, "-i", name, "-C", count, "-W", "60")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.split() == [str(number) for number in range(count)])

    def test_a_clean_session_forgets(self):
        port = self.broker().port
        self.james_bond(port).stop()
        publish(port, "test/one", "lost", "-q", "1")
        other = Subscriber(self, port, "-v", "-t", "other", "-q", "1", "-i", "james bond")
        other.stop()
        publish(port, "test/two", "lost too", "-q", "1")
        agent = self.james_bond(port)
        publish(port, "test/three", "kept", "-q", "1")
        self.assertEqual(agent.next(), "test/three kept")

    def test_v5_keeps_a_session_as_long_as_it_asks(self):
        port = self.broker().port
        five = ("-V", "mqttv5")
        self.james_bond(port, *five, "-x", "60").stop()
        publish(port, "test/one", "wowie", "-q", "2", *five)
        agent = self.james_bond(port, *five, "-x", "1")
        self.assertEqual(agent.next(), "test/one wowie")
        agent.stop()
        publish(port, "test/two", "in time", "-q", "1", *five)
        agent = self.james_bond(port, *five, "-x", "60")
        self.assertEqual(agent.next(), "test/two in time")

    def test_quality_2_waits_and_comes_once(self):
        port = self.broker().port
        subscribe = ("-t", "exact", "-c", "-q", "2", "-i", "once", "-F", "%q %p")
        Subscriber(self, port, *subscribe).stop()
        for number in range(20):
            publish(port, "exact", str(number), "-q", "2")
        subscriber = Subscriber(self, port, *subscribe)
        self.assertEqual(subscriber.take(20), [f"2 {number}" for number in range(20)])
        self.assertEqual(subscriber.stop(), [])
        again = Subscriber(self, port, *subscribe)
        publish(port, "exact", "last", "-q", "2")
        self.assertEqual(again.next(), "2 last")

    def test_a_second_client_of_the_same_name_takes_over(self):
        port = self.broker().port
        with Wire(port, 5).connect("james bond") as first:
            second = self.james_bond(port)
            kind, body = first.receive()
            self.assertEqual((kind, body[0]), (DISCONNECT, SESSION_TAKEN_OVER))
            self.assertEqual(first.receive(), (None, b""))
        publish(port, "test/x", "to the second", "-q", "1")
        self.assertEqual(second.next(), "test/x to the second")
