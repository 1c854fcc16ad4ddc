# SPDX-License-Identifier: Apache-2.0
"""mosquitto_pub and mosquitto_sub over TCP."""

import os

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish, run_pub, run_sub_bytes


class Plain(BrokerTest):
    def test_hello_in_every_version(self):
        port = self.broker().port
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            subscriber = Subscriber(self, port, "-t", "test/topic", "-V", version)
            publish(port, "test/topic", "hello!", "-V", version)
            self.assertEqual(subscriber.next(), "hello!")
            subscriber.stop()

    def test_both_families_of_addresses(self):
        broker = self.broker()
        subscriber = Subscriber(self, broker.port, "-t", "t")
        # Of two -h and -p the last counts.
        publish(broker.port, "t", "from ::1", "-h", "::1", "-p", str(broker.ports["[::1]:0"]))
        self.assertEqual(subscriber.next(), "from ::1")

    def test_a_version_is_no_wall(self):
        port = self.broker().port
        old = Subscriber(self, port, "-t", "test/topic", "-V", "mqttv31")
        new = Subscriber(self, port, "-t", "test/topic", "-V", "mqttv5")
        publish(port, "test/topic", "from 3.1.1")
        publish(port, "test/topic", "from 5", "-V", "mqttv5", "-D", "publish", "user-property",
                "colour", "red")
        self.assertEqual(old.take(2), ["from 3.1.1", "from 5"])
        self.assertEqual(new.take(2), ["from 3.1.1", "from 5"])

    def test_plus_takes_one_level(self):
        port = self.broker().port
        subscriber = Subscriber(self, port, "-v", "-t", "home/+/temp")
        for topic in ("home/kitchen/temp", "home/temp", "home/a/b/temp", "home/kitchen/temp/x",
                      "home//temp", "home/bedroom/temp"):
            publish(port, topic, "20", "-q", "1")
        self.assertEqual(subscriber.take(3), ["home/kitchen/temp 20", "home//temp 20",
                                              "home/bedroom/temp 20"])
        self.assertEqual(subscriber.stop(), [])

    def test_hash_takes_the_level_above_and_all_below(self):
        port = self.broker().port
        subscriber = Subscriber(self, port, "-v", "-t", "home/bedroom/#")
        for topic in ("home/bedroom", "home/kitchen", "home/bedroom2/x", "home/bedroom/lamp",
                      "home/bedroom/lamp/left"):
            publish(port, topic, "on", "-q", "1")
        self.assertEqual(subscriber.take(3), ["home/bedroom on", "home/bedroom/lamp on",
                                              "home/bedroom/lamp/left on"])
        self.assertEqual(subscriber.stop(), [])

    def test_quality_is_the_lower_of_both(self):
        port = self.broker().port
        for wanted in range(3):
            subscriber = Subscriber(self, port, "-t", "q", "-q", wanted, "-F", "%q %p")
            for given in range(3):
                publish(port, "q", f"sent at {given}", "-q", str(given))
            self.assertEqual(subscriber.take(3),
                             [f"{min(wanted, given)} sent at {given}" for given in range(3)])
            self.assertEqual(subscriber.stop(), [])

    def test_order_and_number_at_each_quality(self):
        port = self.broker().port
        lines = [f"line {number}" for number in range(2000)]
        for quality in range(3):
            subscriber = Subscriber(self, port, "-t", "log", "-q", quality)
            done = run_pub(port, "-t", "log", "-l", "-q", quality, input="\n".join(lines) + "\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(subscriber.take(len(lines)), lines)
            self.assertEqual(subscriber.stop(), [])

    def test_ten_megabytes_arrive_as_they_were(self):
        port = self.broker().port
        sent = os.urandom(10_000_000)
        (self.folder / "payload").write_bytes(sent)
        for quality in range(3):
            done = run_pub(port, "-t", "big", "-r", "-q", quality, "-f", self.folder / "payload")
            self.assertEqual(done.returncode, 0, done.stderr)
            received = run_sub_bytes(port, "-t", "big", "-q", quality, "-C", "1", "-N")
            self.assertTrue(received == sent, f"{len(received)} bytes, or others")

    def test_a_packet_above_the_limit_ends_its_connection_alone(self):
        broker = self.broker("--mqtt.packet_size_max", "1MiB")
        port = broker.port
        (self.folder / "payload").write_bytes(bytes(2_000_000))
        done = run_pub(port, "-t", "big", "-q", "1", "-f", self.folder / "payload")
        self.assertIn("The connection was lost", done.stderr)
        publish(port, "small", "still here", "-q", "1")
        broker.wait_for_log("packet_size_max")

    def test_five_hundred_filters_in_one_subscribe(self):
        port = self.broker().port
        filters = [word for number in range(500) for word in ("-t", f"room/{number}/+")]
        subscriber = Subscriber(self, port, "-v", *filters)
        for number in (0, 250, 499):
            publish(port, f"room/{number}/temp", str(number), "-q", "1")
        publish(port, "room/500/temp", "500", "-q", "1")
        self.assertEqual(subscriber.take(3), ["room/0/temp 0", "room/250/temp 250",
                                              "room/499/temp 499"])
        self.assertEqual(subscriber.stop(), [])
        subscribes = [line for line in subscriber.debug_lines if "sending SUBSCRIBE" in line]
        self.assertEqual(len(set(line.split("Mid: ")[1].split(",")[0] for line in subscribes)), 1)

    def test_unsubscribing_ends_it(self):
        port = self.broker().port
        subscriber = Subscriber(self, port, "-v", "-t", "#", "-U", "#", "-t", "kept")
        publish(port, "other", "1", "-q", "1")
        publish(port, "kept", "2", "-q", "1")
        self.assertEqual(subscriber.next(), "kept 2")
