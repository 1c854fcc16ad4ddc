# SPDX-License-Identifier: Apache-2.0
"""Eclipse paho, as programs use it."""

import json

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.integration.broker import BrokerTest
from tests.integration.paho_client import PahoClient


def publish_properties(**values):
    made = Properties(PacketTypes.PUBLISH)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Paho(BrokerTest):
    def test_temperatures_as_json(self):
        port = self.broker().port
        for version in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
            subscriber = PahoClient(self, port, version)
            publisher = PahoClient(self, port, version)
            subscriber.subscribe("home/+/temperature", 1)
            readings = [{"room": room, "celsius": 18.5 + number}
                        for number, room in enumerate(("kitchen", "bedroom", "bath"))]
            for reading in readings:
                publisher.publish(f"home/{reading['room']}/temperature", json.dumps(reading), 1)
            for reading in readings:
                got = subscriber.next()
                self.assertEqual(got.topic, f"home/{reading['room']}/temperature")
                self.assertEqual(json.loads(got.payload), reading)

    def test_quality_2_in_numbers(self):
        port = self.broker().port
        subscriber, publisher = PahoClient(self, port), PahoClient(self, port)
        publisher.client.max_inflight_messages_set(100)
        subscriber.subscribe("n", 2)
        sent = [publisher.client.publish("n", str(number), 2) for number in range(2000)]
        for each in sent:
            each.wait_for_publish(30)
            self.assertTrue(each.is_published())
        for number in range(2000):
            self.assertEqual(subscriber.next().payload, b"%d" % number)
        self.assertTrue(subscriber.messages.empty())

    def test_properties_travel_unchanged(self):
        port = self.broker().port
        client = PahoClient(self, port, mqtt.MQTTv5)
        wanted = Properties(PacketTypes.SUBSCRIBE)
        wanted.SubscriptionIdentifier = 12345
        client.subscribe("p", options=SubscribeOptions(2), properties=wanted)
        sent = publish_properties(ResponseTopic="answers/1", CorrelationData=b"\0\xff",
                                  ContentType="application/json", PayloadFormatIndicator=1,
                                  MessageExpiryInterval=100,
                                  UserProperty=[("colour", "red"), ("colour", "blue"), ("", "")])
        client.publish("p", "{}", 2, properties=sent)
        seen = client.next().properties
        self.assertEqual(seen.ResponseTopic, "answers/1")
        self.assertEqual(seen.CorrelationData, b"\0\xff")
        self.assertEqual(seen.ContentType, "application/json")
        self.assertEqual(seen.PayloadFormatIndicator, 1)
        self.assertIn(seen.MessageExpiryInterval, (99, 100))
        self.assertEqual(seen.UserProperty, [("colour", "red"), ("colour", "blue"), ("", "")])
        self.assertEqual(seen.SubscriptionIdentifier, [12345])

    def test_request_and_response(self):
        port = self.broker().port
        server = PahoClient(self, port, mqtt.MQTTv5)
        asking = PahoClient(self, port, mqtt.MQTTv5)
        server.subscribe("double")
        asking.subscribe("answers/asking")
        for number in range(10):
            asking.publish("double", str(number), properties=publish_properties(
                ResponseTopic="answers/asking", CorrelationData=b"%d" % number))
        for _ in range(10):
            request = server.next()
            server.publish(request.properties.ResponseTopic, str(2 * int(request.payload)),
                           properties=publish_properties(
                               CorrelationData=request.properties.CorrelationData))
        for _ in range(10):
            answer = asking.next()
            self.assertEqual(int(answer.payload), 2 * int(answer.properties.CorrelationData))


    def test_no_local_and_retain_as_published(self):
        port = self.broker().port
        client, other = (PahoClient(self, port, mqtt.MQTTv5) for _ in range(2))
        client.subscribe("t", options=SubscribeOptions(1, noLocal=True, retainAsPublished=True))
        client.publish("t", "own", 1)
        other.publish("t", "theirs", 1, retain=True)
        got = client.next()
        self.assertEqual((got.payload, got.retain), (b"theirs", True))

    def test_retain_handling(self):
        port = self.broker().port
        client = PahoClient(self, port, mqtt.MQTTv5)
        client.publish("kept", "x", 1, retain=True)
        client.subscribe("kept", options=SubscribeOptions(
            1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND))
        client.publish("kept", "live", 1)
        self.assertEqual(client.next().payload, b"live")
        client.subscribe("kept", options=SubscribeOptions(
            1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE))
        self.assertEqual(client.next().payload, b"x")

    def test_session_expiry_and_receive_maximum(self):
        port = self.broker().port
        asked = Properties(PacketTypes.CONNECT)
        asked.SessionExpiryInterval = 100
        asked.ReceiveMaximum = 5
        first = PahoClient(self, port, mqtt.MQTTv5, client_id="keeper", clean_start=False,
                           properties=asked)
        first.subscribe("t", 2)
        first.close()
        publisher = PahoClient(self, port, mqtt.MQTTv5)
        for number in range(50):
            publisher.publish("t", str(number), 2)
        again = PahoClient(self, port, mqtt.MQTTv5, client_id="keeper", clean_start=False,
                           properties=asked)
        self.assertEqual([again.next().payload for _ in range(50)],
                         [b"%d" % number for number in range(50)])
