# SPDX-License-Identifier: Apache-2.0
"""F12: 200,000 filters on three nodes that change all the time; a node that is killed and back at
once, whose last words arrive after it; a node that joins."""

import asyncio
import time
from collections import defaultdict

from tests.faults.mqtt import Client
from tests.faults.nodes import wait_for

FILTERS, FILTERS_QUICK = 200_000, 40_000
CLIENTS_PER_NODE = 2
A_SUBSCRIBE = 1_000
GROUPS = 500  # first levels of topics
LINGER_S = 2
SETTLED_WITHIN_S = 30
SAMPLES, GHOSTS, GAP_ROUNDS = 600, 300, 200
JOIN_WITHIN_S, JOIN_FILTERS = 5, 200_000
OLD_WORDS_MS = 4_000
JITTER_MS = 40
IN_FLIGHT_S, LATEST_S = 2, 10


def wider(topic):
    """All filters that match a topic of three levels."""
    one, two, three = topic.split("/")
    for first in (one, "+"):
        yield f"{first}/#"
        for second in (two, "+"):
            yield f"{first}/{second}/#"
            for third in (three, "+"):
                yield f"{first}/{second}/{third}"
                yield f"{first}/{second}/{third}/#"
    yield "#"


class Holder:
    """A client and the filters that it has."""

    def __init__(self, node, name, on_message):
        self.node, self.name = node, name
        self.client = Client(name, lambda topic, payload, _: on_message(name, topic, payload))
        self.filters = set()

    async def take(self, filters):
        filters = sorted(filters)
        for at in range(0, len(filters), A_SUBSCRIBE):
            await self.client.subscribe(filters[at:at + A_SUBSCRIBE], 1)
            self.filters.update(filters[at:at + A_SUBSCRIBE])

    async def drop(self, filters):
        filters = sorted(filters)
        for at in range(0, len(filters), A_SUBSCRIBE):
            await self.client.unsubscribe(filters[at:at + A_SUBSCRIBE])
        self.filters.difference_update(filters)


