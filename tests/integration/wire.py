# SPDX-License-Identifier: Apache-2.0
"""A client that speaks MQTT byte by byte, for what no library lets a test do: stay silent, stop
reading, see every packet."""

import socket
import struct

from tests.integration.patience import PATIENCE_S

CONNACK, PUBLISH, PUBACK, PUBREC, SUBACK, UNSUBACK, DISCONNECT = 2, 3, 4, 5, 9, 11, 14


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(first_byte, body):
    length = len(body)
    head = bytearray([first_byte])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (128 if length else 0))
        if not length:
            return bytes(head) + body


class Wire:
    def __init__(self, port, version=4, receive_bytes=None, host="127.0.0.1"):
        self.version = version
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def properties(self):
        return b"\0" if self.version == 5 else b""

    def send(self, data):
        self.socket.sendall(data)

    def connect(self, client_id="", keep_alive=0, clean=True):
        self.send(packet(0x10, text("MQTT") + bytes([self.version, 2 if clean else 0])
                         + struct.pack(">H", keep_alive) + self.properties() + text(client_id)))
        kind, body = self.receive()
        assert kind == CONNACK and body[1] == 0, (kind, body)
        return self

    def connect_v5(self, client_id, session_expiry, clean=False):
        """Returns Session Present."""
        self.send(packet(0x10, text("MQTT") + bytes([5, 2 if clean else 0]) + b"\0\0\5\x11"
                         + struct.pack(">I", session_expiry) + text(client_id)))
        kind, body = self.receive()
        assert kind == CONNACK and body[1] == 0, (kind, body)
        return bool(body[0])

    def subscribe(self, topic_filter, qos=0):
        self.send(packet(0x82, b"\0\1" + self.properties() + text(topic_filter) + bytes([qos])))
        kind, body = self.receive()
        assert kind == SUBACK and body[-1] == qos, (kind, body)
        return self

    def unsubscribe(self, topic_filter):
        self.send(packet(0xa2, b"\0\1" + self.properties() + text(topic_filter)))
        assert self.receive()[0] == UNSUBACK
        return self

    def publish_bytes(self, topic, payload, qos=0, retain=False, packet_id=1):
        return packet(0x30 | qos << 1 | retain, text(topic)
                      + (struct.pack(">H", packet_id) if qos else b"")
                      + self.properties() + payload)

    def publish(self, topic, payload, **how):
        self.send(self.publish_bytes(topic, payload, **how))

    def publish_and_wait(self, topic, payload, **how):
        self.publish(topic, payload, qos=1, **how)
        while self.receive()[0] != PUBACK:
            pass

    def receive(self):
        """The next packet as (type, body); (None, b"") at the end of the connection."""
        return self.receive_with_flags()[:2]

    def receive_with_flags(self):
        """The same with the first byte of the packet behind."""
        while True:
            whole = self.parse()
            if whole:
                return whole
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                return None, b"", 0
            self.input += data

    def parse(self):
        length = shift = 0
        for at in range(1, min(5, len(self.input))):
            length |= (self.input[at] & 127) << shift
            shift += 7
            if self.input[at] < 128:
                end = at + 1 + length
                if len(self.input) < end:
                    return None
                found = self.input[0] >> 4, bytes(self.input[at + 1:end]), self.input[0]
                del self.input[:end]
                return found
        return None
