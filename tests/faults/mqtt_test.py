# SPDX-License-Identifier: Apache-2.0
"""The client of the experiments, against a peer that is written out byte by byte."""

import asyncio
import unittest

from tests.crash.wire import ack, packet, publish, read_packet, split_publish
from tests.crash.wire import CONNACK, CONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK
from tests.crash.wire import SUBSCRIBE
from tests.faults.mqtt import Client, Will


class WillTest(unittest.TestCase):
    def test_is_in_connect_as_mqtt_5_has_it(self):
        will = Will("t", b"gone", qos=1, delay_s=5)
        self.assertEqual(will.flags(), 0b0000_1100)
        self.assertEqual(will.encoded(), b"\5\x18\0\0\0\5" + b"\0\1t" + b"\0\4gone")


class ClientTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.peer = asyncio.get_running_loop().create_future()
        self.heard = []
        self.client = Client("c", lambda topic, payload, flags: self.heard.append((topic, payload)))
        connecting = asyncio.create_task(self.client.connect(
            "127.0.0.1", self.server.sockets[0].getsockname()[1]))
        self.reader, self.writer = await self.peer
        kind, _, body = await self.read()
        self.assertEqual((kind, body), (CONNECT, b"\0\4MQTT\4\2\0\0\0\1c"))
        self.writer.write(packet(CONNACK, 0, b"\0\0"))
        await connecting

    async def asyncTearDown(self):
        self.client.cut()
        self.writer.close()
        self.server.close()

    async def accept(self, *both):
        self.peer.set_result(both)

    async def read(self):
        return await asyncio.wait_for(read_packet(self.reader), 10)

    async def test_subscribe(self):
        asking = asyncio.create_task(self.client.subscribe(["a", "b"], 1))
        kind, _, body = await self.read()
        self.assertEqual((kind, body[2:]), (SUBSCRIBE, b"\0\1a\1\0\1b\1"))
        self.writer.write(packet(SUBACK, 0, body[:2] + b"\1\1"))
        await asking

    async def test_a_refused_subscription_is_an_error(self):
        asking = asyncio.create_task(self.client.subscribe(["a"]))
        _, _, body = await self.read()
        self.writer.write(packet(SUBACK, 0, body[:2] + b"\x80"))
        with self.assertRaises(ConnectionError):
            await asking

    async def test_publish_at_each_qos(self):
        self.assertIsNone(await self.client.publish("t", b"0"))
        self.assertEqual((await self.read())[2], b"\0\1t0")
        acked = await self.client.publish("t", b"1", 1)
        _, flags, body = await self.read()
        self.assertEqual(split_publish(flags, body, 4), ("t", 1, b"1"))
        self.writer.write(ack(PUBACK, 1))
        await asyncio.wait_for(acked, 10)
        acked = await self.client.publish("t", b"2", 2)
        await self.read()
        self.writer.write(ack(PUBREC, 2))
        await asyncio.wait_for(acked, 10)
        self.assertEqual((await self.read())[0], PUBREL)
        self.writer.write(ack(PUBCOMP, 2))
        while self.client.flight:
            await asyncio.sleep(0.01)

    async def test_deliveries_are_acknowledged(self):
        self.writer.write(publish("t", b"1", 1, 7, 4) + publish("t", b"2", 2, 8, 4))
        self.assertEqual((await self.read())[0::2], (PUBACK, b"\0\7"))
        self.assertEqual((await self.read())[0::2], (PUBREC, b"\0\10"))
        self.writer.write(ack(PUBREL, 8))
        self.assertEqual((await self.read())[0::2], (PUBCOMP, b"\0\10"))
        self.assertEqual(self.heard, [("t", b"1"), ("t", b"2")])

    async def test_packets_in_pieces(self):
        data = packet(PUBLISH, 0, b"\0\1t" + b"x" * 300)
        for byte in data:
            self.writer.write(bytes([byte]))
            await self.writer.drain()
        while not self.heard:
            await asyncio.sleep(0.01)
        self.assertEqual(self.heard, [("t", b"x" * 300)])

    async def test_who_waits_is_told_of_the_end(self):
        acked = await self.client.publish("t", b"1", 1)
        asking = asyncio.create_task(self.client.subscribe(["a"]))
        await self.read()
        self.writer.close()
        with self.assertRaises(ConnectionError):
            await asking
        with self.assertRaises(ConnectionError):
            await acked
        with self.assertRaises(ConnectionError):
            await self.client.publish("t", b"2", 1)