class Forest:
    """All filters of all clients: the model."""

    def __init__(self, scene):
        self.scene, self.chance = scene, scene.chance
        self.holders = []
        self.made = 0
        self.got = defaultdict(list)  # topic → names of who got it
        self.dropped = []  # filters that were there and are not

    def new_filter(self):
        """Four of five are topics."""
        self.made += 1
        group, kind = self.chance.randrange(GROUPS), self.chance.random()
        if kind < 0.8:
            return f"g{group}/d{self.made}/t"
        return f"g{group}/+/k{self.made}" if kind < 0.9 else f"g{group}/d{self.made}/#"

    def topic_of(self, topic_filter):
        """One that it matches, and few others do."""
        return topic_filter.replace("+", f"d{self.made + 1}").replace("#", "any")

    async def plant(self, node, count):
        """New clients on that node, with so many filters."""
        for number in range(CLIENTS_PER_NODE):
            holder = Holder(node, f"holds-{node.name}-{number}-{self.made}", self.on_message)
            await holder.client.connect(node.address)
            self.holders.append(holder)
            await holder.take({self.new_filter() for _ in range(count // CLIENTS_PER_NODE)})

    def on_message(self, name, topic, _):
        self.got[topic].append(name)

    def uproot(self, node):
        """They are gone with their node."""
        gone = [each for each in self.holders if each.node is node]
        for each in gone:
            each.client.cut()
            self.holders.remove(each)
            self.dropped += each.filters
        return gone

    async def churn(self, holder, count):
        old = self.chance.sample(sorted(holder.filters), count)
        await holder.drop(old)
        self.dropped += old
        await holder.take({self.new_filter() for _ in range(count)})

    def of_node(self, node):
        return set().union(*(each.filters for each in self.holders if each.node is node))

    def routes_at(self, node):
        """So many must it know."""
        return sum(len(self.of_node(other)) for other in self.scene.running() if other is not node)

    def takers(self, topic):
        candidates = set(wider(topic))
        return sorted(each.name for each in self.holders if candidates & each.filters)

    def ghosts(self, count):
        """Topics of filters that were there and that nobody has now."""
        topics = [self.topic_of(each) for each in self.dropped]
        return [each for each in self.chance.sample(topics, min(len(topics), 3 * count))
                if not self.takers(each)][:count]


async def run(scene):
    count = scene.lasting(FILTERS, FILTERS_QUICK)
    await scene.start(4, started=3, proxied={1, 2})
    report, forest = scene.report, Forest(scene)
    first, second, third, joins = scene.nodes
    begun = time.monotonic()
    await asyncio.gather(*(forest.plant(node, count // 3) for node in scene.running()))
    report.event(f"{count:,} filters subscribed in {time.monotonic() - begun:.1f} s")
    await judge_routes(scene, forest, "after planting")
    await churn_and_gaps(scene, forest)
    await judge_all(scene, forest, "after churn")
    await restart(scene, forest, second, first, count // 3)
    await judge_all(scene, forest, "after a fast restart")
    await join(scene, forest, joins)
    await judge_all(scene, forest, "after a join")
    report.at_most("messages that no honest node sends", malformed(scene), 0)
    await scene.judge_agreement()
    scene.judge_processes()
    for each in forest.holders:
        each.client.cut()


# --- faults

async def churn_and_gaps(scene, forest):
    """While filters come and go, whoever has a SUBACK gets what is published afterwards; also over
    links with jitter."""
    first, second, _ = scene.running()
    scene.report.event("churn")
    await churn_all(scene, forest, "churn")
    scene.report.event(f"churn, and up to {JITTER_MS} ms of jitter between n1 and n2")
    first.fault_from(second, jitter_ms=JITTER_MS)
    second.fault_from(first, jitter_ms=JITTER_MS)
    await churn_all(scene, forest, "churn and jitter")
    for one, other in ((first, second), (second, first)):
        one.fault_from(other)
    scene.report.bit("pieces delayed by the proxies", first.proxy_counts["delayed"]
                     + second.proxy_counts["delayed"])


async def churn_all(scene, forest, what):
    """A SUBACK that does not have the word of all nodes comes after 250 ms, and is counted: of those
    no more is promised."""
    late = await scene.sum_of("cluster_subscribe_waits_late_total")
    waits = await scene.sum_of("cluster_subscribe_waits_total")
    is_over = asyncio.Event()

    async def go_on(holder):
        while not is_over.is_set():
            await forest.churn(holder, 50)
            await asyncio.sleep(0.2)
    before = len(forest.dropped)
    tasks = [asyncio.create_task(go_on(each)) for each in forest.holders]
    missed = await gaps(scene)
    is_over.set()
    await asyncio.gather(*tasks)
    late = int(await scene.sum_of("cluster_subscribe_waits_late_total") - late)
    waits = int(await scene.sum_of("cluster_subscribe_waits_total") - waits)
    scene.report.bit(f"{what}, filters replaced", len(forest.dropped) - before)
    scene.report.note(f"{what}: {late:,} of {waits:,} subscriptions were acknowledged without the "
                      "word of all nodes, after 250 ms")
    scene.report.at_most(f"{what}, publishes after the SUBACK not delivered, of {GAP_ROUNDS}",
                         missed, 0 if late == 0 else min(late, GAP_ROUNDS // 10))


async def gaps(scene):
    missed = 0
    nodes = scene.running()
    mouths = {node: await Client(f"mouth-{node.name}").connect(node.address) for node in nodes}
    for number in range(GAP_ROUNDS):
        hearing, speaking = scene.chance.sample(nodes, 2)
        came = asyncio.Event()
        ear = await Client(f"ear-{number}", lambda *_, came=came: came.set()).connect(
            hearing.address)
        await ear.subscribe([f"gap/{number}"])
        await mouths[speaking].publish(f"gap/{number}", b"there?")
        try:
            await asyncio.wait_for(came.wait(), IN_FLIGHT_S)
        except asyncio.TimeoutError:
            missed += 1
        await ear.disconnect()
    for each in mouths.values():
        await each.disconnect()
    return missed


async def restart(scene, forest, node, peer, count):
    """What it said in its last moments is on its way for seconds, and arrives in its next life."""
    report = scene.report
    report.event(f"what {node.name} and {peer.name} say to each other takes {OLD_WORDS_MS} ms")
    peer.fault_from(node, delay_ms=OLD_WORDS_MS)
    node.fault_from(peer, delay_ms=OLD_WORDS_MS)
    begun = time.monotonic()
    for holder in [each for each in forest.holders if each.node is node]:
        await forest.churn(holder, 500)
    said = time.monotonic()
    report.event(f"{node.name} is killed, and started at once")
    forest.uproot(node)
    node.kill()
    peer.fault_from(node)
    node.fault_from(peer)
    mark = peer.log_size()
    node.start()
    await wait_for(f"{node.name} to be back", lambda: any(
        each.node == node.name and each.became == "joined" for each in peer.changes(mark)))
    joined = time.monotonic()
    report.at_most(f"the fault bit: {peer.name} knows of its new life before the old words arrive",
                   joined - begun, OLD_WORDS_MS / 1000, "s")
    report.bit("pieces delayed by the proxies", peer.proxy_counts["delayed"])
    await wait_for(f"{node.name} to serve", node.is_ready)
    await forest.plant(node, count)
    await asyncio.sleep(max(0, said + OLD_WORDS_MS / 1000 + 1 - time.monotonic()))


async def join(scene, forest, node):
    report = scene.report
    report.event(f"{node.name} joins")
    begun = time.monotonic()
    node.start()
    await wait_for(f"{node.name} to serve", node.is_ready, 60)
    took = time.monotonic() - begun
    known = int(await node.metric("cluster_routes"))
    report.at_most(f"{node.name} serves, with {known:,} routes, after", took, JOIN_WITHIN_S, "s")
    report.criterion("routes that it has then", known, f"= {forest.routes_at(node)}",
                     known == forest.routes_at(node))
    await scene.wait_until_whole(scene.nodes)


# --- what must hold

async def judge_all(scene, forest, when):
    await judge_routes(scene, forest, when)
    await judge_samples(scene, forest, when)
    await judge_ghosts(scene, forest, when)


async def judge_routes(scene, forest, when):
    """As many as the model has, once the linger of what went is over."""
    begun, took = time.monotonic(), None
    while time.monotonic() - begun < SETTLED_WITHIN_S:
        nodes = scene.running()
        wanted = [forest.routes_at(each) for each in nodes]
        found = [int(await each.metric("cluster_routes")) for each in nodes]
        if found == wanted:
            took = time.monotonic() - begun
            break
        await asyncio.sleep(0.2)
    scene.report.criterion(f"{when}, routes at each node", found, f"= {wanted}", found == wanted)
    scene.report.at_most(f"{when}, settled after", took, SETTLED_WITHIN_S, "s")


async def judge_samples(scene, forest, when):
    """Who gets a message is who has a filter that matches, and nobody else."""
    forest.got.clear()
    filters = [each for holder in forest.holders for each in sorted(holder.filters)]
    topics = [forest.topic_of(each) for each in forest.chance.sample(filters, SAMPLES // 2)]
    topics += [forest.topic_of(each) for each in forest.chance.sample(forest.dropped, SAMPLES // 2)]
    asked = await publish_all(scene, topics)
    wanted = {topic: forest.takers(topic) for topic in topics}
    try:
        await wait_for("all samples", lambda: all(
            len(forest.got[topic]) >= len(names) for topic, names in wanted.items()), LATEST_S)
    except TimeoutError:
        pass
    await asyncio.sleep(0.5)
    wrong = [topic for topic, names in wanted.items()
             if sorted(set(forest.got[topic])) != names]
    scene.report.at_most(f"{when}, samples of {len(topics)} that took another way than by the model",
                         len(wrong), 0)
    for each in wrong[:3]:
        scene.report.note(f"for example {each}, published by {asked[each]}: {forest.got[each]}, by "
                          f"the model {wanted[each]}")


async def judge_ghosts(scene, forest, when):
    """What nobody wants any more is not forwarded."""
    await asyncio.sleep(LINGER_S + 0.5)
    topics = forest.ghosts(GHOSTS)
    before = await scene.sum_of("cluster_messages_sent_total")
    await publish_all(scene, topics)
    sent = int(await scene.sum_of("cluster_messages_sent_total") - before)
    scene.report.at_most(f"{when}, forwarded of {len(topics)} messages that nobody wants", sent, 0)


async def publish_all(scene, topics):
    """Each on a node that is drawn, at QoS 1. Returns topic → by whom."""
    clients = [await Client(f"asks-{node.name}").connect(node.address)
               for node in scene.running()]
    asked = {topic: scene.chance.choice(clients) for topic in topics}
    acked = [await client.publish(topic, b"who?", 1) for topic, client in asked.items()]
    await asyncio.wait_for(asyncio.gather(*acked), 30)
    for each in clients:
        await each.disconnect()
    return {topic: client.name for topic, client in asked.items()}


def malformed(scene):
    """Alarms of nodes about each other."""
    return sum(each.log().count(" alarm=malformed ") for each in scene.nodes)
