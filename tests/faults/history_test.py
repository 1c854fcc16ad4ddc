# SPDX-License-Identifier: Apache-2.0
"""The judge of the experiments sees what is wrong, and nothing else."""

import unittest

from tests.faults.history import History, matches, message_of, payload_of, percentile


def message(number, topic="t/1", publisher="p"):
    return publisher, topic, number


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.history = History()
        self.history.on_subscribe("ear", "t/+", 2, 10)

    def publish(self, number, qos=1, invoked=20.0, acked=21.0, **where):
        self.history.on_publish(message(number, **where), qos, invoked)
        if acked is not None:
            self.history.on_ack(message(number, **where), acked)

    def deliver(self, *numbers, at=22.0, is_dup=False):
        for number in numbers:
            self.history.on_delivery("ear", message(number), at, is_dup)

    def test_what_was_acknowledged_and_did_not_come_is_lost(self):
        self.publish(1)
        self.publish(2)
        self.deliver(1)
        self.assertEqual(self.history.lost(), [("ear", message(2))])
        self.assertFalse(self.history.is_complete())
        self.deliver(2)
        self.assertEqual(self.history.lost(), [])
        self.assertTrue(self.history.is_complete())

    def test_what_is_not_owed(self):
        self.publish(1, acked=None)
        self.publish(2, qos=0)
        self.publish(3, invoked=9.0)
        self.publish(4, topic="other")
        self.assertEqual(self.history.lost(), [])

    def test_nothing_is_owed_to_who_has_unsubscribed(self):
        self.publish(1)
        self.history.on_unsubscribe("ear", 30)
        self.assertEqual(self.history.lost(), [])

    def test_qos_0_that_did_not_come_is_missed(self):
        self.publish(1, qos=0, acked=None)
        self.publish(2, qos=0, acked=None)
        self.deliver(2)
        self.assertEqual(self.history.missed(), [("ear", message(1))])

    def test_twice_counts_at_the_lower_of_both_qos(self):
        self.publish(1, qos=1)
        self.publish(2, qos=2)
        self.deliver(1, 1, 2, 2)
        self.assertEqual(self.history.repeated(1), [("ear", message(1))])
        self.assertEqual(self.history.repeated(2), [("ear", message(2))])

    def test_order_is_of_a_publisher_and_topic(self):
        for number in (1, 2, 3):
            self.publish(number)
        self.publish(0, topic="t/2")
        self.deliver(1, 3)
        self.history.on_delivery("ear", message(0, topic="t/2"), 22)
        self.assertEqual(self.history.disorder(), [])
        self.deliver(2)
        self.assertEqual(self.history.disorder(), [("ear", message(2))])

    def test_what_comes_again_is_no_disorder(self):
        for number in (1, 2):
            self.publish(number)
        self.deliver(1, 2, 1)
        self.deliver(1, is_dup=True)
        self.assertEqual(self.history.disorder(), [])

    def test_what_nobody_published(self):
        self.deliver(7)
        self.assertEqual(self.history.unknown(), [("ear", message(7))])

    def test_times(self):
        self.publish(1, invoked=20.0)
        self.publish(2, invoked=21.0)
        self.publish(3, invoked=30.0)
        self.deliver(1, at=25.0)
        self.deliver(2, at=24.0)
        self.deliver(2, at=29.0)
        self.assertEqual(self.history.latencies("ear", 20, 30), [3.0, 5.0])
        self.assertEqual(self.history.first_after("ear", 20.5, lambda _: True), 24.0)
        self.assertIsNone(self.history.first_after("ear", 29.5, lambda _: True))


class Words(unittest.TestCase):
    def test_a_payload_tells_its_message(self):
        payload = payload_of(message(12), 100)
        self.assertEqual(len(payload), 100)
        self.assertEqual(message_of(payload), message(12))
        self.assertEqual(message_of(payload_of(message(3))), message(3))

    def test_filters(self):
        for topic_filter, topic, does_match in (
                ("a/b", "a/b", True), ("a/b", "a", False), ("a", "a/b", False),
                ("a/+", "a/b", True), ("a/+", "a", False), ("+/b", "a/b", True),
                ("a/#", "a/b/c", True), ("a/#", "a", True), ("#", "a/b", True),
                ("a/+/c", "a/b/d", False)):
            self.assertEqual(matches(topic_filter, topic), does_match, (topic_filter, topic))

    def test_percentiles(self):
        self.assertIsNone(percentile([], 0.99))
        self.assertEqual(percentile([1.0], 0.99), 1.0)
        self.assertEqual(percentile(list(range(100)), 0.99), 99)
        self.assertEqual(percentile(list(range(100)), 0.5), 50)
