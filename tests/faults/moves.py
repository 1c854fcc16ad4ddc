# SPDX-License-Identifier: Apache-2.0
"""Part of F17: a fourth node joins, then the first one leaves for good, with thousands of kept
sessions to hand over."""

import asyncio
import collections
import time

from tests.faults.crowd import waits_text
from tests.faults.mqtt import Client
from tests.faults.nodes import wait_for
from tests.faults.regular import reason_text, SERVER_BUSY
from tests.faults.roamer import Roamer

SESSIONS, SESSIONS_QUICK = 4_000, 600
MESSAGES_EACH = 10
MESSAGE_BYTES = 1_000
AT_ONCE = 50  # sessions that are made, or come back
MOVED_WITHIN_S = 120
CALM_S = 3  # without one more
LOOK_EVERY_S = 0.1
WAIT_MAX_S = 5.0
HANDOVER_RATE = "32 MiB/s"  # sessions.handover_rate, as it is by itself
COUNTED = {"partitions": "session_handovers_total", "sessions": "sessions_handed_over_total",
           "bytes": "session_handover_bytes_total", "given up": "session_handovers_stopped_total"}


class Absentees:
    """Kept sessions whose clients are away; each has messages of its own that wait."""

    def __init__(self, scene):
        self.scene = scene
        self.count = scene.lasting(SESSIONS, SESSIONS_QUICK)
        self.got = collections.defaultdict(list)  # number → payloads
        self.not_present = 0

    async def plant(self, nodes):
        await self.each(self.make, nodes)
        speaker = await Client("planter").connect(nodes[0].address)
        waiting = [await speaker.publish(f"bulk/{number}", self.payload(number, at), 1)
                   for at in range(MESSAGES_EACH) for number in range(self.count)]
        await asyncio.gather(*waiting)
        await speaker.disconnect()

    async def each(self, act, nodes):
        """For every session, some at once, on all nodes."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number):
            async with room:
                await act(number, nodes[number % len(nodes)])
        await asyncio.gather(*(one(number) for number in range(self.count)))

    @staticmethod
    def payload(number, at):
        return f"{number} {at} ".encode().ljust(MESSAGE_BYTES, b".")

    async def make(self, number, node):
        client = await Client(f"absent-{number}").connect(node.address, clean=False)
        await client.subscribe([f"bulk/{number}"], 1)
        await client.disconnect()

    async def fetch(self, number, node):
        got = self.got[number]
        client = Client(f"absent-{number}", lambda _, payload, __: got.append(payload))
        await client.connect(node.address, clean=False)
        self.not_present += not client.session_present
        try:
            await wait_for("what waits", lambda: len(got) >= MESSAGES_EACH)
        except TimeoutError:
            pass  # judged below
        await client.disconnect()

    def as_they_were(self):
        return sum(self.got[number] == [self.payload(number, at) for at in range(MESSAGES_EACH)]
                   for number in range(self.count))


async def run(scene, crowd):
    report = scene.report
    *old, fourth = scene.nodes
    absentees = Absentees(scene)
    await absentees.plant(old)
    report.event(f"{absentees.count:,} kept sessions with {MESSAGES_EACH} messages of "
                 f"{MESSAGE_BYTES:,} bytes each")
    await crowd.rest(old)
    await join(scene, crowd, fourth)
    await leave(scene, crowd, old[0])
    await judge_tables(scene, old[0], scene.nodes[1:])
    await absentees.each(absentees.fetch, scene.nodes[1:])
    whole = absentees.as_they_were()
    report.criterion("kept sessions that were there with all that waited, once and in order", whole,
                     f"= {absentees.count:,}", whole == absentees.count)
    report.at_most("of these, not present at the first try", absentees.not_present, 0)


async def counts(nodes):
    return {what: sum([await each.metric(name) for each in nodes]) for what, name in COUNTED.items()}


async def join(scene, crowd, node):
    report = scene.report
    old = scene.nodes[:-1]
    before, begun = await counts(old), time.monotonic()
    report.event(f"{node.name} joins")
    node.start()
    moving = asyncio.create_task(watch_moves(scene, old, before["partitions"]))
    await scene.wait_until_whole(scene.nodes)
    serves = time.monotonic()
    ends = await moving
    moved = {what: count - before[what] for what, count in (await counts(old)).items()}
    report.note(f"served after {serves - begun:.1f} s")
    tell_moves(report, f"{node.name} joins", moved, ends, begun)
    await crowd.rest(scene.nodes)
    judge_waits(report, crowd, f"{node.name} joins", begun, time.monotonic())
    report.bit(f"sessions on {node.name}", int(await node.metric("sessions_persistent")))


async def has_share(scene):
    try:
        homes = [await each.metric("cluster_partitions") for each in scene.nodes]
    except OSError:
        return False  # it is not there yet
    under_way = await scene.sum_of("session_handovers_under_way")
    return sum(homes) == 256 and min(homes) >= 256 // len(homes) // 2 and not under_way


async def watch_moves(scene, old, seen):
    """When the first and the last partition with sessions went over."""
    begun = calm_since = time.monotonic()
    first = last = None
    while time.monotonic() - begun < MOVED_WITHIN_S:
        now = await scene.sum_of("session_handovers_total", old)
        if now > seen:
            seen, last = now, time.monotonic()
            first, calm_since = first or last, last
        if first and time.monotonic() - calm_since > CALM_S and await has_share(scene):
            return first, last
        await asyncio.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"partitions still moved after {MOVED_WITHIN_S} s")


def tell_moves(report, what, moved, ends, begun):
    first, last = ends
    took = max(last - first, 0.02)
    report.note(f"{what}: {moved['partitions']:,.0f} partitions with {moved['sessions']:,.0f} sessions and "
                f"{moved['bytes'] / (1 << 20):.1f} MiB went over, {moved['given up']:.0f} given up; the first after "
                f"{first - begun:.1f} s, the last {took:.2f} s later: {moved['partitions'] / took:,.0f} partitions/s, "
                f"{moved['sessions'] / took:,.0f} sessions/s, {moved['bytes'] / took / (1 << 20):.1f} MiB/s "
                f"(sessions.handover_rate: {HANDOVER_RATE} a node)")
    report.bit(f"{what}: sessions handed over", int(moved["sessions"]))


def judge_waits(report, crowd, what, since, until):
    by_goodbye = collections.defaultdict(list)
    for each, loss in crowd.losses(since, until):
        kind = reason_text(loss.goodbye) if each.version == 5 else "MQTT 3.1.1"
        by_goodbye[kind].append(loss.waited())
    for kind, waits in sorted(by_goodbye.items()):
        report.note(f"{what}: clients that lost their connection ({kind}): {waits_text(waits)}")
    everyone = [wait for waits in by_goodbye.values() for wait in waits]
    report.note(f"{what}: all: {waits_text(everyone)}; PUBACK after "
                f"{crowd.longest_ack(since, until):.2f} s at most")
    report.bit(f"{what}: clients of moved partitions", len(by_goodbye[reason_text(SERVER_BUSY)]))
    report.at_most(f"{what}: longest wait", max(everyone), WAIT_MAX_S, "s")


async def leave(scene, crowd, node):
    report = scene.report
    rest = [each for each in scene.nodes if each is not node]
    before = await counts([node])
    own = await node.metric("cluster_partitions")
    held = await node.metric("sessions_persistent")
    begun = time.monotonic()
    report.event(f"{node.name} leaves for good, home of {own:.0f} partitions with {held:.0f} sessions")
    leaving = asyncio.create_task(node.operate_until_it_ends("leave"))
    told, first, last = before, None, begun
    while not leaving.done():
        try:
            now = await counts([node])
        except (OSError, AttributeError):
            break  # it is gone
        if now["partitions"] > told["partitions"]:
            told, last = now, time.monotonic()
            first = first or last
        await asyncio.sleep(LOOK_EVERY_S)
    ended = await leaving
    report.note(f"{node.name} leaves: it ended after {ended - begun:.1f} s")
    moved = {what: count - before[what] for what, count in told.items()}
    tell_moves(report, f"{node.name} leaves", moved, (first, last), begun)
    crowd.move_to(rest, node)
    await crowd.rest(rest)
    judge_waits(report, crowd, f"{node.name} leaves", begun, time.monotonic())


async def judge_tables(scene, left, rest):
    """All see the same, and that it has left."""
    report = scene.report
    seen = [(await each.status())["members"] for each in rest]
    tables = [{member["name"]: member["partitions"] for member in members} for members in seen]
    report.criterion("partitions of each node, the same on all", tables[0], "= on the others",
                     all(each == tables[0] for each in tables))
    states = [next((member["state"] for member in members if member["name"] == left.name), "forgotten")
              for members in seen]
    report.criterion(f"what {left.name} is for the others", ", ".join(states), "left",
                     set(states) == {"left"})
