# SPDX-License-Identifier: Apache-2.0
"""As much of MQTT 3.1.1 and 5.0 as a client of the crash test says and hears. Properties are passed
over."""

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, DISCONNECT = 8, 9, 14
SESSION_EXPIRY_S = 86400


def variable(number):
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value):
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + variable(len(body)) + body


def connect(client_id, version):
    """Of a session that outlives its connection."""
    properties = b""
    if version == 5:
        expiry = b"\x11" + SESSION_EXPIRY_S.to_bytes(4, "big")
        properties = variable(len(expiry)) + expiry
    return packet(CONNECT, 0, text("MQTT") + bytes([version, 0]) + (60).to_bytes(2, "big")
                  + properties + text(client_id))


def subscribe(packet_id, topic_filter, qos, version):
    return packet(SUBSCRIBE, 2, packet_id.to_bytes(2, "big") + (b"\0" if version == 5 else b"")
                  + text(topic_filter) + bytes([qos]))


def publish(topic, payload, qos, packet_id, version, dup=False, retain=False):
    flags = (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    return packet(PUBLISH, flags, text(topic) + packet_id.to_bytes(2, "big")
                  + (b"\0" if version == 5 else b"") + payload)


def ack(kind, packet_id):
    return packet(kind, 2 if kind == PUBREL else 0, packet_id.to_bytes(2, "big"))


async def read_packet(reader):
    """(kind, flags, body). Errors: asyncio.IncompleteReadError, ConnectionError at the end."""
    first = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        size |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            break
    return first >> 4, first & 15, await reader.readexactly(size)


def split_publish(flags, body, version):
    """(topic, packet id, payload)"""
    size = int.from_bytes(body[:2], "big")
    at = 2 + size
    packet_id = 0
    if flags >> 1 & 3:
        packet_id = int.from_bytes(body[at:at + 2], "big")
        at += 2
    if version == 5:
        at += 1 + body[at]  # properties of the messages of this test are short
    return body[2:2 + size].decode(), packet_id, body[at:]


def reason_of(body):
    """Of an acknowledgement."""
    return body[2] if len(body) > 2 else 0
