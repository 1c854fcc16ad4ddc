# SPDX-License-Identifier: Apache-2.0
"""F18: a node with hundreds of clients that have wills is killed, and then cut off for 20 s. Not in
it: the home of a client killed with its node, whose will nobody else has."""

import asyncio
import collections
import time

from tests.faults.mqtt import Client, Will

NODES = 3
CLIENTS, CLIENTS_QUICK = 300, 60
DELAYS_S, DELAYS_QUICK_S = (0, 5, 30), (0, 3, 8)
EXPIRY_S = 3600
GRACE_S = 2  # sessions.will_grace
ON_PARTITION_S = 60  # sessions.will_on_partition
BACK_WITHIN_S = 1  # who comes back although its will has no delay
RETRY_S = 0.1, 0.4
DECLARED_WITHIN_S = 8
SPLIT_S = 20


class Mortal:
    """A client with a will. A third come back when their node dies, the others do not."""

    def __init__(self, scene, number, delays):
        self.scene = scene
        self.name = f"mortal-{number}"
        self.delay_s = delays[number // 2 % len(delays)]
        self.is_kept = number % 2 == 1
        self.comes_back = number // (2 * len(delays)) % 3 == 0
        self.home = None  # name of a node
        self.link = None
        self.asked_to_come_again = 0
        self.stays = False

    def least_wait_s(self):
        """From the end of its node on. A session that ends with its connection has no delay."""
        return max(GRACE_S, self.delay_s if self.is_kept else 0)

    async def connect(self, node, life):
        link = Client(self.name, version=5)
        await link.connect(node.address, clean=not self.is_kept,
                           session_expiry_s=EXPIRY_S if self.is_kept else None,
                           will=Will("will/" + self.name, f"{self.name} {life}".encode(),
                                     delay_s=self.delay_s))
        self.link = link

    async def connect_somewhere(self, nodes, life):
        """Until one lets it in."""
        while True:
            try:
                return await self.connect(self.scene.chance.choice(nodes), life)
            except (OSError, TimeoutError):
                await asyncio.sleep(self.scene.chance.uniform(*RETRY_S))

    async def stay(self, nodes, life):
        """Comes again whenever it is asked to, until it is told not to any more."""
        self.stays = True
        while self.stays:
            await asyncio.wait([self.link.closed], timeout=0.5)
            if self.stays and self.link.closed.done():
                self.asked_to_come_again += 1
                await self.connect_somewhere(nodes, life)


class Heir:
    """Hears the wills on one node."""

    def __init__(self, node):
        self.node = node
        self.heard = collections.defaultdict(list)  # payload → when

    async def connect(self):
        def hear(_, payload, flags):
            if not flags & 8:  # else it may be the same once more
                self.heard[payload.decode()].append(time.monotonic())
        self.link = await Client(f"heir-{self.node.name}", hear).connect(self.node.address)
        await self.link.subscribe(["will/#"], 1)
        return self

    def times(self, mortal, life):
        return self.heard[f"{mortal.name} {life}"]


async def run(scene):
    nodes = await scene.start(NODES)
    await scene.wait_until_spread()
    delays = DELAYS_QUICK_S if scene.is_quick else DELAYS_S
    mortals = [Mortal(scene, number, delays)
               for number in range(scene.lasting(CLIENTS, CLIENTS_QUICK))]
    await find_homes(scene, mortals)
    await kill(scene, mortals, delays)
    await split(scene, mortals, delays)
    scene.judge_processes()


async def find_homes(scene, mortals):
    """Each has a session for a moment, and one node has one more."""
    for each in mortals:
        link = Client(each.name)
        home = await scene.home_of_new(
            lambda link=link: link.connect(scene.nodes[0].address, clean=False))
        each.home = home.name
        await link.disconnect()
    for each in mortals:
        await (await Client(each.name).connect(scene.nodes[0].address)).disconnect()
    counts = collections.Counter(each.home for each in mortals)
    scene.report.note("homes: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))


async def all_connect(mortals, node, life):
    await asyncio.gather(*(each.connect(node, life) for each in mortals))


async def kill(scene, mortals, delays):
    report = scene.report
    victim, *others = scene.nodes
    await all_connect(mortals, victim, "kill")
    heirs = [await Heir(each).connect() for each in others]
    marks = [each.log_size() for each in others]
    report.event(f"{victim.name} is killed, with {len(mortals)} clients")
    victim.kill()
    killed = time.monotonic()

    async def come_back(each):
        await asyncio.sleep(scene.chance.uniform(0, max(BACK_WITHIN_S, 0.5 * each.delay_s)
                                                 if each.is_kept else BACK_WITHIN_S))
        await each.connect_somewhere(others, "back")
    returns = [asyncio.create_task(come_back(each)) for each in mortals if each.comes_back]
    await asyncio.sleep(max(delays) + DECLARED_WITHIN_S + 4)
    for each, mark in zip(others, marks):
        report.criterion(f"{each.name} declared it dead",
                         [change.became for change in each.changes(mark)], "died", any(
                             change.became == "died" for change in each.changes(mark)))
    elsewhere = [each for each in mortals if each.home != victim.name]
    judge_due(report, [each for each in elsewhere if not each.comes_back], heirs, "kill", killed)
    report.at_most("wills of clients that came back",
                   count_all(heirs, [each for each in elsewhere if each.comes_back], "kill"), 0)
    await restart(scene, mortals, heirs, delays)
    await asyncio.wait_for(asyncio.gather(*returns), 60)
    for each in mortals:
        if each.comes_back and count_all(heirs, [each], "kill"):
            report.note(f"for example that of {each.name}: home {each.home}, delay {each.delay_s} s, "
                        f"{'kept' if each.is_kept else 'volatile'}")
    report.at_most("wills of clients that came back, in the end",
                   count_all(heirs, [each for each in mortals if each.comes_back], "kill"), 0)
    report.at_most("wills published twice", count_repeated(heirs), 0)
    await say_goodbye(mortals, heirs)


async def restart(scene, mortals, heirs, delays):
    """It was a home too: of what it kept on disk the wills come now; what it had in memory, those
    of volatile clients, went with it."""
    report = scene.report
    victim = scene.nodes[0]
    victim.start()
    await scene.wait_until_whole(scene.nodes)
    report.event(f"{victim.name} is back")
    await asyncio.sleep(max(delays) + GRACE_S + 4)
    own = [each for each in mortals if each.home == victim.name and not each.comes_back]
    kept = [each for each in own if each.is_kept]
    report.criterion("wills of kept sessions at home there, on each other node",
                     [sum(len(heir.times(each, "kill")) for each in kept) for heir in heirs],
                     f"= {len(kept)}", all(len(heir.times(each, "kill")) == 1
                                           for heir in heirs for each in kept))
    report.note(f"{len(own) - len(kept)} volatile clients had their home there: "
                f"{count_all(heirs, [each for each in own if not each.is_kept], 'kill')} wills")
    report.bit(f"starts of {victim.name} beyond the first", victim.starts - 1)


def judge_due(report, due, heirs, life, since):
    for heir in heirs:
        counts = collections.Counter(len(heir.times(each, life)) for each in due)
        report.criterion(f"of {len(due)} wills that are due, heard once on {heir.node.name}",
                         counts[1], f"= {len(due)}", counts[1] == len(due))
        waits = [heir.times(each, life)[0] - since - each.least_wait_s()
                 for each in due if heir.times(each, life)]
        report.at_least(f"earliest beyond its wait, on {heir.node.name}",
                        round(min(waits, default=-1), 2), 0, "s")
        report.at_most(f"latest beyond its wait, on {heir.node.name}",
                       round(max(waits, default=999), 2), DECLARED_WITHIN_S, "s")


def count_all(heirs, mortals, life):
    return sum(len(heir.times(each, life)) for heir in heirs for each in mortals)


def count_repeated(heirs):
    return sum(len(times) > 1 for heir in heirs for times in heir.heard.values())


async def say_goodbye(mortals, heirs):
    for each in mortals:
        if each.link is not None and not each.link.closed.done():
            await each.link.disconnect()
        each.link = None
    for heir in heirs:
        await heir.link.disconnect()


async def split(scene, mortals, delays):
    report = scene.report
    lonely, *others = scene.nodes
    await all_connect(mortals, lonely, "split")
    heirs = [await Heir(each).connect() for each in scene.nodes]
    marks = [each.log_size() for each in others]
    staying = [asyncio.create_task(each.stay(scene.nodes, "split")) for each in mortals]
    await asyncio.sleep(1)
    dropped = scene.network.packets_dropped()
    report.event(f"{lonely.name} is cut off from the others for {SPLIT_S} s, not from its clients")
    scene.network.isolate(lonely.host.number)
    await asyncio.sleep(SPLIT_S)
    report.bit("packets dropped", scene.network.packets_dropped() - dropped)
    scene.network.heal()
    report.event("healed")
    await scene.wait_until_whole(scene.nodes)
    report.bit("nodes that declared it dead",
               sum(any(change.became == "died" for change in each.changes(mark))
                   for each, mark in zip(others, marks)))
    await asyncio.sleep(ON_PARTITION_S + max(delays))
    report.bit("clients that were asked to come again",
               sum(each.asked_to_come_again > 0 for each in mortals))
    for heir in heirs:
        report.at_most(f"wills heard on {heir.node.name}", sum(map(len, heir.heard.values())), 0)
    report.criterion("clients that are connected", sum(not each.link.closed.done() for each in mortals),
                     f"= {len(mortals)}", all(not each.link.closed.done() for each in mortals))
    await end_all(scene, mortals, heirs, staying, delays)


async def end_all(scene, mortals, heirs, staying, delays):
    """None of these wills was lost by the split."""
    report = scene.report
    for each in mortals:
        each.stays = False
    await asyncio.gather(*staying)
    report.event("all clients are cut off")
    for each in mortals:
        each.link.cut()
    await asyncio.sleep(max(delays) + 5)
    for heir in heirs:
        counts = collections.Counter(len(heir.times(each, "split")) for each in mortals)
        report.criterion(f"wills heard once on {heir.node.name}", counts[1], f"= {len(mortals)}",
                         counts[1] == len(mortals))
    await say_goodbye([], heirs)
