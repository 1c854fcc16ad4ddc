# SPDX-License-Identifier: Apache-2.0
"""Eclipse paho (Debian's, 1.6) with calls that wait for their answer."""

import queue
import ssl
import threading

from paho.mqtt import client as mqtt

from tests.integration.patience import PATIENCE_S


class PahoClient:
    def __init__(self, test, port, version=mqtt.MQTTv311, transport="tcp", authority=None,
                 client_id="", login=None, tls_version=None, **connecting):
        self.client = mqtt.Client(client_id, protocol=version, transport=transport)
        self.messages = queue.Queue()
        self.answers = queue.Queue()
        self.is_connected = threading.Event()
        self.code = None
        self.client.on_connect = self.on_connect
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.on_subscribe = lambda _client, _data, _id, codes, *_: self.answers.put(codes)
        if login:
            self.client.username_pw_set(*login)
        if authority:
            context = ssl.create_default_context(cafile=str(authority))
            if tls_version:
                context.minimum_version = context.maximum_version = tls_version
            self.client.tls_set_context(context)
        self.client.connect("127.0.0.1", port, **connecting)
        self.client.loop_start()
        test.addCleanup(self.close)
        if not self.is_connected.wait(PATIENCE_S):
            raise AssertionError("no CONNACK")
        if self.code != 0:
            raise AssertionError(f"refused: {self.code}")

    def on_connect(self, _client, _data, _flags, code, *_):
        self.code = code
        self.is_connected.set()

    def subscribe(self, topic_filter, qos=0, **options):
        self.client.subscribe(topic_filter, qos, **options)
        return self.answers.get(timeout=PATIENCE_S)

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        done = self.client.publish(topic, payload, qos, retain, properties)
        done.wait_for_publish(PATIENCE_S)
        if not done.is_published():
            raise AssertionError(f"{topic} was not acknowledged")

    def next(self, seconds=PATIENCE_S):
        try:
            return self.messages.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError("no message came") from None

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
