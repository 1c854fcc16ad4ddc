# SPDX-License-Identifier: Apache-2.0
"""What every experiment has: hosts, nodes, clients, and the criteria that always hold."""

import asyncio
import pathlib
import time

from tests.faults.clock import Clock
from tests.faults.mqtt import Client
from tests.faults.network import Network, address
from tests.faults.nodes import CLUSTER, PROXY, Node, wait_for
from tests.faults.workload import Workload

COMPARE_PERIOD_S = 5
GROWTH_MAX = 1.10
MIB = 1 << 20


class Scene:
    def __init__(self, options, folder, report, chance):
        self.options, self.folder, self.report, self.chance = options, folder, report, chance
        self.is_quick = options.quick
        self.network = None
        self.nodes = []
        self.work = Workload(chance)
        self.baselines = {}
        self.clients_tried = 0

    def lasting(self, full_s, quick_s):
        return quick_s if self.is_quick else full_s

    async def start(self, count, started=None, **how):
        """Hosts for `count` nodes, of which the first `started` run (all). `clocks` has
        those with one of their own, `proxied` the numbers of those with a proxy."""
        self.network = Network(count)
        for number in range(1, count + 1):
            self.nodes.append(self.node(number, count, **how))
        running = self.nodes[:started]
        for each in running:
            each.start()
        await self.wait_until_whole(running)
        self.report.event(f"{len(running)} nodes")
        return self.nodes

    def node(self, number, count, clocks=None, proxied=(), **how):
        seeds = [f"{address(other)}:{PROXY if other in proxied else CLUSTER}"
                 for other in range(1, count + 1) if other != number]
        return Node(self.options.broker, self.network.hosts[number], self.folder, seeds,
                    has_proxy=number in proxied, clock=(clocks or {}).get(number), **how)

    async def wait_until_whole(self, nodes, seconds=60):
        """Each serves, and holds all others for alive. Returns how long that took."""
        begun = time.monotonic()
        for each in nodes:
            await wait_for(f"{each.name} to serve", each.is_ready, seconds)
        await wait_for("a whole cluster", lambda: self.is_whole(nodes),
                       seconds - (time.monotonic() - begun))
        return time.monotonic() - begun

    async def is_whole(self, nodes):
        for each in nodes:
            if await each.metric("cluster_members_alive") != len(nodes) - 1:
                return False
        return True

    async def wait_until_spread(self, nodes=None):
        """Until each node is home of its share of the sessions."""
        nodes = nodes or self.nodes
        least = 256 // len(nodes) // 2

        async def is_spread():
            homes = [await each.metric("cluster_partitions") for each in nodes]
            return sum(homes) == 256 and min(homes) >= least
        await wait_for("partitions on all nodes", is_spread)

    async def kept_sessions(self):
        return [await each.metric("sessions_persistent") for each in self.running()]

    async def home_of_new(self, connect):
        """The node that has one more kept session after connect()."""
        nodes, before = self.running(), await self.kept_sessions()
        await connect()
        found = []

        async def has_grown():
            found[:] = [node for node, then, now in zip(nodes, before, await self.kept_sessions())
                        if now > then]
            return bool(found)
        await wait_for("the session", has_grown)
        return found[0]

    async def client_at(self, home):
        """A client identifier whose session lives on that node. None of it is left there."""
        while True:
            self.clients_tried += 1
            client = Client(f"client-{self.clients_tried}")
            before = await self.kept_sessions()
            found = await self.home_of_new(
                lambda client=client: client.connect(home.address, clean=False))
            await client.disconnect()
            await (await Client(client.name).connect(home.address)).disconnect()

            async def is_gone(before=before):
                return before == await self.kept_sessions()
            await wait_for("the session to end", is_gone)
            if found is home:
                return client.name

    def false_clock(self):
        """Right until it is set."""
        if not pathlib.Path(self.options.clock).exists():
            raise RuntimeError(f"no {self.options.clock}: ninja -C build/release false_clock")
        return Clock(self.folder / "clock", self.options.clock)

    async def sum_of(self, name, nodes=None):
        return sum([await each.metric(name) for each in nodes or self.running()])

    def running(self):
        return [each for each in self.nodes if each.is_running()]

    # --- criteria that always hold

    def note_baseline(self):
        """Of memory and descriptors, once everything is under way."""
        for each in self.running():
            self.baselines[each.name] = each.memory(), each.descriptors()

    def judge_messages(self, may_repeat=lambda message: False):
        """`may_repeat`: what may come twice at QoS 2, as it is promised no better."""
        history = self.work.history
        repeated = [each for each in history.repeated(2) if not may_repeat(each[1])]
        published = len(history.published)
        delivered = sum(map(len, history.deliveries.values()))
        self.report.note(f"{published:,} messages published, {delivered:,} delivered, "
                         f"{len(history.repeated(1)):,} twice at QoS 1")
        self.report.at_most("acknowledged and lost", len(history.lost()), 0)
        self.report.at_most("delivered twice at QoS 2", len(repeated), 0)
        self.report.at_most("out of order", len(history.disorder()), 0)
        self.report.at_most("delivered and never published", len(history.unknown()), 0)
        for each in (history.lost() + history.repeated(2) + history.disorder())[:5]:
            self.report.note(f"for example {history.story(*each, self.report.begun)}")

    async def judge_drops(self):
        """QoS 0 that did not come was sent by one node and not received by the other: dropped for
        want of a link or of room, which is counted, or in a connection that broke; or a node
        dropped it for a subscriber that was slow. What a link brings again after it broke is
        counted neither as sent nor as received once more."""
        missed = len(self.work.history.missed())
        between = [int(await self.sum_of(f"cluster_messages_{what}_total")) for what in
                   ("sent", "received", "dropped_unlinked", "dropped_full")]
        lost = between[0] - between[1]
        slow = int(await self.sum_of("messages_dropped_total"))
        self.report.note(f"QoS 0: {missed:,} did not come; {lost:,} sent and not received, of which "
                         f"{sum(between[2:]):,} dropped before they were sent; {slow:,} dropped for "
                         "slow subscribers")
        self.report.at_most("QoS 0 missing that no counter explains", max(0, missed - lost - slow),
                            0)

    async def judge_agreement(self, seconds=30):
        """Nothing differs any more: in two rounds of digests no route page, in two rounds of
        comparisons no difference. Returns once that is so."""
        begun = time.monotonic()
        while True:
            before = await self.differences()
            await asyncio.sleep(2 * COMPARE_PERIOD_S + 1)
            pages, differences, compares = (
                after - earlier for after, earlier in zip(await self.differences(), before))
            if (pages == differences == 0 and compares > 0) or time.monotonic() - begun > seconds:
                break
        self.report.at_most("pages of routes sent while at rest", int(pages), 0)
        self.report.at_most(f"differences in {int(compares)} comparisons of retained messages",
                            int(differences), 0)

    async def differences(self):
        return [await self.sum_of(name) for name in
                ("cluster_route_pages_sent_total", "cluster_retained_differences_total",
                 "cluster_retained_compares_total")]

    def judge_processes(self, with_memory=True):
        """Memory only where it was noted when the same was under way as now."""
        deaths = 0
        for each in self.nodes:
            each.note_death()
            deaths += each.deaths
        self.report.at_most("processes that ended by themselves", deaths, 0)
        if self.baselines and with_memory:
            self.judge_growth()

    def judge_growth(self):
        self.report.note(f"memory before and now: {self.memory_text()}")
        grown, more = self.growth()
        self.report.at_most("memory, beside that before", grown, GROWTH_MAX, "times")
        self.report.at_most("descriptors, beside those before", more, GROWTH_MAX, "times")

    def memory_text(self):
        return ", ".join(
            f"{each.name} {self.baselines[each.name][0] / MIB:.1f} → {each.memory() / MIB:.1f} MiB"
            for each in self.running() if each.name in self.baselines)

    def growth(self):
        both = [(each.memory() / self.baselines[each.name][0],
                 each.descriptors() / self.baselines[each.name][1])
                for each in self.running() if each.name in self.baselines]
        return max(one for one, _ in both), max(other for _, other in both)

    async def close(self):
        self.work.close()
        await asyncio.gather(*(each.stop() for each in self.nodes))
        for each in self.nodes:
            each.stop_proxy()
        if any(each.deaths for each in self.nodes):
            self.report.note(f"a node ended badly: see the logs below {self.folder} (--keep)")
        if self.network is not None:
            self.network.close()
