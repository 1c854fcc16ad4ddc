# SPDX-License-Identifier: Apache-2.0
"""Shared subscriptions."""

import collections
import time

from tests.integration.broker import BrokerTest
from tests.integration.clients import Subscriber, publish, run_pub


class Shared(BrokerTest):
    def member(self, port, topic_filter="$share/workers/job/+", *more):
        return Subscriber(self, port, "-t", topic_filter, "-q", "1", "-V", "mqttv5", *more)

    def send(self, port, count, start=0):
        lines = "".join(f"{number}\n" for number in range(start, start + count))
        done = run_pub(port, "-t", "job/x", "-q", "1", "-l", input=lines)
        self.assertEqual(done.returncode, 0, done.stderr)

    def collect(self, members, count):
        """Until `count` have come in all: lists by member."""
        shares = [[] for _ in members]
        deadline = time.monotonic() + 30
        while sum(map(len, shares)) < count and time.monotonic() < deadline:
            for share, member in zip(shares, members):
                while not member.messages.empty():
                    share.append(int(member.next()))
            time.sleep(0.01)
        return shares

    def test_each_message_goes_to_one_member_in_turn(self):
        port = self.broker().port
        members = [self.member(port) for _ in range(3)]
        everything = Subscriber(self, port, "-t", "job/+", "-q", "1")
        self.send(port, 300)
        shares = self.collect(members, 300)
        self.assertEqual(collections.Counter(sum(shares, [])),
                         collections.Counter(range(300)))
        self.assertEqual([len(share) for share in shares], [100, 100, 100])
        self.assertEqual(everything.take(300), [str(number) for number in range(300)])
        for member in members:
            self.assertEqual(member.stop(), [])

    def test_two_groups_get_a_copy_each(self):
        port = self.broker().port
        one = self.member(port, "$share/one/job/#")
        two = self.member(port, "$share/two/job/#")
        queued = self.member(port, "$queue/job/#")
        self.send(port, 50)
        for member in (one, two, queued):
            self.assertEqual(member.take(50), [str(number) for number in range(50)])

    def test_who_leaves_gets_nothing_more(self):
        port = self.broker().port
        staying, leaving = self.member(port), self.member(port)
        self.send(port, 10)
        self.collect([staying, leaving], 10)
        leaving.stop()
        self.send(port, 100, start=10)
        self.assertEqual(staying.take(100), [str(number) for number in range(10, 110)])

    def test_strategies(self):
        for strategy, shares_wanted in (("sticky", {100, 0}), ("hash", {100, 0})):
            port = self.broker("--mqtt.shared_strategy", strategy).port
            members = [self.member(port) for _ in range(2)]
            self.send(port, 100)
            shares = self.collect(members, 100)
            self.assertEqual({len(share) for share in shares}, shares_wanted, strategy)

    def test_members_that_are_away_are_passed_over(self):
        port = self.broker().port
        here = self.member(port)
        away = self.member(port, "$share/workers/job/+", "-c", "-i", "away", "-x", "100")
        away.stop()
        self.send(port, 20)
        self.assertEqual(here.take(20), [str(number) for number in range(20)])
        publish(port, "job/x", "20", "-q", "1")
        self.assertEqual(here.next(), "20")
