# SPDX-License-Identifier: Apache-2.0
"""F16: one of three nodes has a wrong clock: a drift, ten minutes ahead, a jump backwards to ten
minutes behind, and right again."""

import asyncio
import datetime
import json
import re
import subprocess
import time

from tests.faults.mqtt import Client
from tests.faults.nodes import wait_for
from tests.faults.retained import retained_on
from tests.faults.workload import Stream

DRIFT_PPM = 200
AHEAD_S = 600
EXPIRY_S = 400  # longer than the run, shorter than the jump
ALARM_WITHIN_S = 2
SKEW_MAX_S = 0.5  # beyond, a clock is not followed
ROUNDS = 20
QUEUED = 20
WRONG = 2  # number of the node


async def run(scene):
    clock = scene.false_clock()
    await scene.start(3, clocks={WRONG: clock})
    work, report = scene.work, scene.report
    for node in scene.nodes:
        await work.listen(node, f"ear-{node.name}", ["load/#"], 2)
        await work.speak(node, f"mouth-{node.name}",
                         [Stream(f"load/{node.name}/{qos}", qos, 15) for qos in (1, 2)])
    away = await leave_something_to_expire(scene)
    await asyncio.sleep(3)
    scene.note_baseline()
    await drift(scene, clock)
    await jump(scene, clock, "ahead", AHEAD_S)
    await jump(scene, clock, "behind", -AHEAD_S)
    await right_again(scene, clock)
    work.stop_speaking()
    report.at_most("all delivered after the end of the load", await work.drain(60), 60, "s")
    scene.judge_messages()
    await judge_expiry(scene, away)
    await scene.judge_agreement()
    report.at_most("nodes declared dead", int(await scene.sum_of("cluster_deaths_total")), 0)
    scene.judge_processes()
    await judge_stamps(scene)


# --- the wrong clock

async def drift(scene, clock):
    seconds = scene.lasting(60, 15)
    scene.report.event(f"the clock of n{WRONG} runs {DRIFT_PPM} ppm fast for {seconds} s")
    marks = marks_of(scene)
    clock.set(fast_ppm=DRIFT_PPM)
    await asyncio.sleep(seconds)
    await judge_last_writer(scene, "drift")
    scene.report.at_most("drift, alarms about a clock", alarms(scene, marks, "clock_"), 0)


async def jump(scene, clock, what, offset):
    report = scene.report
    report.event(f"the clock of n{WRONG} jumps to {offset:+} s")
    marks = marks_of(scene)
    began = time.monotonic()
    clock.set(ahead_s=offset)
    try:
        await wait_for("alarm", lambda: alarms(scene, marks, "clock_far_ahead"), 20)
        took = time.monotonic() - began
    except TimeoutError:
        took = None
    report.at_most(f"{what}, alarm after", took, ALARM_WITHIN_S, "s")
    await asyncio.sleep(5)
    await judge_last_writer(scene, what)
    judge_wall_clock(scene, what, offset)
    await asyncio.sleep(scene.lasting(20, 5))


async def right_again(scene, clock):
    scene.report.event(f"the clock of n{WRONG} is right again")
    marks = marks_of(scene)
    clock.set()
    try:
        await wait_for("end", lambda: alarms(scene, marks, "clock_fine_again"), 20)
    except TimeoutError:
        pass
    scene.report.at_least("right again, said so in a log",
                          alarms(scene, marks, "clock_fine_again"), 1, "times")
    await judge_last_writer(scene, "right again")


def marks_of(scene):
    return {each.name: each.log_size() for each in scene.nodes}


def alarms(scene, marks, kind):
    return sum(len(re.findall(f" cluster_alarm .*alarm={kind}", each.log(marks[each.name])))
               for each in scene.nodes)


def judge_wall_clock(scene, what, offset):
    """Proof that the node reads the time that it was given: its log does."""
    lines = scene.nodes[WRONG - 1].log().splitlines()
    line = next(each for each in reversed(lines) if " client_" in each)
    seen = datetime.datetime.fromisoformat(line.split(" ", 1)[0].replace("Z", "+00:00"))
    off = seen.timestamp() - time.time()
    scene.report.criterion(f"the fault bit: {what}, time in the log of n{WRONG}",
                           f"{off:+.0f} s", f"= {offset:+.0f} s, within 60 s",
                           abs(off - offset) < 60)


