# SPDX-License-Identifier: Apache-2.0
"""F11: retained messages set and cleared on three nodes at a time, and a node that comes back after
removals have been forgotten. No node waits seven days: the clocks of all jump over eight."""

import asyncio
import time

from tests.faults.mqtt import Client
from tests.faults.nodes import wait_for

TOPICS, ONLY_TOPICS = 500, 50
DAYS = 8  # longer than cluster/retained_coverage.hpp waits for a member (age_max)
EQUAL_WITHIN_S = 10
PER_SECOND = 80
APART_S = 1  # longer than clocks differ
SEED_TOPIC = "r/{}"


class Model:
    """What holds of each topic. A write counts where it is more than APART_S after all others."""

    def __init__(self, chance):
        self.chance = chance
        self.texts = {}
        self.cleared = set()
        self.numbers = 0

    def draw(self, node):
        """A topic and what is to be there: nothing, in a third of all cases."""
        self.numbers += 1
        topic = SEED_TOPIC.format(self.chance.randrange(TOPICS))
        return topic, b"" if self.chance.random() < 1 / 3 else f"{node} {self.numbers}".encode()

    def note(self, topic, text):
        if text:
            self.texts[topic] = text
            self.cleared.discard(topic)
        else:
            self.texts.pop(topic, None)
            self.cleared.add(topic)


async def run(scene):
    clock = scene.false_clock()
    nodes = await scene.start(3, clocks={1: clock, 2: clock, 3: clock})
    report, model = scene.report, Model(scene.chance)
    await concurrent(scene, model, nodes)
    await judge_equal(scene, "after writes on three nodes", nodes, None)
    await settle_all(scene, model, nodes)
    await judge_equal(scene, "after a last write for each topic", nodes, model.texts)
    away = nodes[2]
    before = dict(model.texts)
    await alone_and_away(scene, away)
    await concurrent(scene, model, nodes[:2])
    await settle_all(scene, model, nodes[:2])
    report.bit("topics that the node that is away has and that were cleared meanwhile",
               len(before.keys() & model.cleared))
    await forget_removals(scene, clock, nodes[:2])
    scene.network.heal()
    report.event(f"{away.name} comes back")
    away.start()
    await judge_equal(scene, "after the return", nodes, model.texts)
    await judge_past(scene, nodes, model)
    await scene.judge_agreement()
    scene.judge_processes(with_memory=False)


# --- what is written

async def concurrent(scene, model, nodes):
    """Each node sets and clears topics of the same 500, as it comes."""
    seconds = scene.lasting(30, 10)
    scene.report.event(f"{len(nodes)} nodes set and clear {TOPICS} topics for {seconds} s")
    until = time.monotonic() + seconds
    written = sum(await asyncio.gather(*(scribble(model, node, until) for node in nodes)))
    scene.report.bit("writes", written)


async def scribble(model, node, until):
    client = await Client(f"scribbles-{node.name}").connect(node.address)
    written = 0
    while time.monotonic() < until:
        topic, text = model.draw(node.name)
        await client.publish_and_wait(topic, text, retain=True)
        written += 1
        await asyncio.sleep(1 / PER_SECOND)
    await client.disconnect()
    return written


async def settle_all(scene, model, nodes):
    """A last write for each topic, by a node that is drawn; the model knows it."""
    await asyncio.sleep(APART_S)
    clients = [await Client(f"settles-{node.name}").connect(node.address) for node in nodes]
    for number in range(TOPICS):
        topic = SEED_TOPIC.format(number)
        _, text = model.draw("settled")
        await scene.chance.choice(clients).publish_and_wait(topic, text, retain=True)
        model.note(topic, text)
    for each in clients:
        await each.disconnect()


async def alone_and_away(scene, node):
    """What is set there while it is cut off is nowhere else when it stops."""
    scene.report.event(f"{node.name} is cut off, {ONLY_TOPICS} topics are set there, it stops")
    dropped = scene.network.packets_dropped()
    scene.network.isolate(node.host.number)
    await asyncio.sleep(1)
    client = await Client("sets-alone").connect(node.address)
    for number in range(ONLY_TOPICS):
        await client.publish(f"only/{number}", b"here", 1, retain=True)
    await asyncio.sleep(2)  # it does not wait for others: it keeps what it was given
    client.cut()
    scene.report.bit("packets dropped", scene.network.packets_dropped() - dropped)
    node.kill()  # and stays cut off: the kernel would still send what the process had handed over


async def forget_removals(scene, clock, nodes):
    scene.report.event(f"the clocks of all jump {DAYS} days")
    before = [await each.metric("cluster_retained_collections_total") for each in nodes]
    clock.set(ahead_s=DAYS * 86400)

    async def have_forgotten():
        now = [await each.metric("cluster_retained_collections_total") for each in nodes]
        return all(after > earlier for after, earlier in zip(now, before))
    begun = time.monotonic()
    await wait_for("nodes that forget removals", have_forgotten, 120)
    scene.report.bit("s until both had forgotten removals", time.monotonic() - begun)


# --- what is there

async def retained_on(node, topic_filter, quiet_s=0.5):
    """Topic → payload: what a new subscriber is given."""
    seen, newest = {}, [time.monotonic()]

    def heard(topic, payload, _):
        seen[topic] = payload
        newest[0] = time.monotonic()
    client = await Client(f"looks-{node.name}", heard).connect(node.address)
    await client.subscribe([topic_filter], 1)
    while time.monotonic() - newest[0] < quiet_s:
        await asyncio.sleep(0.02)
    await client.disconnect()
    return seen


async def judge_equal(scene, when, nodes, wanted):
    """All have the same, and what the model has if there is one, soon."""
    begun, took = time.monotonic(), None
    seen = []
    while time.monotonic() - begun < 3 * EQUAL_WITHIN_S:
        looked = time.monotonic() - begun
        if all([await each.is_ready() for each in nodes]):
            seen = await asyncio.gather(*(retained_on(each, "#") for each in nodes))
            if all(each == (seen[0] if wanted is None else wanted) for each in seen):
                took = looked
                break
        await asyncio.sleep(0.2)
    scene.report.note(f"{when}: {[len(each) for each in seen]} retained of {TOPICS} topics"
                      + (f", {len(wanted)} in the model" if wanted is not None else ""))
    scene.report.at_most(f"{when}, the same on all nodes"
                         + ("" if wanted is None else " and as the model says"), took,
                         EQUAL_WITHIN_S, "s")


async def judge_past(scene, nodes, model):
    """Nothing that was cleared is back, and nothing that only the returned node had."""
    back, only = [], []
    for each in nodes:
        seen = await retained_on(each, "#")
        back.append(len(model.cleared & seen.keys()))
        only.append(sum(topic.startswith("only/") for topic in seen))
    scene.report.criterion("cleared topics that are back, by node", back, "= 0", not any(back))
    scene.report.criterion("topics that only the returned node had before the cap, by node", only,
                           "= 0", not any(only))
