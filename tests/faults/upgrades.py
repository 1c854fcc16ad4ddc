# SPDX-License-Identifier: Apache-2.0
"""Part of F17: all nodes are updated to a later release, one by one and drained, and one of them goes
back in between."""

import pathlib
import time

from tests.faults.crowd import waits_text
from tests.faults.nodes import wait_for

LEVEL, LEVEL_LATER = 1, 2
WAIT_MAX_S = 5.0


def later_release(options):
    """That of tests/future, which speaks the next wire version, too."""
    beside = pathlib.Path(options.broker).parent
    for each in (pathlib.Path(options.future), beside / "grapevine_future"):
        if each.exists():
            return str(each)
    raise RuntimeError(f"no {options.future}: ninja -C build/release grapevine_future")


async def run(scene, crowd):
    report = scene.report
    nodes = scene.running()
    now, later = scene.options.broker, later_release(scene.options)
    first, second = nodes[:2]
    begun = time.monotonic()
    for node, program, word in ((first, later, "updated"), (second, later, "updated"),
                                (first, now, "back"), (first, later, "updated again"),
                                *((each, later, "updated") for each in nodes[2:])):
        levels = await wire_levels(nodes)
        report.criterion(f"wire level before {node.name} is {word}", levels, f"{LEVEL} everywhere",
                         set(levels) == {LEVEL})
        await replace(scene, crowd, nodes, node, program)
        report.event(f"{node.name} is {word}")

    async def has_risen():
        return set(await wire_levels(nodes)) == {LEVEL_LATER}
    await wait_for("the wire level of the later release", has_risen)
    report.criterion("wire level in the end", await wire_levels(nodes), f"{LEVEL_LATER} everywhere", True)
    waits = [loss.waited() for _, loss in crowd.losses(begun, time.monotonic())]
    report.note(f"update: {waits_text(waits)}; PUBACK after "
                f"{crowd.longest_ack(begun, time.monotonic()):.2f} s at most")
    report.at_most("update: longest wait", max(waits), WAIT_MAX_S, "s")


async def wire_levels(nodes):
    return [int(await each.metric("cluster_wire_level")) for each in nodes]


async def replace(scene, crowd, nodes, node, program):
    await node.operate_until_it_ends("drain")
    node.program = program
    node.start()
    await crowd.rest(nodes)
