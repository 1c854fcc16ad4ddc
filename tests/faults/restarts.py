# SPDX-License-Identifier: Apache-2.0
"""F17: nodes are restarted one after the other under load, with and without drain; one joins and one
leaves; and all are updated to a later release."""

import asyncio
import collections
import dataclasses
import signal
import time

from tests.faults import moves, upgrades
from tests.faults.crowd import Crowd, waits_text
from tests.faults.regular import reason_text, SERVER_BUSY, SERVER_MOVED, USE_ANOTHER_SERVER

NODES = 3
TAKEN = "session_partitions_taken_total"
AWAY_S = 0.2  # as by a supervisor that starts it at once
AWAY_KILLED_S = 5  # longer than it takes to be held for dead
STEADY_S, STEADY_QUICK_S = 10, 4
WAIT_MAX_S = 5.0  # of whoever need not wait for its home to start; of those others from when it serves


@dataclasses.dataclass
class Restart:
    how: str
    node: object
    begun: float
    ended: float = 0.0  # its process
    started: float = 0.0
    serves: float = 0.0
    rested: float = 0.0  # and everything else is as before
    moved: int = 0  # partitions with sessions, by then


async def run(scene):
    await scene.start(NODES + 1, started=NODES)
    nodes = scene.nodes[:NODES]
    crowd = Crowd(scene, nodes)
    try:
        await scene.wait_until_spread(nodes)
        await crowd.gather()
        await measure_steady(scene, crowd)
        scene.note_baseline()
        done = []
        for how in (by_signal(signal.SIGTERM), by_signal(signal.SIGKILL), by_drain):
            done += await restart_each(scene, crowd, how)
        await moves.run(scene, crowd)
        await upgrades.run(scene, crowd)
        await judge(scene, crowd, [each.ended for each in done if each.how == "SIGKILL"])
    finally:
        crowd.close()


async def measure_steady(scene, crowd):
    begun = time.monotonic()
    await asyncio.sleep(scene.lasting(STEADY_S, STEADY_QUICK_S))
    scene.report.note(f"nothing restarted: PUBACK after {crowd.longest_ack(begun, time.monotonic()):.2f} s "
                      "at most")


# --- how to end a node

def by_signal(number):
    async def end(node):
        if number == signal.SIGKILL:
            node.kill()
        else:
            await node.stop()
        return time.monotonic()
    end.how = number.name
    return end


async def by_drain(node):
    return await node.operate_until_it_ends("drain")
by_drain.how = "drain"


async def restart_each(scene, crowd, end):
    nodes = crowd.nodes[:1] if scene.is_quick else crowd.nodes
    done = []
    for node in nodes:
        done.append(await restart(scene, crowd, node, end))
    judge_restarts(scene, crowd, end.how, done)
    return done


async def restart(scene, crowd, node, end):
    report = scene.report
    await crowd.rest(crowd.nodes)
    others = [each for each in crowd.nodes if each is not node]
    before = await scene.sum_of(TAKEN, others)
    went = Restart(end.how, node, time.monotonic())
    report.event(f"{node.name}: {end.how}")
    went.ended = await end(node)
    report.event(f"{node.name} has ended")
    went.moved = int(await scene.sum_of(TAKEN, others) - before)
    await asyncio.sleep(AWAY_KILLED_S if end.how == "SIGKILL" else AWAY_S)
    node.start()
    went.started = time.monotonic()
    await scene.wait_until_whole(crowd.nodes)
    went.serves = time.monotonic()
    report.event(f"{node.name} serves")
    await crowd.rest(crowd.nodes)
    went.rested = time.monotonic()
    if end is by_drain:
        report.bit("partitions with sessions that others took", went.moved)
        report.bit("partitions with sessions that came back", int(await node.metric(TAKEN)))
    return went


# --- what clients noticed

def judge_restarts(scene, crowd, how, done):
    report = scene.report
    report.bit(f"connections lost by {how}", sum(
        len(crowd.losses(each.begun, each.rested)) for each in done))
    for each in done:
        report.note(f"{how}, {each.node.name}: ended after {each.ended - each.begun:.1f} s, served "
                    f"{each.serves - each.ended:.1f} s later")
    if how == "drain":
        judge_drains(report, crowd, done)
    else:
        judge_ends(report, crowd, how, done)
    longest = max(crowd.longest_ack(each.begun, each.rested) for each in done)
    report.note(f"{how}: PUBACK after {longest:.2f} s at most")


