# SPDX-License-Identifier: Apache-2.0
"""Clients that publish at a rate, and clients that listen; all that they do is in a history."""

import asyncio
import dataclasses
import time
from collections import Counter

from tests.faults.history import History, message_of, payload_of
from tests.faults.mqtt import Client

TICK_S = 0.02
DUP = 8


@dataclasses.dataclass
class Stream:
    """What one publisher says on one topic."""
    topic: str
    qos: int
    per_second: float
    size: int = 64


class Workload:
    def __init__(self, chance):
        self.chance = chance
        self.history = History()
        self.clients = []
        self.tasks = []
        self.numbers = Counter()  # (publisher, topic) → next
        self.pending = set()
        self.is_paused = False

    async def listen(self, node, name, filters, qos, clean=True):
        """A subscriber; one with clean=False has a session that outlives its connection."""
        def heard(_, payload, flags):
            self.history.on_delivery(name, message_of(payload), time.monotonic(), bool(flags & DUP))
        client = Client(name, heard)
        await client.connect(node.address, clean=clean)
        await client.subscribe(filters, qos)
        for each in filters:
            self.history.on_subscribe(name, each, qos, time.monotonic())
        self.clients.append(client)
        return client

    async def speak(self, node, name, streams):
        """A publisher that goes on until `finish`."""
        client = await Client(name).connect(node.address)
        self.clients.append(client)
        self.tasks += [asyncio.create_task(self.publish_on(client, each)) for each in streams]
        return client

    async def publish_on(self, client, stream):
        due = time.monotonic() + self.chance.uniform(0, 1 / stream.per_second)
        try:
            while True:
                await asyncio.sleep(max(TICK_S, due - time.monotonic()))
                while due <= time.monotonic():
                    due += 1 / stream.per_second
                    if not self.is_paused:
                        await self.publish(client, stream)
        except ConnectionError:
            pass  # its node is gone, and so is it

    async def publish(self, client, stream):
        number = self.numbers[client.name, stream.topic]
        self.numbers[client.name, stream.topic] += 1
        message = client.name, stream.topic, number
        self.history.on_publish(message, stream.qos, time.monotonic())
        acked = await client.publish(stream.topic, payload_of(message, stream.size), stream.qos)
        if acked is not None:
            self.pending.add(acked)
            acked.add_done_callback(lambda done: self.on_acked(message, done))

    def on_acked(self, message, done):
        self.pending.discard(done)
        if not done.cancelled() and done.exception() is None:
            self.history.on_ack(message, done.result())

    def stop_speaking(self):
        for each in self.tasks:
            each.cancel()
        self.tasks.clear()

    async def drain(self, seconds):
        """Until all is acknowledged and what is owed has come. Returns how long it took, or None if
        that did not happen within `seconds`."""
        begun = time.monotonic()
        while self.pending or not self.history.is_complete():
            if time.monotonic() - begun > seconds:
                return None
            await asyncio.sleep(0.2)
        return time.monotonic() - begun

    def close(self):
        self.stop_speaking()
        for each in self.clients:
            each.cut()
