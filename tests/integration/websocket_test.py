# SPDX-License-Identifier: Apache-2.0
"""MQTT.js over TCP, TLS, WebSocket and secure WebSocket, and paho over the latter two."""

import os
import subprocess

from tests.integration.broker import BrokerTest
from tests.integration.certificates import Authority
from tests.integration.paho_client import PahoClient
from tests.integration.patience import PATIENCE_S

SCRIPT = os.path.join(os.path.dirname(__file__), "mqttjs_client.js")


class WebSocket(BrokerTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, "authority")
        certificate, key = self.authority.sign("localhost")
        tls = f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        self.ports = self.broker(config="".join(
            f'[[listeners]]\nname = "{name}"\nport = 0\ntransport = "{transport}"\n{more}'
            for name, transport, more in (("mqtt", "tcp", ""), ("mqtts", "tcp", tls),
                                          ("ws", "websocket", ""), ("wss", "websocket", tls))
        )).ports

    def javascript(self, scheme, path=""):
        # Debian's Node.js looks there by itself, others do not.
        environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
        for version in ("4", "5"):
            done = subprocess.run(
                ["node", SCRIPT, f"{scheme}://127.0.0.1:{self.ports[scheme]}{path}", version,
                 str(self.authority.certificate)],
                capture_output=True, text=True, timeout=2 * PATIENCE_S, env=environment)
            self.assertEqual(done.stdout.strip(), "ok", done.stderr)

    def test_mqttjs_over_tcp(self):
        self.javascript("mqtt")

    def test_mqttjs_over_tls(self):
        self.javascript("mqtts")

    def test_mqttjs_over_websocket(self):
        self.javascript("ws", "/mqtt")

    def test_mqttjs_over_secure_websocket(self):
        self.javascript("wss", "/any/path?with=query")

    def paho(self, scheme):
        """To itself, to plain TCP, and back; a payload of many WebSocket frames among them."""
        authority = self.authority.certificate if scheme == "wss" else None
        web = PahoClient(self, self.ports[scheme], transport="websockets", authority=authority)
        plain = PahoClient(self, self.ports["mqtt"])
        web.subscribe("#", 2)
        plain.subscribe("#", 2)
        for quality in range(3):
            for sender in (web, plain):
                payload = os.urandom(400_000)
                sender.publish("t", payload, quality)
                for receiver in (web, plain):
                    got = receiver.next()
                    self.assertEqual(got.qos, quality)
                    self.assertTrue(got.payload == payload)

    def test_paho_over_websocket(self):
        self.paho("ws")

    def test_paho_over_secure_websocket(self):
        self.paho("wss")
