# SPDX-License-Identifier: Apache-2.0
"""What was published, acknowledged and delivered, and what must have been."""

from collections import Counter, defaultdict


class Ledger:
    def __init__(self):
        self.published = {}  # message → (topic, qos)
        self.acknowledged = set()
        self.refused = set()
        self.takers = {}  # name → (does it match, qos)
        self.groups = set()  # takers of whom no order is asked
        self.deliveries = defaultdict(Counter)  # taker → message → times
        self.orders = defaultdict(list)  # (taker, stream) → numbers of first deliveries
        self.history = defaultdict(list)  # message → what happened to it
        self.retained_sent = {}
        self.retained_acknowledged = {}
        self.sessions_lost = 0
        self.kills = 0

    def note(self, message, what):
        self.history[message].append(f"after {self.kills} kills: {what}")

    def expect(self, taker, matches, qos, is_group=False):
        self.takers[taker] = (matches, qos)
        if is_group:
            self.groups.add(taker)

    def on_publish(self, message, topic, qos):
        self.published[message] = (topic, qos)
        self.note(message, f"sent on {topic} at QoS {qos}")

    def on_acknowledged(self, message):
        self.acknowledged.add(message)
        self.note(message, "acknowledged")

    def on_refused(self, message, reason):
        self.refused.add(message)
        self.note(message, f"refused with {reason:#x}")

    def on_delivery(self, taker, message, packet_id, dup):
        self.note(message, f"delivered to {taker} as {packet_id}" + (" with DUP" if dup else ""))
        times = self.deliveries[taker]
        times[message] += 1
        if times[message] == 1 and taker not in self.groups:
            topic, qos = self.published[message]
            self.orders[taker, topic, qos].append(message[1])

    def must_have(self, taker):
        matches, _ = self.takers[taker]
        return {m for m in self.acknowledged if matches(self.published[m][0])}

    def is_complete(self):
        return all(self.must_have(taker) <= self.deliveries[taker].keys() for taker in self.takers)

    def lost(self):
        return [(taker, m) for taker in self.takers
                for m in sorted(self.must_have(taker) - self.deliveries[taker].keys())]

    def duplicated(self, qos):
        """Of messages that went all the way at this QoS."""
        return [(taker, m) for taker, (_, granted) in self.takers.items()
                for m, times in self.deliveries[taker].items()
                if times > 1 and min(granted, self.published[m][1]) == qos]

    def out_of_order(self):
        return sum(later < earlier for numbers in self.orders.values()
                   for earlier, later in zip(numbers, numbers[1:]))

    def retained_wrong(self, seen):
        """`seen`: topic → number that a new subscriber was given."""
        return [(topic, number, seen.get(topic)) for topic, number
                in self.retained_acknowledged.items()
                if not number <= seen.get(topic, -1) <= self.retained_sent[topic]]
