# SPDX-License-Identifier: Apache-2.0
"""A client that keeps its half of a session, so that it may come back anywhere, and tell whether the
broker has kept the other half."""

import asyncio
import time

from tests.crash.wire import (ack, publish, split_publish, DISCONNECT, PUBACK, PUBCOMP, PUBREC,
                              PUBREL, reason_of)
from tests.faults.history import message_of, payload_of
from tests.faults.mqtt import Client

EXPIRY_S = 3600
DUP = 8


class Roamer:
    """`history` has what it published and got; see there."""

    def __init__(self, name, history, version=5):
        self.name, self.history, self.version = name, history, version
        self.link = None
        self.outgoing = {}  # packet id → [message, QoS, is PUBREC there]
        self.held = set()  # identifiers that came and are not released
        self.incoming = {}  # message → its identifier, until it is released
        self.next_id = self.next_number = 0
        self.resent = self.received_again = 0
        self.refused = []  # (message, when, reason)
        self.sessions_lost = 0
        self.identifiers_changed = 0
        self.has_session = False

    async def connect(self, address):
        """The way to the CONNACK in seconds; the connection before may still be there."""
        begun = time.monotonic()
        link = Link(self)
        try:
            await link.connect(address, clean=False, session_expiry_s=EXPIRY_S)
        except BaseException:
            link.cut()
            raise
        took = time.monotonic() - begun
        self.link = link
        self.sessions_lost += self.has_session and not link.session_present
        self.has_session = True
        for packet_id, (message, qos, is_received) in sorted(self.outgoing.items()):
            self.resent += 1
            self.write(ack(PUBREL, packet_id) if is_received
                       else self.bytes_of(message, qos, packet_id, dup=True))
        return took

    def say(self, topic, qos=2):
        """Now, or when it is connected again."""
        message = self.name, topic, self.next_number
        self.next_number += 1
        self.next_id = self.next_id % 65535 + 1
        self.history.on_publish(message, qos, time.monotonic())
        self.outgoing[self.next_id] = [message, qos, False]
        self.write(self.bytes_of(message, qos, self.next_id))

    def cut(self):
        self.link.cut()

    # --- below

    def bytes_of(self, message, qos, packet_id, dup=False):
        return publish(message[1], payload_of(message, 64), qos, packet_id, self.version, dup=dup)

    def write(self, data):
        if not self.link.transport.is_closing():
            self.link.transport.write(data)

    def on_publish(self, link, flags, body):
        _, packet_id, payload = split_publish(flags, body, self.version)
        message = message_of(payload)
        if flags >> 1 & 3 == 1:
            self.received_again += bool(flags & DUP)
            self.history.on_delivery(self.name, message, time.monotonic(), bool(flags & DUP))
            link.answer(ack(PUBACK, packet_id))
            return
        if flags & DUP:
            self.received_again += 1
            self.identifiers_changed += self.incoming.get(message, packet_id) != packet_id
        if packet_id not in self.held:
            self.held.add(packet_id)
            self.incoming[message] = packet_id
            self.history.on_delivery(self.name, message, time.monotonic(), bool(flags & DUP))
        link.answer(ack(PUBREC, packet_id))

    def on_pubrel(self, link, packet_id):
        self.held.discard(packet_id)
        self.incoming = {message: each for message, each in self.incoming.items()
                         if each != packet_id}
        link.answer(ack(PUBCOMP, packet_id))

    def on_acknowledged(self, link, kind, packet_id, reason):
        sent = self.outgoing.get(packet_id)
        if reason >= 0x80 and kind != PUBCOMP:  # 0x92 there: it had been released before
            if sent is not None:
                self.refused.append((sent[0], time.monotonic(), reason))
            self.outgoing.pop(packet_id, None)
            return
        if kind == PUBREC:
            if sent is not None:
                sent[2] = True
                self.history.on_ack(sent[0], time.monotonic())
            link.answer(ack(PUBREL, packet_id))
            return
        if kind == PUBACK and sent is not None:
            self.history.on_ack(sent[0], time.monotonic())
        self.outgoing.pop(packet_id, None)


class Link(Client):
    """One connection of it. What comes in one that it is about to leave counts as well."""

    def __init__(self, roamer):
        super().__init__(roamer.name, version=roamer.version)
        self.roamer = roamer
        self.goodbye = None  # the reason of the broker's DISCONNECT
        self.lost_at = None

    def on_packet(self, kind, flags, body):
        if kind in (PUBACK, PUBREC, PUBCOMP, PUBREL):
            packet_id = int.from_bytes(body[:2], "big")
            if kind == PUBREL:
                self.roamer.on_pubrel(self, packet_id)
            else:
                self.roamer.on_acknowledged(self, kind, packet_id, reason_of(body))
        elif kind == DISCONNECT:
            self.goodbye = body[0] if body else 0
        else:
            super().on_packet(kind, flags, body)

    def on_publish(self, flags, body):
        self.roamer.on_publish(self, flags, body)

    def connection_lost(self, error):
        self.lost_at = time.monotonic()
        super().connection_lost(error)


async def let_in(roamer, address, seconds):
    """Tries until it is let in; the way of the last try to its CONNACK."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await roamer.connect(address)
        except (ConnectionError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
