# SPDX-License-Identifier: Apache-2.0
"""F6: five nodes whose links come and go, pair by pair, and then one that is alone for minutes."""

import asyncio
import time
from collections import Counter

from tests.faults.nodes import SMALL_STORE, wait_for
from tests.faults.workload import Stream

NODES = 5
CUT_S, HEALED_S = 3, 4
CYCLES, CYCLES_QUICK = 150, 15
WARMING_CYCLES = 5
ALONE_S, ALONE_QUICK_S = 300, 60
# What waited for a node comes at once when it is back, and what that needed is given back later.
SETTLING_S, SETTLING_QUICK_S = 60, 30
REJOINED_WITHIN_S = 35
DRAINED_WITHIN_S = 120
ROUTES_PER_NODE = 40
NOTED_EVERY = 50


async def run(scene):
    await scene.start(NODES, settings=SMALL_STORE)
    await scene.wait_until_spread()
    await begin_load(scene)
    await asyncio.sleep(scene.lasting(20, 8))
    loner = scene.chance.randint(1, NODES)
    await warm_up(scene, loner)
    scene.note_baseline()
    cycles = scene.lasting(CYCLES, CYCLES_QUICK)
    scene.report.event(f"{cycles} cycles: a link cut for {CUT_S} s, {HEALED_S} s healed")
    await judge_cycles(scene, cycles)
    await alone(scene, loner)
    scene.report.event("the load goes on until memory is noted again")
    await asyncio.sleep(scene.lasting(SETTLING_S, SETTLING_QUICK_S))
    scene.judge_growth()
    scene.work.stop_speaking()
    scene.report.at_most("all delivered after the end of the load",
                         await scene.work.drain(DRAINED_WITHIN_S), DRAINED_WITHIN_S, "s")
    scene.judge_messages()
    await scene.judge_drops()
    await judge_routes(scene)
    await scene.judge_agreement()
    stale = int(await scene.sum_of("cluster_membership_messages_stale_total"))
    scene.report.at_most("messages of an earlier life of a node", stale, 0)
    scene.report.at_most("nodes in another life than their first", other_lives(scene), 0)
    scene.judge_processes(with_memory=False)


async def warm_up(scene, loner):
    """The worst of what is to come, once, for the node that will be alone again: memory that is
    stable does not grow when the same comes again. What it needs the first time is told."""
    seconds = scene.lasting(ALONE_S, ALONE_QUICK_S)
    scene.report.event(f"{WARMING_CYCLES} cycles and {seconds} s alone before memory is noted")
    await flap(scene, WARMING_CYCLES)
    scene.note_baseline()
    scene.network.isolate(loner)
    await asyncio.sleep(seconds)
    scene.network.heal()
    await until_whole(scene)
    await asyncio.sleep(scene.lasting(SETTLING_S, SETTLING_QUICK_S))
    scene.report.note(f"memory before and after the first time: {scene.memory_text()}")


async def begin_load(scene):
    """Sessions that are kept, each at home where its client is: who is only connected to a node that
    is given up is owed nothing."""
    work = scene.work
    for node in scene.nodes:
        await work.listen(node, await scene.client_at(node), ["load/#"], 2, clean=False)
        extra = await work.listen(node, f"routes-{node.name}", [f"own/{node.name}"], 0)
        await extra.subscribe([f"only/{node.name}/{number}" for number in range(ROUTES_PER_NODE)])
        await work.speak(node, f"mouth-{node.name}",
                         [Stream(f"load/{node.name}/{qos}", qos, 2) for qos in (1, 2)])


async def flap(scene, cycles):
    """Returns the links that were cut."""
    links = []
    for cycle in range(cycles):
        if cycle > 0 and cycle % NOTED_EVERY == 0:
            scene.report.note(f"memory after {cycle} cycles: {scene.memory_text()}")
        links.append(tuple(sorted(scene.chance.sample(range(1, NODES + 1), 2))))
        scene.network.cut(*links[-1])
        await asyncio.sleep(CUT_S)
        scene.network.heal()
        await asyncio.sleep(HEALED_S)
    return links


async def judge_cycles(scene, cycles):
    network, report = scene.network, scene.report
    dropped = network.packets_dropped()
    deaths = await scene.sum_of("cluster_deaths_total")
    links = Counter(await flap(scene, cycles))
    report.event("healed; cut were " + ", ".join(
        f"n{one}-n{other} {count}×" for (one, other), count in sorted(links.items())))
    report.bit("cycles, packets dropped", network.packets_dropped() - dropped)
    report.at_most("cycles, all are alive for each other after", await until_whole(scene),
                   REJOINED_WITHIN_S, "s")
    report.at_most("cycles, nodes declared dead",
                   int(await scene.sum_of("cluster_deaths_total") - deaths), 0)


async def alone(scene, number):
    network, report = scene.network, scene.report
    seconds = scene.lasting(ALONE_S, ALONE_QUICK_S)
    report.event(f"n{number} alone for {seconds} s")
    dropped = network.packets_dropped()
    deaths = await scene.sum_of("cluster_deaths_total")
    network.isolate(number)
    await asyncio.sleep(seconds)
    report.bit("alone, packets dropped", network.packets_dropped() - dropped)
    report.bit("alone, deaths declared, by it and of it",
               int(await scene.sum_of("cluster_deaths_total") - deaths))
    network.heal()
    report.event("healed")
    report.at_most("alone, all are alive for each other after", await until_whole(scene),
                   REJOINED_WITHIN_S, "s")


async def until_whole(scene):
    """None if that takes much longer than it may."""
    begun = time.monotonic()
    try:
        await wait_for("whole cluster", lambda: scene.is_whole(scene.nodes), 2 * REJOINED_WITHIN_S)
    except TimeoutError:
        return None
    return time.monotonic() - begun


async def judge_routes(scene):
    """Each node knows of every filter of the others: ears, the own topic, and the many."""
    wanted = (NODES - 1) * (ROUTES_PER_NODE + 2)
    found = [int(await each.metric("cluster_routes")) for each in scene.nodes]
    scene.report.criterion("routes at each node", found, f"= {wanted}",
                           all(each == wanted for each in found))


def other_lives(scene):
    """No node was started twice, so nobody may have seen another start."""
    return sum(" became=joined" in line and not line.rstrip().endswith("start=1")
               for each in scene.nodes for line in each.log().splitlines()
               if " member_changed " in line)
