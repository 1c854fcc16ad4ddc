# SPDX-License-Identifier: Apache-2.0
"""F8: one client identifier that connects everywhere at once, and hundreds of sessions that roam
with messages of QoS 2 in flight both ways."""

import asyncio
import time

from tests.faults.history import percentile
from tests.faults.mqtt import Client
from tests.faults.roamer import Roamer

NODES = 3
STORM_PER_S, STORM_S, STORM_QUICK_S = 50, 30, 8
ROAMERS, ROAMERS_QUICK = 300, 60
ROAM_S, ROAM_QUICK_S = 60, 15
STAY_S = 0.2, 3.0
SAY_EVERY_S = 0.5
ANSWERED_WITHIN_S = 2
DRAINED_WITHIN_S = 30


async def run(scene):
    nodes = await scene.start(NODES)
    await scene.wait_until_spread()
    before = await scene.sum_of("sessions_taken_over_total")
    await storm(scene, nodes)
    await roam(scene, nodes)
    scene.report.bit("sessions taken over",
                     int(await scene.sum_of("sessions_taken_over_total") - before))
    scene.judge_processes()


async def storm(scene, nodes):
    report = scene.report
    seconds = scene.lasting(STORM_S, STORM_QUICK_S)
    report.event(f"one client connects {STORM_PER_S} times a second on {NODES} nodes, for {seconds} s")
    clients, waits, refused = [], [], []

    async def connect(node):
        client = Client("storm", version=5)
        clients.append(client)
        begun = time.monotonic()
        try:
            await client.connect(node.address, clean=False, session_expiry_s=3600)
        except ConnectionError:
            refused.append(client)
        waits.append(time.monotonic() - begun)

    tasks = []
    begun = time.monotonic()
    for number in range(seconds * STORM_PER_S):
        await asyncio.sleep(max(0, begun + number / STORM_PER_S - time.monotonic()))
        tasks.append(asyncio.create_task(connect(scene.chance.choice(nodes))))
    await asyncio.gather(*tasks)
    await asyncio.sleep(2)
    live = [each for each in clients if not each.closed.done()]
    report.note(f"{len(clients):,} times; {len(refused):,} were told that a later one was there")
    report.note(f"to the answer: p50 {1000 * percentile(sorted(waits), .5):.1f} ms, "
                f"p99 {1000 * percentile(sorted(waits), .99):.1f} ms")
    report.at_most("longest wait for an answer to CONNECT", max(waits), ANSWERED_WITHIN_S, "s")
    report.criterion("connections that are left", len(live), "= 1", len(live) == 1)
    report.criterion("connections by the metric",
                     int(await scene.sum_of("connections")), "= 1",
                     await scene.sum_of("connections") == 1)
    report.bit("takeovers of a flapping identifier",
               int(await scene.sum_of("sessions_flapping_total")))
    for each in live:
        await each.disconnect()


async def roam(scene, nodes):
    """Each says something to the next one, all the time, and moves on, all the time."""
    report, history = scene.report, scene.work.history
    count = scene.lasting(ROAMERS, ROAMERS_QUICK)
    seconds = scene.lasting(ROAM_S, ROAM_QUICK_S)
    report.event(f"{count} sessions roam for {seconds} s")
    roamers = [Roamer(f"roamer-{number}", history) for number in range(count)]
    waits = []
    moves = {"cut": 0, "taken over": 0}
    for number, each in enumerate(roamers):
        await each.connect(scene.chance.choice(nodes).address)
        await each.link.subscribe([f"to/{number}"], 2)
        history.on_subscribe(each.name, f"to/{number}", 2, time.monotonic())
    until = time.monotonic() + seconds

    async def move_about(each):
        while time.monotonic() < until:
            await asyncio.sleep(scene.chance.uniform(*STAY_S))
            if scene.chance.random() < 0.5:
                each.cut()
                moves["cut"] += 1
            else:
                moves["taken over"] += 1
            waits.append(await each.connect(scene.chance.choice(nodes).address))

    async def speak(each, to):
        while time.monotonic() < until:
            await asyncio.sleep(scene.chance.uniform(0, 2 * SAY_EVERY_S))
            each.say(f"to/{to}")

    await asyncio.gather(*(move_about(each) for each in roamers),
                         *(speak(each, (number + 1) % count) for number, each in enumerate(roamers)))
    begun = time.monotonic()
    while not is_settled(roamers, history) and time.monotonic() - begun < DRAINED_WITHIN_S:
        await asyncio.sleep(0.2)
    report.note(f"{int(await scene.sum_of('sessions_flapping_total')):,} takeovers were of identifiers "
                "that flap, and waited")
    drained = time.monotonic() - begun if is_settled(roamers, history) else None
    judge_roaming(report, roamers, moves, waits, drained)
    scene.judge_messages()
    report.at_most("messages that wait, or are in flight, in all nodes",
                   int(await scene.sum_of("queued_messages")
                       + await scene.sum_of("in_flight_messages")), 0)
    report.criterion("connections by the metric", int(await scene.sum_of("connections")),
                     f"= {count}", await scene.sum_of("connections") == count)
    for each in roamers:
        each.cut()


def is_settled(roamers, history):
    """By number: which ones came is judged afterwards."""
    delivered = sum(len(history.deliveries[each.name]) for each in roamers)
    return not any(each.outgoing for each in roamers) and delivered >= len(history.published)


def judge_roaming(report, roamers, moves, waits, drained):
    def total(name):
        return sum(getattr(each, name) for each in roamers)
    for how, count in moves.items():
        report.bit(f"moves to another node, {how}", count)
    report.bit("packets of clients sent again", total("resent"))
    report.bit("messages of the broker sent again", total("received_again"))
    report.note(f"to the answer: p50 {1000 * percentile(sorted(waits), .5):.1f} ms, "
                f"p99 {1000 * percentile(sorted(waits), .99):.1f} ms")
    report.at_most("longest wait for an answer to CONNECT", max(waits), ANSWERED_WITHIN_S, "s")
    report.at_most("all settled and delivered after the end", drained, DRAINED_WITHIN_S, "s")
    report.at_most("sessions that were gone", total("sessions_lost"), 0)
    report.at_most("messages sent again with another identifier", total("identifiers_changed"), 0)
