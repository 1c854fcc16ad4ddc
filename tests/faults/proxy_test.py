# SPDX-License-Identifier: Apache-2.0
"""The proxy does what it was told to, to whom it was told, and nothing else."""

import asyncio
import random
import time
import unittest

from tests.faults.proxy import Fault, Proxy

HERE, OTHER = "127.0.0.1", "127.0.0.2"
PATIENCE_S = 10


class ProxyTest(unittest.IsolatedAsyncioTestCase):
    """In front of a server that sends back what it gets."""

    async def asyncSetUp(self):
        self.heard = bytearray()
        self.ends = 0
        self.server = await asyncio.start_server(self.echo, HERE, 0)
        port = self.server.sockets[0].getsockname()[1]
        self.proxy = Proxy(HERE, port, random.Random(1))
        self.port = await self.proxy.listen(HERE, 0)
        self.writers = []

    async def asyncTearDown(self):
        for each in self.writers:
            each.transport.abort()
        await self.proxy.close()
        self.server.close()
        await asyncio.sleep(0)

    async def echo(self, reader, writer):
        self.writers.append(writer)
        try:
            while data := await reader.read(1 << 16):
                self.heard += data
                writer.write(data)
        except OSError:
            pass
        self.ends += 1
        writer.close()

    async def open(self, source=HERE):
        reader, writer = await asyncio.open_connection(HERE, self.port, local_addr=(source, 0))
        self.writers.append(writer)
        return reader, writer

    async def ask(self, connection, data):
        """Seconds until it has come back."""
        reader, writer = connection
        begun = time.monotonic()
        writer.write(data)
        self.assertEqual(await asyncio.wait_for(reader.readexactly(len(data)), PATIENCE_S), data)
        return time.monotonic() - begun

    async def is_silent(self, connection, seconds=0.2):
        try:
            await asyncio.wait_for(connection[0].read(1), seconds)
            return False
        except asyncio.TimeoutError:
            return True

    async def test_without_a_fault_all_passes(self):
        data = random.Random(2).randbytes(3_000_000)
        await self.ask(await self.open(), data)
        self.assertEqual(bytes(self.heard), data)
        self.assertEqual(self.proxy.counts.bytes, 2 * len(data))

    async def test_delay_is_of_both_directions_and_of_one_peer(self):
        await self.proxy.set_fault(HERE, Fault(delay_ms=100))
        slow, fast = await self.open(), await self.open(OTHER)
        self.assertGreaterEqual(await self.ask(slow, b"x"), 0.2)
        self.assertLess(await self.ask(fast, b"x"), 0.2)
        self.assertEqual(self.proxy.counts.delayed, 2)

    async def test_what_was_on_its_way_keeps_its_delay(self):
        await self.proxy.set_fault(HERE, Fault(delay_ms=300))
        old = await self.open()
        old[1].write(b"old")
        await asyncio.sleep(0.1)
        await self.proxy.set_fault(HERE, Fault())
        old[1].close()  # as if its process had been killed
        await self.ask(await self.open(), b"new")
        self.assertEqual(bytes(self.heard), b"new")
        await asyncio.sleep(0.4)
        self.assertEqual(bytes(self.heard), b"newold")

    async def test_connections_overtake_each_other(self):
        await self.proxy.set_fault(HERE, Fault(jitter_ms=200))
        connections = [await self.open() for _ in range(20)]
        for number, (_, writer) in enumerate(connections):
            writer.write(bytes([number]))
        for reader, _ in connections:
            await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
        self.assertEqual(sorted(self.heard), list(range(20)))
        self.assertNotEqual(list(self.heard), list(range(20)))

    async def test_a_connection_keeps_its_order(self):
        await self.proxy.set_fault(HERE, Fault(jitter_ms=30))
        connection = await self.open()
        for number in range(20):
            connection[1].write(bytes([number]))
            await asyncio.sleep(0.002)
        await asyncio.wait_for(connection[0].readexactly(20), PATIENCE_S)
        self.assertEqual(list(self.heard), list(range(20)))

    async def test_a_stall_ends(self):
        connection = await self.open()
        await self.ask(connection, b"before")
        await self.proxy.set_fault(HERE, Fault(stall=True))
        connection[1].write(b"held")
        self.assertTrue(await self.is_silent(connection))
        self.assertEqual(bytes(self.heard), b"before")
        await self.proxy.set_fault(HERE, Fault())
        self.assertEqual(await asyncio.wait_for(connection[0].readexactly(4), PATIENCE_S), b"held")
        self.assertGreater(self.proxy.counts.stalled, 0)

    async def test_a_half_open_connection_never_tells(self):
        connection = await self.open()
        await self.ask(connection, b"before")
        await self.proxy.set_fault(HERE, Fault(swallow=True))
        connection[1].write(b"gone")
        self.assertTrue(await self.is_silent(connection))
        self.assertEqual(bytes(self.heard), b"before")
        self.assertEqual(self.proxy.counts.swallowed, 4)

    async def test_the_close_of_one_end_of_a_half_open_connection_is_not_told(self):
        connection = await self.open()
        await self.ask(connection, b"before")
        await self.proxy.set_fault(HERE, Fault(swallow=True))
        connection[1].close()
        await asyncio.sleep(0.2)
        self.assertEqual(self.ends, 0)

    async def test_reset_cuts_and_refuses(self):
        connection, other = await self.open(), await self.open(OTHER)
        await self.ask(connection, b"x")
        await self.ask(other, b"x")
        await self.proxy.set_fault(HERE, Fault(reset=True))
        with self.assertRaises((ConnectionError, asyncio.IncompleteReadError)):
            await self.ask(connection, b"y")
        with self.assertRaises((ConnectionError, asyncio.IncompleteReadError)):
            await self.ask(await self.open(), b"y")
        await self.ask(other, b"y")
        await self.proxy.set_fault(HERE, Fault())
        await self.ask(await self.open(), b"z")
