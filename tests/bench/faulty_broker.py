# SPDX-License-Identifier: Apache-2.0
"""A broker for one publisher and one subscriber at QoS 0 that loses, repeats and swaps messages, to
show that the load generator notices."""

import socket
import threading

CONNECT, PUBLISH, SUBSCRIBE = 1, 3, 8


def packets(stream):
    """Yields (type, whole packet) until the peer closes."""
    while head := stream.read(2):
        length, shift = head[1] & 0x7F, 7
        while head[-1] & 0x80:
            head += stream.read(1)
            length |= (head[-1] & 0x7F) << shift
            shift += 7
        yield head[0] >> 4, head + stream.read(length)


class FaultyBroker:
    """Of 100 messages one is lost, one comes twice, and two change places."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.subscriber = None
        self.messages = 0
        self.lost = 0
        self.duplicates = 0
        self.swapped = 0
        self.held = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def close(self):
        self.thread.join()
        self.listener.close()

    def _run(self):
        clients = [self._accept() for _ in range(2)]
        for peer in clients:
            peer.join()

    def _accept(self):
        peer, _ = self.listener.accept()
        thread = threading.Thread(target=self._serve, args=(peer,))
        thread.start()
        return thread

    def _serve(self, peer):
        with peer, peer.makefile("rb") as stream:
            try:
                for kind, packet in packets(stream):
                    self._handle(peer, kind, packet)
            except OSError:
                pass  # the generator has gone

    def _handle(self, peer, kind, packet):
        if kind == CONNECT:
            peer.sendall(b"\x20\x02\x00\x00")
        elif kind == SUBSCRIBE:
            self.subscriber = peer
            peer.sendall(b"\x90\x03" + packet[2:4] + b"\x00")
        elif kind == PUBLISH:
            self._deliver(packet)

    def _deliver(self, packet):
        place = self.messages % 100
        self.messages += 1
        if place == 10:
            self.lost += 1
        elif place == 20:
            self.duplicates += 1
            self.subscriber.sendall(packet + packet)
        elif place == 30:
            self.held = packet
        elif place == 31:
            self.swapped += 1
            self.subscriber.sendall(packet + self.held)
            self.held = None
        else:
            self.subscriber.sendall(packet)
