# SPDX-License-Identifier: Apache-2.0
"""The part of F19 for a group of persistent members: kept sessions that come and go by themselves
on all nodes, and share what is published, at QoS 1 and 2."""

import asyncio
import time

from tests.faults.regular import Regular
from tests.faults.workload import Stream

GROUP = "$share/keepers/kept/#"
MEMBERS = 9
STAYS_S, AWAY_S = (3, 8), (1, 4)
CUT_EVERY_S = 0.7
STUCK_S = 5
DEAD_WITHIN_S = 8  # so long after its end a node is held for dead


class OneHistory:
    """All members as one subscriber."""

    def __init__(self, history):
        self.history = history
        self.shares = {}

    def on_delivery(self, name, message, at, is_dup):
        self.shares[name] = self.shares.get(name, 0) + 1
        self.history.on_delivery("keepers", message, at, is_dup)


class Keepers:
    def __init__(self, scene):
        self.scene = scene
        self.history = OneHistory(scene.work.history)
        self.members, self.tasks = [], []
        self.cuts = 0
        self.away = []  # (from, to): a node that may have been the group's home

    async def gather(self, nodes):
        for number in range(MEMBERS):
            each = Regular(f"keeper-{number}", self.history, self.scene.chance, 5, nodes,
                           nodes[number % len(nodes)])
            await each.connect(each.preferred.address)
            each.front = each.preferred
            await each.link.subscribe([GROUP], 2)
            self.members.append(each)
            self.begin(each.live(STAYS_S, AWAY_S) if number % 3 else each.live())
        self.scene.work.history.on_subscribe("keepers", "kept/#", 2, time.monotonic())
        self.begin(self.cut_some())
        for node in nodes[:2]:
            await self.scene.work.speak(node, f"kept-{node.name}",
                                        [Stream(f"kept/{node.name}/{qos}", qos, 40)
                                         for qos in (1, 2)])

    def begin(self, life):
        self.tasks.append(asyncio.create_task(life))

    async def cut_some(self):
        while True:
            await asyncio.sleep(CUT_EVERY_S)
            each = self.scene.chance.choice(self.members)
            if each.is_connected():
                self.cuts += 1
                each.cut()

    async def while_away(self, doing):
        begun = time.monotonic()
        await doing
        self.away.append((begun, time.monotonic()))

    def was_away(self, message):
        how = self.scene.work.history.published[message]
        return any(begun - STUCK_S <= how.invoked <= ended for begun, ended in self.away)

    def may_repeat(self, message):
        """Given to a member, or by a queue, whose node ended before it had said so (ADR 33)."""
        how = self.scene.work.history.published[message]
        return any(begun - 1 <= how.invoked <= begun + DEAD_WITHIN_S for begun, _ in self.away)

    async def end(self):
        """Nobody is cut off any more; who is connected takes the rest."""
        for each in self.tasks:
            each.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.begin(self.members[0].live())

    def judge(self):
        report, history = self.scene.report, self.scene.work.history
        lost = [message for who, message in history.lost() if who == "keepers"]
        twice = [each for each in history.repeated(2) if each[1].startswith("kept/")]
        waited = history.latencies("keepers", 0, time.monotonic(),
                                   lambda message: not self.was_away(message))
        report.bit("kept members cut off", self.cuts)
        report.note("taken by kept members: "
                    + ", ".join(f"{count:,}" for _, count in sorted(self.history.shares.items())))
        report.note(f"{len(twice)} of QoS 2 came twice, with the end of a node")
        report.at_most("acknowledged, and no kept member had it", len(lost), 0)
        report.at_most("of QoS 2 twice, but for what a node had that ended",
                       sum(not self.may_repeat(each) for each in twice), 0)
        report.at_most("longest time to a kept member, while no node was away",
                       max(waited, default=None), STUCK_S, "s")
        report.at_most("sessions of kept members that were gone",
                       sum(each.sessions_lost for each in self.members), 0)
