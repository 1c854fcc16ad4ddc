# SPDX-License-Identifier: Apache-2.0
"""The judge of the crash test finds what it is there to find."""

import unittest

from tests.crash.ledger import Ledger


class Judge(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        self.ledger.expect("s", lambda topic: topic == "t", 2)
        for number in (1, 2):
            self.ledger.on_publish((0, number), "t", 2)
            self.ledger.on_acknowledged((0, number))

    def deliver(self, *numbers):
        for number in numbers:
            self.ledger.on_delivery("s", (0, number), 1, False)

    def test_all_is_well(self):
        self.deliver(1, 2)
        self.assertTrue(self.ledger.is_complete())
        self.assertEqual(self.ledger.lost(), [])
        self.assertEqual(self.ledger.duplicated(2), [])
        self.assertEqual(self.ledger.out_of_order(), 0)

    def test_what_was_acknowledged_and_not_delivered_is_lost(self):
        self.deliver(2)
        self.assertFalse(self.ledger.is_complete())
        self.assertEqual(self.ledger.lost(), [("s", (0, 1))])

    def test_what_was_not_acknowledged_is_not_lost(self):
        self.ledger.on_publish((0, 3), "t", 2)
        self.deliver(1, 2)
        self.assertEqual(self.ledger.lost(), [])

    def test_twice_at_qos_2(self):
        self.deliver(1, 2, 1)
        self.assertEqual(self.ledger.duplicated(2), [("s", (0, 1))])
        self.assertEqual(self.ledger.duplicated(1), [])

    def test_order_of_first_deliveries(self):
        self.deliver(2, 1)
        self.assertEqual(self.ledger.out_of_order(), 1)

    def test_a_retained_message_that_went_back(self):
        self.ledger.retained_acknowledged["r"] = 5
        self.ledger.retained_sent["r"] = 7
        self.assertEqual(self.ledger.retained_wrong({"r": 6}), [])
        self.assertEqual(self.ledger.retained_wrong({"r": 4}), [("r", 5, 4)])
        self.assertEqual(self.ledger.retained_wrong({}), [("r", 5, None)])
