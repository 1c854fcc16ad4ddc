# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy in front of a node that does to the traffic of each peer what the kernel here cannot:
delay, jitter (each connection draws its own, so that connections overtake each other), stalls, and
connections that are open at one end only. A peer is known by its address.

As a process of its own (`proxy.py LISTEN TARGET`, both HOST:PORT) it takes lines of JSON on its
standard input, {"peer": "10.0.0.1", "delay_ms": 50}, and answers each with a line of its counts.
What a line does not name is as without a fault; what came before keeps the delay that it had."""

import asyncio
import dataclasses
import json
import random
import sys

CHUNK = 64 * 1024
HELD_MAX = 256  # chunks a direction; then the sender feels it


@dataclasses.dataclass
class Fault:
    """Of both directions."""
    delay_ms: float = 0
    jitter_ms: float = 0  # from 0 to this, for each chunk, on top
    stall: bool = False  # nothing passes until it is lifted; then all does, in order
    swallow: bool = False  # what comes is taken and never passed on, a close neither
    reset: bool = False  # connections are cut now, and new ones refused


@dataclasses.dataclass
class Counts:
    connections: int = 0
    bytes: int = 0
    delayed: int = 0  # chunks
    stalled: int = 0
    swallowed: int = 0  # bytes
    resets: int = 0


class Proxy:
    def __init__(self, host, port, chance=None):
        self.target = host, port
        self.chance = chance or random.Random()
        self.faults = {}
        self.changed = asyncio.Condition()
        self.counts = Counts()
        self.writers = {}  # peer → writers of both ends
        self.server = None

    async def listen(self, host, port):
        """The port."""
        self.server = await asyncio.start_server(self.serve, host, port)
        return self.server.sockets[0].getsockname()[1]

    async def close(self):
        self.server.close()
        for peer in list(self.writers):
            self.reset(peer)

    async def set_fault(self, peer, fault):
        """From now on."""
        async with self.changed:
            self.faults[peer] = fault
            self.changed.notify_all()
        if fault.reset:
            self.reset(peer)

    def fault(self, peer):
        return self.faults.get(peer, Fault())

    def reset(self, peer):
        for writer in self.writers.pop(peer, set()):
            self.counts.resets += 1
            writer.transport.abort()

    async def serve(self, reader, writer):
        peer = writer.get_extra_info("peername")[0]
        self.counts.connections += 1
        if self.fault(peer).reset:
            self.counts.resets += 1
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self.writers.setdefault(peer, set()).update(both)
        await asyncio.gather(self.carry(peer, reader, there_writer),
                             self.carry(peer, there_reader, writer))
        self.writers.get(peer, set()).difference_update(both)

    async def carry(self, peer, reader, writer):
        """One direction, in order; its end is passed on behind what came before it."""
        held = asyncio.Queue(HELD_MAX)
        giving = asyncio.create_task(self.give(peer, held, writer))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK):
                await held.put((loop.time() + self.draw(peer), data))
        except OSError:
            pass
        await held.put((loop.time() + self.draw(peer), b""))
        await giving

    def draw(self, peer):
        fault = self.fault(peer)
        self.counts.delayed += fault.delay_ms > 0 or fault.jitter_ms > 0
        return (fault.delay_ms + self.chance.uniform(0, fault.jitter_ms)) / 1000

    async def give(self, peer, held, writer):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await held.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self.wait_for_flow(peer)
            if self.fault(peer).swallow:
                self.counts.swallowed += len(data)
            elif data:
                await self.pass_on(data, writer)
            else:
                writer.close()
            if not data:
                return

    async def wait_for_flow(self, peer):
        if self.fault(peer).stall:
            self.counts.stalled += 1
            async with self.changed:
                await self.changed.wait_for(lambda: not self.fault(peer).stall)

    async def pass_on(self, data, writer):
        if writer.is_closing():
            return
        try:
            writer.write(data)
            await writer.drain()
            self.counts.bytes += len(data)
        except OSError:
            pass  # the other direction ends as well; what still comes goes nowhere


async def main(listen, target):
    proxy = Proxy(*split(target))
    await proxy.listen(*split(listen))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        wanted = json.loads(line)
        if peer := wanted.pop("peer", None):
            await proxy.set_fault(peer, Fault(**wanted))
        print(json.dumps(dataclasses.asdict(proxy.counts)), flush=True)


def split(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
