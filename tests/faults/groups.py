# SPDX-License-Identifier: Apache-2.0
"""F19: shared subscriptions over three nodes whose members are cut off, and a node that is killed,
and then falls silent. Members of one group are there only while they are connected, those of another
are kept sessions (keepers.py)."""

import asyncio
import time

from tests.faults.history import message_of
from tests.faults.keepers import Keepers
from tests.faults.mqtt import Client
from tests.faults.nodes import SMALL_STORE
from tests.faults.workload import Stream

GROUP = "$share/workers/job/#"
MEMBERS_PER_NODE = 2
STUCK_S = 5
CUT_EVERY_S = 2
BACK_AFTER_S = 1
IN_FLIGHT_S = 0.5
NODE_AWAY_S = 10
SILENT_S = 15


class Group:
    """All members, as one: what any of them gets, the group has got."""

    def __init__(self, scene):
        self.scene = scene
        self.members = []
        self.share = {}
        self.added = 0
        self.cuts = []  # when members were cut off

    async def add(self, node):
        self.added += 1
        name = f"member-{node.name}-{self.added}"

        def heard(_, payload, flags):
            self.share[node.name] = self.share.get(node.name, 0) + 1
            self.scene.work.history.on_delivery("group", message_of(payload), time.monotonic(),
                                                bool(flags & 8))
        member = await Client(name, heard).connect(node.address)
        await member.subscribe([GROUP], 1)
        self.members.append((node, member))

    def cut(self, node=None):
        """One of that node, or any."""
        at = self.scene.chance.choice([index for index, (where, _) in enumerate(self.members)
                                       if node is None or where is node])
        where, member = self.members.pop(at)
        member.cut()
        self.cuts.append(time.monotonic())
        return where

    def went_with_a_member(self, message):
        """It may have been in flight to a member when that was cut off, which had not acknowledged
        it; sessions that end with their connection take such messages along (ADR 22)."""
        how = self.scene.work.history.published[message]
        return any(how.invoked - IN_FLIGHT_S <= cut <= how.acked + IN_FLIGHT_S for cut in self.cuts)


async def run(scene):
    nodes = await scene.start(3, settings=SMALL_STORE)
    work, report = scene.work, scene.report
    group = Group(scene)
    for node in nodes:
        for _ in range(MEMBERS_PER_NODE):
            await group.add(node)
    work.history.on_subscribe("group", "job/#", 1, time.monotonic())
    keepers = Keepers(scene)
    await keepers.gather(nodes)
    await asyncio.sleep(2.5)  # until numbers of members are known
    for node in nodes[:2]:
        await work.speak(node, f"mouth-{node.name}",
                         [Stream(f"job/{node.name}/{at}", 1, 40) for at in range(4)])
    await asyncio.sleep(3)
    scene.note_baseline()
    await cut_members(scene, group)
    await keepers.while_away(kill_node(scene, group, nodes[2]))
    await keepers.while_away(silence_node(scene, nodes[2]))
    work.stop_speaking()
    await keepers.end()
    await work.drain(10)
    judge(scene, group)
    keepers.judge()
    await scene.judge_agreement()
    scene.judge_processes()


async def cut_members(scene, group):
    rounds = scene.lasting(20, 6)
    scene.report.event(f"{rounds} times a member is cut off, and one comes {BACK_AFTER_S} s later")
    for _ in range(rounds):
        node = group.cut()
        await asyncio.sleep(BACK_AFTER_S)
        await group.add(node)
        await asyncio.sleep(CUT_EVERY_S - BACK_AFTER_S)
    scene.report.bit("members cut off", len(group.cuts))


async def kill_node(scene, group, node):
    report = scene.report
    report.event(f"{node.name} is killed")
    node.kill()
    group.cuts.append(time.monotonic())
    group.members = [each for each in group.members if each[0] is not node]
    await asyncio.sleep(NODE_AWAY_S)
    node.start()
    await scene.wait_until_whole(scene.nodes)
    report.event(f"{node.name} is back")
    for _ in range(MEMBERS_PER_NODE):
        await group.add(node)
    await asyncio.sleep(5)
    report.bit(f"starts of {node.name} beyond the first", node.starts - 1)


async def silence_node(scene, node):
    """What was on its way to it got no answer; nobody says that it will not get one."""
    report = scene.report
    dropped = scene.network.packets_dropped()
    report.event(f"{node.name} falls silent for {SILENT_S} s")
    scene.network.silence(node.host.number)
    await asyncio.sleep(SILENT_S)
    report.bit("packets dropped", scene.network.packets_dropped() - dropped)
    scene.network.heal()
    report.event("healed")
    await scene.wait_until_whole(scene.nodes)
    await asyncio.sleep(5)


def judge(scene, group):
    """Each message that was acknowledged reached a member, and none waited for one that was gone."""
    report, history = scene.report, scene.work.history
    waited = history.latencies("group", 0, time.monotonic())
    report.note("taken by members of " + ", ".join(
        f"{name}: {count:,}" for name, count in sorted(group.share.items())))
    report.note(f"{len(history.published):,} messages, {len(history.repeated(1)):,} came twice")
    lost = [message for who, message in history.lost() if who == "group"]
    gone = [each for each in lost if group.went_with_a_member(each)]
    report.note(f"{len(gone)} were in flight to a member when it was cut off, and went with it")
    report.at_most("acknowledged, and no member had it, beside these", len(lost) - len(gone), 0)
    for each in sorted(set(lost) - set(gone))[:5]:
        report.note(f"for example {each}, acknowledged after "
                    f"{history.published[each].acked - history.published[each].invoked:.3f} s")
    report.at_most("longest time from publishing to a member", max(waited, default=None),
                   STUCK_S, "s")
    report.note(f"{sum(each > STUCK_S for each in waited)} messages took longer than {STUCK_S} s, "
                f"{sum(each > 1 for each in waited)} longer than 1 s")
    report.at_most("delivered and never published", len(history.unknown()), 0)