def kinds_of(clients, node):
    kinds = {"home there": [], "front there": [], "neither": []}
    for each in clients:
        kinds["home there" if each.home is node else
              "front there" if each.preferred is node else "neither"].append(each)
    return kinds


def waits_by_kind(crowd, done, between):
    """Kind of client → (how long they waited, how many clients there are)"""
    waits, counts = collections.defaultdict(list), collections.Counter()
    for each in done:
        since, until = between(each)
        for kind, clients in kinds_of(crowd.all(), each.node).items():
            counts[kind] += len(clients)
            waits[kind] += [loss.waited() for _, loss in crowd.losses(since, until, clients)]
    return {kind: (waits[kind], counts[kind]) for kind in counts}


def judge_ends(report, crowd, how, done):
    """A session is back when its home is."""
    waits = collections.defaultdict(list)
    counts = collections.Counter()
    beyond = []
    for each in done:
        for kind, clients in kinds_of(crowd.all(), each.node).items():
            counts[kind] += len(clients)
            for _, loss in crowd.losses(each.begun, each.rested, clients):
                is_of_home = kind == "home there" and loss.at < each.serves
                waits[kind].append(loss.waited(each.ended if is_of_home else None))
                if kind == "home there":
                    beyond.append(loss.back - each.serves)
    for kind in counts:
        report.note(f"{how}, {kind}: {waits_text(waits[kind], counts[kind])}")
    report.at_most(f"{how}: last client with its home there is back after that serves",
                   max(beyond, default=None), WAIT_MAX_S, "s")
    report.at_most(f"{how}: longest wait of others", max(waits["front there"] + waits["neither"],
                                                        default=0.0), WAIT_MAX_S, "s")


def judge_drains(report, crowd, done):
    phases = {"until it has ended": lambda each: (each.begun, each.started),
              "its partitions come back": lambda each: (each.started, each.rested)}
    longest = 0.0
    for phase, between in phases.items():
        for kind, (waits, clients) in waits_by_kind(crowd, done, between).items():
            report.note(f"drain, {phase}, {kind}: {waits_text(waits, clients)}")
            longest = max([longest, *waits])
    report.at_most("drain: longest wait", longest, WAIT_MAX_S, "s")
    goodbyes = collections.Counter(
        loss.goodbye for went in done for each, loss in crowd.losses(went.begun, went.started)
        if each.version == 5 and loss.node is went.node)
    report.note("goodbyes of the drained node to MQTT 5: " + ", ".join(
        f"{count} {reason_text(reason)}" for reason, count in goodbyes.items()))
    elsewhere = goodbyes[USE_ANOTHER_SERVER] + goodbyes[SERVER_MOVED]
    report.bit("MQTT 5 clients sent to another server", elsewhere)
    report.at_most("MQTT 5 connections to it that ended otherwise",
                   goodbyes.total() - elsewhere - goodbyes[SERVER_BUSY], 0)


async def judge(scene, crowd, kills):
    report, history = scene.report, scene.work.history
    report.at_most("all settled and delivered after the end", await crowd.fall_silent(), 60, "s")
    report.at_most("sessions that were gone", sum(each.sessions_lost for each in crowd.all()), 0)
    slow = sorted((how.acked - how.invoked, message) for message, how in history.published.items()
                  if how.qos == 1 and how.acked)
    report.note(f"longest way to a PUBACK: {slow[-1][0]:.2f} s, {slow[-1][1]} published after "
                f"{history.published[slow[-1][1]].invoked - report.begun:.1f} s")
    report.at_most("publications without acknowledgement",
                   sum(how.acked is None for how in history.published.values()), 0)
    refused = [each for client in crowd.all() for each in client.refused]
    report.at_most("publications refused", len(refused), 0)
    for message, at, reason in refused[:5]:
        report.note(f"for example {message} with {reason_text(reason)} after {at - report.begun:.3f} s")
    report.at_most("messages sent again with another identifier",
                   sum(each.identifiers_changed for each in crowd.all()), 0)

    def was_on_its_way(message):
        """To a node that was killed: it may have written it down and not said so."""
        how = history.published[message]
        return any(how.invoked <= at and not (how.acked and how.acked <= at) for at in kills)
    report.note(f"on their way when a node was killed: {sum(map(was_on_its_way, history.published))} "
                "messages; of these twice at QoS 2: "
                + str(sum(was_on_its_way(message) for _, message in history.repeated(2))))
    scene.judge_messages(was_on_its_way)
    scene.judge_processes(with_memory=False)
