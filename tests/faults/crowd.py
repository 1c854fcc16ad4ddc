# SPDX-License-Identifier: Apache-2.0
"""The load of F17: publishers and subscribers with kept sessions on all nodes, who come back by
themselves, and what they noticed."""

import asyncio
import time

from tests.faults.history import percentile
from tests.faults.nodes import wait_for
from tests.faults.regular import Regular

PUBLISHERS, PUBLISHERS_QUICK = 30, 12
SUBSCRIBERS, SUBSCRIBERS_QUICK = 120, 48
PER_SECOND = 2  # of each publisher, by turns at QoS 1 and 2
HEARS = 2  # publishers that a subscriber listens to
COMMUTES_EVERY = 4  # the share of subscribers that are away now and then
STAYS_S, AWAY_S = (4, 12), (2, 6)
AT_REST_WITHIN_S = 120
CALM_S = 2
ACKED_WITHIN_S = 1  # at rest
DRAINED_WITHIN_S = 60


class Crowd:
    def __init__(self, scene, nodes):
        self.scene, self.nodes = scene, nodes
        self.history = scene.work.history
        self.publishers, self.subscribers = [], []
        self.tasks = []
        self.speaking = []

    def all(self):
        return self.publishers + self.subscribers

    async def gather(self):
        scene = self.scene
        count = scene.lasting(PUBLISHERS, PUBLISHERS_QUICK)
        for number in range(count):
            self.publishers.append(await self.add(f"mouth-{number}", number))
        for number in range(scene.lasting(SUBSCRIBERS, SUBSCRIBERS_QUICK)):
            each = await self.add(f"ear-{number}", number)
            self.subscribers.append(each)
            filters = [f"load/{(number + step * 7) % count}/+" for step in range(HEARS)]
            await each.link.subscribe(filters, 2)
            for one in filters:
                self.history.on_subscribe(each.name, one, 2, time.monotonic())
        for number, each in enumerate(self.subscribers):
            commutes = number % COMMUTES_EVERY == 0
            self.begin(each.live(STAYS_S, AWAY_S) if commutes else each.live())
        for number, each in enumerate(self.publishers):
            self.begin(each.live())
            self.speaking.append(asyncio.create_task(self.speak(each, number)))
        scene.report.note(f"{count} publishers, {len(self.subscribers)} subscribers; homes: "
                          + self.homes_text())

    def begin(self, life):
        self.tasks.append(asyncio.create_task(life))

    async def add(self, name, number):
        version = 4 if number % 3 == 2 else 5
        # The third of clients that speaks 3.1.1 is on all nodes.
        each = Regular(name, self.history, self.scene.chance, version, self.nodes,
                       self.nodes[(number + number // 3) % len(self.nodes)])

        async def come():
            await each.connect(each.preferred.address)
        each.front = each.preferred
        each.home = await self.scene.home_of_new(come)
        return each

    def homes_text(self):
        return ", ".join(f"{node.name} {sum(each.home is node for each in self.all())}"
                         for node in self.nodes)

    async def speak(self, each, number):
        await asyncio.sleep(self.scene.chance.uniform(0, 2 / PER_SECOND))
        due = time.monotonic()
        while True:
            for qos in (1, 2):
                each.say(f"load/{number}/{qos}", qos)
                due += 1 / PER_SECOND
                await asyncio.sleep(max(0, due - time.monotonic()))

    def move_to(self, nodes, left):
        """One of its servers is no more; these are there instead."""
        self.nodes = nodes
        for number, each in enumerate(self.all()):
            each.servers = nodes
            if each.preferred is left:
                each.preferred = nodes[number % len(nodes)]

    # --- at rest

    async def rest(self, nodes):
        """Until these serve, each with its share, and all clients are where they like to be and
        have their acknowledgements. Returns how long it took until each had its share."""
        begun = time.monotonic()
        await self.scene.wait_until_whole(nodes, AT_REST_WITHIN_S)
        await self.wait_until_settled(nodes)
        took = time.monotonic() - begun
        await self.go_home()
        await wait_for("all clients in place", self.is_calm, AT_REST_WITHIN_S)
        await asyncio.sleep(CALM_S)
        return took

    async def wait_until_settled(self, nodes):
        """Partitions stay where they are."""
        await self.scene.wait_until_spread(nodes)

        async def standing():
            return [[await each.metric(name) for each in nodes]
                    for name in ("cluster_partitions", "cluster_partition_changes_total",
                                 "session_handovers_under_way")]

        async def is_settled():
            before = await standing()
            await asyncio.sleep(CALM_S)
            return await standing() == before and not any(before[2]) and sum(before[0]) == 256
        await wait_for("partitions to stay", is_settled, AT_REST_WITHIN_S)

    async def go_home(self):
        for each in self.all():
            each.go_home()
            await asyncio.sleep(0.01)

    def is_calm(self):
        for each in self.tasks + self.speaking:
            if each.done():
                each.result()  # what went wrong in it
        for each in self.all():
            each.go_home()  # who came back to another one meanwhile
        now = time.monotonic()
        return (all(each.is_in_place() for each in self.all())
                and not any(now - self.history.published[message].invoked > ACKED_WITHIN_S
                            for each in self.publishers
                            for message, _, _ in each.outgoing.values()))

    async def fall_silent(self):
        """Publishers say no more; returns how long it took until all has come, or None."""
        for each in self.speaking:
            each.cancel()
        begun = time.monotonic()
        while not self.is_done():
            if time.monotonic() - begun > DRAINED_WITHIN_S:
                return None
            await asyncio.sleep(0.5)
        return time.monotonic() - begun

    def is_done(self):
        return not any(each.outgoing for each in self.publishers) and self.history.is_complete()

    def close(self):
        for each in self.tasks + self.speaking:
            each.cancel()
        for each in self.all():
            if each.link is not None:
                each.link.cut()

    # --- what they noticed

    def losses(self, since, until, clients=None):
        """(client, loss) of connections that were lost then."""
        return [(each, loss) for each in clients or self.all() for loss in each.losses
                if since <= loss.at < until]

    def longest_ack(self, since, until, qos=1, publishers=None):
        """Of what was published then; what is not acknowledged yet has waited until now."""
        names = {each.name for each in (self.publishers if publishers is None else publishers)}
        return max(((how.acked or time.monotonic()) - how.invoked
                    for message, how in self.history.published.items()
                    if message[0] in names and how.qos == qos and since <= how.invoked < until),
                   default=0.0)


def waits_text(waits, clients=None):
    """Of seconds that clients waited."""
    who = f"{len(waits)} times" if clients is None else f"{len(waits)} times, {clients} clients"
    if not waits:
        return f"{who}"
    waits = sorted(waits)
    return (f"{who}, median {percentile(waits, .5):.2f} s, p99 {percentile(waits, .99):.2f} s, "
            f"most {waits[-1]:.2f} s")
