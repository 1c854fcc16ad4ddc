# SPDX-License-Identifier: Apache-2.0
"""What clients published, had acknowledged, subscribed to and were delivered, and what of that is
wrong. A message is (publisher, topic, number); times are those of time.monotonic()."""

import dataclasses
import functools
from collections import Counter, defaultdict


def payload_of(message, size=0):
    publisher, topic, number = message
    return f"{publisher} {topic} {number} ".encode().ljust(size, b".")


def message_of(payload):
    publisher, topic, number, _ = payload.split(b" ", 3)
    return publisher.decode(), topic.decode(), int(number)


@functools.lru_cache(maxsize=1 << 16)
def matches(topic_filter, topic):
    wanted, found = topic_filter.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(found) or level not in ("+", found[at]):
            return False
    return len(wanted) == len(found)


@dataclasses.dataclass
class Publish:
    qos: int
    invoked: float
    acked: float | None = None


@dataclasses.dataclass
class Subscription:
    topic_filter: str
    qos: int
    since: float  # of its SUBACK
    until: float | None = None

    def covers(self, message, how):
        """Whether it was there from before the call to the end."""
        return (self.until is None and self.since <= how.invoked
                and matches(self.topic_filter, message[1]))


@dataclasses.dataclass
class Delivery:
    message: tuple
    at: float
    is_dup: bool


class History:
    def __init__(self):
        self.published = {}  # message → Publish
        self.subscriptions = defaultdict(list)  # subscriber → Subscription
        self.deliveries = defaultdict(list)  # subscriber → Delivery

    def on_publish(self, message, qos, at):
        self.published[message] = Publish(qos, at)

    def on_ack(self, message, at):
        self.published[message].acked = at

    def on_subscribe(self, subscriber, topic_filter, qos, at):
        self.subscriptions[subscriber].append(Subscription(topic_filter, qos, at))

    def on_unsubscribe(self, subscriber, at):
        """Of all that it had."""
        for each in self.subscriptions[subscriber]:
            each.until = each.until or at

    def on_delivery(self, subscriber, message, at, is_dup=False):
        self.deliveries[subscriber].append(Delivery(message, at, is_dup))

    # --- what must hold

    def owed(self, subscriber):
        """What was acknowledged at QoS 1 and 2 and published while it was subscribed, to the end."""
        return {message for message, how in self.published.items() if how.acked is not None
                and how.qos > 0 and self.covers(subscriber, message, how)}

    def covers(self, subscriber, message, how):
        return any(each.covers(message, how) for each in self.subscriptions[subscriber])

    def missed(self):
        """(subscriber, message) of QoS 0: not owed, but to be explained."""
        found = []
        for subscriber in list(self.subscriptions):
            got = self.got(subscriber)
            found += [(subscriber, message) for message, how in self.published.items()
                      if how.qos == 0 and message not in got
                      and self.covers(subscriber, message, how)]
        return found

    def lost(self):
        """(subscriber, message): acknowledged, owed, and not delivered."""
        return [(subscriber, message) for subscriber in self.subscriptions
                for message in sorted(self.owed(subscriber) - self.got(subscriber))]

    def got(self, subscriber):
        return {each.message for each in self.deliveries[subscriber]}

    def is_complete(self):
        return all(self.owed(subscriber) <= self.got(subscriber)
                   for subscriber in self.subscriptions)

    def repeated(self, qos):
        """(subscriber, message): delivered more than once, of what goes all the way at this QoS."""
        found = []
        for subscriber, deliveries in self.deliveries.items():
            granted = max((each.qos for each in self.subscriptions[subscriber]), default=0)
            times = Counter(each.message for each in deliveries)
            found += [(subscriber, message) for message, count in times.items()
                      if count > 1 and min(granted, self.qos_of(message)) == qos]
        return found

    def qos_of(self, message):
        return self.published[message].qos

    def disorder(self):
        """(subscriber, message): came after a later one of its publisher and topic, the first time
        that it came; repetitions are no disorder."""
        found = []
        for subscriber, deliveries in self.deliveries.items():
            newest, seen = {}, set()
            for each in deliveries:
                publisher, topic, number = each.message
                if each.message in seen or each.is_dup:
                    continue
                seen.add(each.message)
                if number < newest.get((publisher, topic), -1):
                    found.append((subscriber, each.message))
                newest[publisher, topic] = max(number, newest.get((publisher, topic), -1))
        return found

    def unknown(self):
        """What nobody published."""
        return [(subscriber, each.message) for subscriber, deliveries in self.deliveries.items()
                for each in deliveries if each.message not in self.published]

    def story(self, subscriber, message, since):
        """Of one message and one subscriber, in seconds after `since`."""
        how = self.published.get(message)
        came = [f"{each.at - since:.3f}{' DUP' if each.is_dup else ''}"
                for each in self.deliveries[subscriber] if each.message == message]
        sent = "never published" if how is None else (
            f"published {how.invoked - since:.3f}, acknowledged "
            + (f"{how.acked - since:.3f}" if how.acked else "never"))
        return f"{message} for {subscriber}: {sent}, came {', '.join(came) or 'never'}"

    # --- what is measured

    def first_after(self, subscriber, since, is_wanted):
        """When the first message that was published after `since` and is wanted came."""
        return min((each.at for each in self.deliveries[subscriber]
                    if each.at >= since and is_wanted(each.message)
                    and self.published[each.message].invoked >= since), default=None)

    def latencies(self, subscriber, since, until, is_wanted=lambda message: True):
        """Of what was published in that time, from the call to the first delivery."""
        first = {}
        for each in self.deliveries[subscriber]:
            first.setdefault(each.message, each.at)
        return sorted(at - self.published[message].invoked for message, at in first.items()
                      if since <= self.published[message].invoked < until and is_wanted(message))


def percentile(ordered, share):
    """None of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