# --- who wrote last

async def judge_last_writer(scene, what):
    """Two nodes set a topic one after the other, further apart than clocks may differ; the second
    wins on all. Once with the wrong clock first, once with it last, and once between those that are
    well."""
    one, wrong, other = scene.nodes
    for first, second in ((wrong, one), (one, wrong), (one, other), (other, one)):
        won = await rounds(scene, what.replace(" ", "-"), first, second)
        scene.report.criterion(
            f"{what}, {second.name} sets after {first.name} and holds on all nodes", won,
            f"= {ROUNDS}", won == ROUNDS)


async def rounds(scene, what, first, second):
    """How many of the topics have what was set last, on all nodes."""
    topics = [f"lww/{what}/{first.name}/{second.name}/{number}" for number in range(ROUNDS)]
    for node in (first, second):
        client = await Client(f"sets-{node.name}").connect(node.address)
        for topic in topics:
            await client.publish_and_wait(topic, node.name.encode(), retain=True)
        await client.disconnect()
        await asyncio.sleep(2 * SKEW_MAX_S)
    wrong = set()
    for node in scene.nodes:
        seen = await retained_on(node, f"lww/{what}/{first.name}/{second.name}/#")
        wrong |= {topic for topic in topics if seen.get(topic) != second.name.encode()}
    return ROUNDS - len(wrong)


# --- what expires

async def leave_something_to_expire(scene):
    """A session away on each node that is well, with messages queued from all, and retained ones.
    Returns the client of each."""
    await scene.wait_until_spread()
    away = {}
    for node in well(scene):
        away[node.name] = await scene.client_at(node)
        client = await Client(away[node.name], version=5).connect(
            node.address, clean=False, session_expiry_s=EXPIRY_S)
        await client.subscribe(["soon/#"], 1)
        await client.disconnect()
    for node in scene.nodes:
        client = await Client(f"leaves-{node.name}", version=5).connect(node.address)
        for number in range(QUEUED):
            await client.publish_and_wait(f"soon/{node.name}/{number}", b"not yet",
                                          expiry_s=EXPIRY_S)
        await client.publish_and_wait(f"kept/{node.name}", b"not yet", retain=True,
                                      expiry_s=EXPIRY_S)
        await client.disconnect()
    return away


async def judge_expiry(scene, away):
    report = scene.report
    for node in well(scene):
        got = set()
        client = Client(away[node.name], lambda topic, *_, got=got: got.add(topic), version=5)
        await client.connect(node.address, clean=False, session_expiry_s=EXPIRY_S)
        await asyncio.sleep(1)
        report.at_least(f"sessions on {node.name} that have not expired",
                        int(client.session_present), 1)
        report.at_least(f"queued messages on {node.name} that have not expired", len(got),
                        QUEUED * len(scene.nodes))
        await client.disconnect()
        kept = await retained_on(node, "kept/#")
        report.at_least(f"retained messages on {node.name} that have not expired", len(kept),
                        len(scene.nodes))


def well(scene):
    return [each for each in scene.nodes if each.host.number != WRONG]


# --- what they wrote down

async def judge_stamps(scene):
    """Stamps that the nodes which are well gave to what they retained, as their stores have them.
    After a clock that was dragged ahead these would be of the future."""
    program = scene.options.broker
    for node in well(scene):
        await node.stop()
        file = node.folder / "export"
        subprocess.run([program, "store", "export", str(file), "--folder",
                        str(node.folder / "store")], check=True, capture_output=True)
        stamps = [stamp_of(row) for row in map(json.loads, file.read_text().splitlines())
                  if own_words(row, node)]
        latest = max(stamps) - time.time()
        scene.report.at_least(f"retained rows of {node.name} itself", len(stamps), ROUNDS)
        scene.report.at_most(f"the latest stamp of {node.name}, after now", latest, SKEW_MAX_S, "s")


def own_words(row, node):
    """A retained message that was published on that node."""
    return row["type"] == "retained" and row["message"].get("text") == node.name


def stamp_of(row):
    return datetime.datetime.fromisoformat(row["message"]["stamp"].replace("Z", "+00:00")).timestamp()
