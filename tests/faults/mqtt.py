# SPDX-License-Identifier: Apache-2.0
"""A client of MQTT 3.1.1 or 5 for many messages in one thread."""

import asyncio
import dataclasses
import socket
import time

from tests.crash import wire
from tests.crash.wire import (ack, packet, text, variable, CONNACK, CONNECT, DISCONNECT, PUBACK,
                              PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE)

UNSUBSCRIBE, UNSUBACK = 10, 11
PATIENCE_S = 30
IN_FLIGHT_MAX = 2_000
SESSION_EXPIRY, MESSAGE_EXPIRY, WILL_DELAY = 0x11, 0x02, 0x18


def expiry(identifier, seconds):
    """A list of one property."""
    return variable(5) + bytes([identifier]) + seconds.to_bytes(4, "big")


@dataclasses.dataclass
class Will:
    """Of a client of MQTT 5."""
    topic: str
    payload: bytes
    qos: int = 1
    delay_s: int = 0

    def flags(self):
        return 4 | self.qos << 3

    def encoded(self):
        return (expiry(WILL_DELAY, self.delay_s) + text(self.topic)
                + len(self.payload).to_bytes(2, "big") + self.payload)


class Client(asyncio.Protocol):
    """One connection. `on_message(topic, payload, flags)` is called for each PUBLISH, with the
    lower half of its first byte. What is asked fails with ConnectionError when it breaks."""

    def __init__(self, name, on_message=None, version=4):
        self.name, self.version = name, version
        self.on_message = on_message or (lambda *_: None)
        self.transport = None
        self.input = bytearray()
        self.answers = {}  # (kind, packet id) → future
        self.flight = {}  # packet id → future of the acknowledgement
        self.room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self.next_id = 0
        self.closed = asyncio.get_running_loop().create_future()
        self.session_present = False

    async def connect(self, host, port=1883, clean=True, session_expiry_s=None, will=None):
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.create_connection(lambda: self, host, port), PATIENCE_S)
        self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP,
                                                           socket.TCP_NODELAY, 1)
        properties = b""
        if self.version == 5:
            properties = (b"\0" if session_expiry_s is None
                          else expiry(SESSION_EXPIRY, session_expiry_s))
        answer = self.expect(CONNACK, 0)
        flags = (2 if clean else 0) | (will.flags() if will else 0)
        self.send(packet(CONNECT, 0, text("MQTT") + bytes([self.version, flags, 0, 0]) + properties
                         + text(self.name) + (will.encoded() if will else b"")))
        body = await asyncio.wait_for(answer, PATIENCE_S)
        if body[1] != 0:
            raise ConnectionError(f"{self.name}: CONNACK {body[1]:#x}")
        self.session_present = bool(body[0] & 1)
        return self

    async def subscribe(self, filters, qos=0):
        """One SUBSCRIBE for all of them."""
        codes = await self.ask(SUBSCRIBE, SUBACK,
                               b"".join(text(each) + bytes([qos]) for each in filters))
        if len(codes) < len(filters) or any(code > 2 for code in codes[-len(filters):]):
            raise ConnectionError(f"{self.name}: SUBACK {codes[:20]!r}")

    async def unsubscribe(self, filters):
        await self.ask(UNSUBSCRIBE, UNSUBACK, b"".join(map(text, filters)))

    async def ask(self, kind, answer_kind, body):
        packet_id = self.take_id()
        answer = self.expect(answer_kind, packet_id)
        self.send(packet(kind, 2, packet_id.to_bytes(2, "big")
                         + (b"\0" if self.version == 5 else b"") + body))
        return (await asyncio.wait_for(answer, PATIENCE_S))[2:]

    async def publish(self, topic, payload, qos=0, retain=False, expiry_s=None):
        """The time of the acknowledgement as a future (None at QoS 0). Waits for room in flight."""
        packet_id, acked = 0, None
        if qos:
            await self.room.acquire()
            packet_id = self.take_id()
            acked = self.flight[packet_id] = asyncio.get_running_loop().create_future()
        body = text(topic) + (packet_id.to_bytes(2, "big") if qos else b"")
        if self.version == 5:
            body += b"\0" if expiry_s is None else expiry(MESSAGE_EXPIRY, expiry_s)
        self.send(packet(PUBLISH, qos << 1 | retain, body + payload))
        return acked

    async def publish_and_wait(self, topic, payload, qos=1, **how):
        await asyncio.wait_for(await self.publish(topic, payload, qos, **how), PATIENCE_S)

    async def disconnect(self):
        self.leave()
        await self.closed

    def leave(self):
        """The same without waiting."""
        self.send(packet(DISCONNECT, 0, b""))
        self.transport.close()

    def cut(self):
        """Without a word, as if its power had gone."""
        if self.transport is not None:
            self.transport.abort()

    # --- below

    def take_id(self):
        while True:
            self.next_id = self.next_id % 65535 + 1
            if self.next_id not in self.flight:
                return self.next_id

    def expect(self, kind, packet_id):
        answer = self.answers[kind, packet_id] = asyncio.get_running_loop().create_future()
        return answer

    def send(self, data):
        if self.transport is None or self.transport.is_closing():
            raise ConnectionError(f"{self.name} has no connection")
        self.transport.write(data)

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        if not self.closed.done():
            self.closed.set_result(error)
        gone = ConnectionError(f"{self.name}: connection lost")
        for each in [*self.answers.values(), *self.flight.values()]:
            if not each.done():
                each.set_exception(gone)
                each.exception()  # nobody need ask
        self.answers.clear()

    def data_received(self, data):
        self.input += data
        at = 0
        while (found := self.next_packet(at)) is not None:
            first, begin, end = found
            self.on_packet(first >> 4, first & 15, bytes(self.input[begin:end]))
            at = end
        del self.input[:at]

    def next_packet(self, at):
        """(first byte, begin and end of the body), or None if not all of it is there."""
        size = shift = 0
        for digit_at in range(at + 1, min(at + 5, len(self.input))):
            digit = self.input[digit_at]
            size |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                begin = digit_at + 1
                return ((self.input[at], begin, begin + size)
                        if begin + size <= len(self.input) else None)
        return None

    def on_packet(self, kind, flags, body):
        if kind == PUBLISH:
            self.on_publish(flags, body)
            return
        packet_id = int.from_bytes(body[:2], "big")
        if kind in (PUBACK, PUBREC, PUBCOMP):
            self.on_acknowledged(kind, packet_id, wire.reason_of(body))
        elif kind == PUBREL:
            self.answer(ack(PUBCOMP, packet_id))
        else:
            waiting = self.answers.pop((kind, 0 if kind == CONNACK else packet_id), None)
            if waiting and not waiting.done():
                waiting.set_result(body)

    def on_publish(self, flags, body):
        qos = flags >> 1 & 3
        topic, packet_id, payload = wire.split_publish(flags, body, self.version)
        self.on_message(topic, payload, flags)
        if qos:
            self.answer(ack(PUBACK if qos == 1 else PUBREC, packet_id))

    def on_acknowledged(self, kind, packet_id, reason):
        waiting = self.flight.get(packet_id)
        if waiting is None:
            return
        if reason >= 0x80:
            waiting.set_exception(ConnectionError(f"{self.name}: refused with {reason:#x}"))
            waiting.exception()
        elif not waiting.done():
            waiting.set_result(time.monotonic())
        if kind == PUBREC and reason < 0x80:
            self.answer(ack(PUBREL, packet_id))
        else:
            del self.flight[packet_id]
            self.room.release()

    def answer(self, data):
        """A connection that has just gone needs none."""
        if not self.transport.is_closing():
            self.transport.write(data)
