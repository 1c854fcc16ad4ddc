# SPDX-License-Identifier: Apache-2.0
"""F13: a link of 1 Mbit/s to one of three nodes, and eight times as much to be sent over it."""

import asyncio
import time

from tests.faults.history import percentile
from tests.faults.workload import Stream

RATE = "1mbit"
LARGE = 64 * 1024
LARGE_PER_S = {0: 10, 1: 5}
MIB = 1 << 20
QUEUE_MAX, WRITE_BUFFER, CACHE = 8 * MIB, 16 * MIB, 8 * MIB
SLOWER_MAX = 2
GROWTH_MAX = 1.10
DRAINED_WITHIN_S = 60
CALM_S = 0.002  # below, a percentile is noise of the scheduler


async def run(scene):
    sender, near, slow = await scene.start(3, settings=[
        "--cluster.queue_max", str(QUEUE_MAX), "--storage.write_buffer", str(WRITE_BUFFER),
        "--storage.cache", str(CACHE)])
    work, report = scene.work, scene.report
    await work.listen(slow, "ear-slow", ["large/#"], 1)
    await work.listen(near, "ear-near", ["small/#"], 1)
    await work.listen(sender, "ear-here", ["small/#"], 1)
    await work.speak(sender, "mouth-large", [Stream(f"large/{qos}", qos, rate, LARGE)
                                             for qos, rate in LARGE_PER_S.items()])
    await work.speak(sender, "mouth-small", [Stream(f"small/{qos}", qos, 50) for qos in (0, 1)])
    await asyncio.sleep(5)
    scene.note_baseline()
    calm = await measure(scene, scene.lasting(20, 10))
    memory = sender.memory()
    report.event(f"n1 to n3 limited to {RATE}")
    scene.network.limit(1, 3, RATE)
    began = time.monotonic()
    await asyncio.sleep(5)
    highest = asyncio.create_task(peak_memory(sender))
    limited = await measure(scene, scene.lasting(60, 25))
    await judge_limit(scene, time.monotonic() - began)
    scene.network.lift(1)
    lifted = time.monotonic()
    report.event("lifted")
    await asyncio.sleep(5)
    work.stop_speaking()
    is_drained = await work.drain(DRAINED_WITHIN_S) is not None
    highest.cancel()
    cap = QUEUE_MAX + WRITE_BUFFER + CACHE
    report.at_most("memory of the sender above that before",
                   (await highest - memory) / MIB, GROWTH_MAX * cap / MIB, "MiB")
    judge_latencies(report, calm, limited)
    backlog = [each.at - lifted for each in work.history.deliveries["ear-slow"]
               if work.history.published[each.message].invoked < lifted <= each.at]
    report.bit("messages from before the lift that came after it", len(backlog))
    report.at_most("drained after the lift", max(backlog, default=0.0) if is_drained else None,
                   DRAINED_WITHIN_S, "s")
    scene.judge_messages()
    await judge_dropped(scene)
    await scene.judge_agreement()
    scene.judge_processes(with_memory=False)


async def measure(scene, seconds):
    """The 99th percentile of the time that small messages take, in seconds, by subscriber."""
    since = time.monotonic()
    await asyncio.sleep(seconds)
    return {ear: percentile(scene.work.history.latencies(ear, since, time.monotonic() - 1), 0.99)
            for ear in ("ear-near", "ear-here")}


async def peak_memory(node):
    peak = 0
    try:
        while True:
            peak = max(peak, node.memory())
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return peak


async def judge_limit(scene, seconds):
    passed, waited = scene.network.limited(1)
    scene.report.bit("packets that waited or were dropped at the limit", waited)
    scene.report.at_most("the fault bit: rate over the link",
                         passed * 8 / seconds / 1e6, 1.1, "Mbit/s")
    sender = scene.nodes[0]
    scene.report.bit("bytes in memory for other nodes",
                     int(await sender.metric("cluster_queue_bytes")))


def judge_latencies(report, calm, limited):
    for ear, before in calm.items():
        report.at_most(f"p99 at {ear}, unrelated ({before * 1000:.2f} ms before)",
                       limited[ear] * 1000, max(SLOWER_MAX * before, CALM_S) * 1000, "ms")


async def judge_dropped(scene):
    """QoS 0 that is missing is what the sender says that it dropped."""
    missed = len(scene.work.history.missed())
    counted = int(await scene.nodes[0].metric("cluster_messages_dropped_full_total"))
    scene.report.bit("QoS 0 dropped", counted)
    scene.report.criterion("QoS 0 missing, beside those counted", missed, f"= {counted}",
                           missed == counted)
