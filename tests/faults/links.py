# SPDX-License-Identifier: Apache-2.0
"""F5: links that fail while the nodes live. One direction between two nodes, then both, then
connections that are open and carry nothing, then a node that loses 30 % of its packets."""

import asyncio
import time
from collections import Counter

from tests.faults.workload import Stream

RELAYED_WITHIN_S = 7
DRAINED_WITHIN_S = 60
LOSS_PERCENT = 30
STREAMS = ((0, 20), (1, 20), (2, 10))


async def run(scene):
    _, _, third = await scene.start(3, proxied={2})
    work, report = scene.work, scene.report
    for node in scene.nodes:
        await work.listen(node, f"ear-{node.name}", ["load/#"], 2)
    for node in scene.nodes:
        await work.speak(node, f"mouth-{node.name}",
                         [Stream(f"load/{node.name}/{qos}", qos, rate) for qos, rate in STREAMS])
    await asyncio.sleep(scene.lasting(10, 5))
    scene.note_baseline()
    await one_way(scene)
    await both_ways(scene)
    await half_open(scene)
    await lossy(scene, third)
    work.stop_speaking()
    report.at_most("all delivered after the end of the load",
                   await work.drain(DRAINED_WITHIN_S), DRAINED_WITHIN_S, "s")
    scene.judge_messages()
    await scene.judge_drops()
    await scene.judge_agreement()
    scene.judge_processes()


async def one_way(scene):
    scene.report.event("what n1 sends to n2 is dropped")
    network = scene.network
    await break_link(scene, "one way", "packets dropped", network.packets_dropped,
                     lambda: network.cut_one_way(1, 2), network.heal)


async def both_ways(scene):
    scene.report.event("link n1 to n2 cut, both reach n3")
    network = scene.network
    await break_link(scene, "cut", "packets dropped", network.packets_dropped,
                     lambda: network.cut(1, 2), network.heal)


async def half_open(scene):
    """TCP goes on and acknowledges; nothing arrives. At the end the connections are reset."""
    scene.report.event("connections of n1 to n2 are half open")
    first, second, _ = scene.nodes

    def heal():
        second.fault_from(first, reset=True)
        second.fault_from(first)
    await break_link(scene, "half open", "bytes swallowed",
                     lambda: second.proxy_told()["swallowed"],
                     lambda: second.fault_from(first, swallow=True), heal)


async def break_link(scene, what, counted, count, cut, heal):
    """Of n1 to n2, for a while."""
    report, history = scene.report, scene.work.history
    before = count()
    deaths = await scene.sum_of("cluster_deaths_total")
    began = time.monotonic()
    cut()
    await asyncio.sleep(scene.lasting(25, 15))
    bit = count() - before
    heal()
    healed = time.monotonic()
    report.bit(f"{what}, {counted}", bit)
    for qos in (1, 2):
        came = history.first_after("ear-n2", began,
                                   lambda message, qos=qos: message[1] == f"load/n1/{qos}")
        report.at_most(f"{what}, traffic from n1 to n2 resumes at QoS {qos}",
                       came - began if came is not None and came < healed else None,
                       RELAYED_WITHIN_S, "s")
    report.event("healed")
    await asyncio.sleep(scene.lasting(10, 6))
    report.at_most(f"{what}, nodes declared dead",
                   int(await scene.sum_of("cluster_deaths_total") - deaths), 0)


async def lossy(scene, node):
    """Whoever is well stays so in the eyes of all others that are well."""
    report, network = scene.report, scene.network
    report.event(f"{node.name} loses {LOSS_PERCENT} % of its packets")
    dropped = network.packets_dropped()
    marks = {each.name: each.log_size() for each in scene.nodes}
    network.lose(node.host.number, LOSS_PERCENT)
    await asyncio.sleep(scene.lasting(40, 20))
    network.heal()
    report.event("healed")
    report.bit(f"{LOSS_PERCENT} % loss, packets dropped", network.packets_dropped() - dropped)
    await asyncio.sleep(scene.lasting(10, 6))
    well = [each for each in scene.nodes if each is not node]
    changes = [(each.name, change.node, change.became) for each in scene.nodes
               for change in each.changes(marks[each.name])]
    report.note("changes seen: " + ", ".join(
        f"{count} × {seer} holds {seen} for {became}"
        for (seer, seen, became), count in sorted(Counter(changes).items())))
    report.at_most("changes of a node that is well in the view of another that is well",
                   most_of_a_pair(changes, {each.name for each in well}), 1)
    report.at_most("the lossy node or its peers declared dead",
                   sum(became == "died" for _, _, became in changes), 0)


def most_of_a_pair(changes, names):
    pairs = [(seer, seen) for seer, seen, _ in changes if seer in names and seen in names]
    return max((pairs.count(pair) for pair in pairs), default=0)
