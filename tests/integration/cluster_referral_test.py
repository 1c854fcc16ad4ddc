# SPDX-License-Identifier: Apache-2.0
"""Clients are told to connect to the node where their sessions live."""

import socket

from tests.integration.clients import run_sub
from tests.integration.cluster import ClusterTest, metrics
from tests.integration.wire import CONNACK, Wire, packet, text

USE_ANOTHER_SERVER = 0x9c
SERVER_REFERENCE = b"\x1c"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class ClusterReferral(ClusterTest):
    def listed(self, name):
        """A node that tells others where clients reach it."""
        port = free_port()
        started = self.node(name, "-p", port, "--cluster.client_address", f"127.0.0.1:{port}",
                            "--sessions.refer_to_home", "always")
        started.port = port
        return started

    @staticmethod
    def connack(wire, client):
        wire.send(packet(0x10, text("MQTT") + b"\5\0\0\0\5\x11\0\0\x0e\x10" + text(client)))
        return wire.receive()

    def test_a_client_is_told_where_its_session_lives_and_is_never_locked_out(self):
        nodes = first, second = self.listed("node1"), self.listed("node2")
        self.wait_until_joined(*nodes)
        self.spread(nodes)
        referred, served = 0, 0
        for number in range(20):
            client = f"c{number}"
            with Wire(first.port, version=5) as wire:
                kind, body = self.connack(wire, client)
            self.assertEqual(kind, CONNACK)
            if body[1] == 0:
                served += 1
                continue
            referred += 1
            self.assertEqual(body[1], USE_ANOTHER_SERVER)
            self.assertIn(SERVER_REFERENCE + text(f"127.0.0.1:{second.port}"), body)
            for node in (second, first):  # where it was sent, and here if it insists
                with Wire(node.port, version=5) as wire:
                    self.assertEqual(self.connack(wire, client)[1][1], 0)
        self.assertGreater(referred, 2)
        self.assertGreater(served, 2)
        self.assertEqual(metrics(first)["grapevine_sessions_referred_total"], referred)
        self.assertEqual(metrics(second)["grapevine_sessions_referred_total"], 0)

    def test_clients_that_do_not_follow_references_get_in(self):
        nodes = first, _ = self.listed("node1"), self.listed("node2")
        self.wait_until_joined(*nodes)
        self.spread(nodes)
        for number in range(8):
            arguments = ("-V", "5", "-c", "-i", f"m{number}", "-x", "3600", "-t", "t", "-E")
            run_sub(first.port, *arguments)
            done = run_sub(first.port, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
