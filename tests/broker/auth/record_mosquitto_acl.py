#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a real mosquitto what its ACL file allows and writes the answers to data/mosquitto_acl.json.

The file is checked in; acl_mosquitto_test.cpp compares our answers with it. Run this by hand when a
case is added or a new Mosquitto is to be compared. Needs mosquitto and python3-paho-mqtt.
"""
import json
import pathlib
import random
import socket
import subprocess
import tempfile
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes

HERE = pathlib.Path(__file__).parent
LOOPBACK = "127.0.0.1"
# Long enough for a delivery on loopback; what has not come by then was not allowed.
SILENCE_SECONDS = 0.12
ORACLE = "user oracle\ntopic readwrite #\ntopic readwrite $lab/#\n"

# Each: name, ACL text, subjects (client id, username), topics and filters to try.
WRITTEN = [
    ("manual", "topic read $SYS/#\n\nuser roger\ntopic foo/bar\n\npattern write $SYS/broker/connection/%c/state\n",
     [("c1", None), ("c1", "roger"), ("c1", "mallory")],
     ["foo/bar", "foo", "$SYS/broker/uptime", "$SYS/broker/connection/c1/state"], ["foo/bar", "#"]),
    ("access", "user u\ntopic read r/#\ntopic write w/#\ntopic readwrite b/#\ntopic both/#\n",
     [("c", "u"), ("c", "v"), ("c", None)],
     ["r/a", "w/a", "b/a", "both/a", "r", "other"], ["r/a", "w/a", "other/#"]),
    ("deny", "user u\ntopic readwrite a/#\ntopic deny a/secret/#\ntopic read a/secret/but/this\n",
     [("c", "u")], ["a/b", "a/secret", "a/secret/x", "a/secret/but/this", "a"], ["a/#", "a/b"]),
    ("anonymous section", "topic readwrite open/#\ntopic deny open/not\nuser u\ntopic read mine/#\n",
     [("c", None), ("c", "u")], ["open/x", "open/not", "mine/x"], ["open/x"]),
    ("user twice", "user u\ntopic read a\nuser v\ntopic read b\nuser u\ntopic write c\n",
     [("c", "u"), ("c", "v")], ["a", "b", "c"], ["a"]),
    ("spaces", "user james bond\ntopic   read   hello world\ntopic  readwrite   two  spaces/#\n",
     [("c", "james bond")], ["hello world", "two  spaces/x", "hello"], ["hello world"]),
    ("trailing blanks", "user u  \ntopic read a/b \t\n# topic readwrite #\n\n  \n",
     [("c", "u")], ["a/b", "x"], ["x"]),
    ("patterns", "pattern read own/%u/#\npattern write dev/%c/+\npattern readwrite both/%u/%c\n",
     [("c1", "u"), ("c1", None), ("%u", "u"), ("c1", "%c")],
     ["own/u/x", "own/v/x", "dev/c1/x", "dev/c1/x/y", "both/u/c1", "own/%u/x", "dev/%u/x",
      "dev/u/x", "own/%c/x", "own/c1/x"], ["own/u/x"]),
    ("pattern without place holder", "pattern read news/#\n",
     [("c", None), ("c", "u"), ("a/b", None), ("a+b", None)], ["news/x", "other"], ["news/#"]),
    ("slash in values", "pattern readwrite dev/%c/#\npattern readwrite usr/%u/#\n",
     [("a/b", None), ("a", "x/y"), ("a", "x")],
     ["dev/a/b/x", "dev/a/x", "usr/x/y/z", "usr/x/z"], ["x"]),
    ("wildcards in values", "pattern readwrite dev/%c/t\npattern readwrite usr/%u/t\n",
     [("+", None), ("#", None), ("+", "u"), ("c", "+"), ("c", "#")],
     ["dev/+/t".replace("+", "v"), "usr/v/t", "dev/c/t", "usr/u/t"], ["x"]),
    ("dollar in values", "pattern readwrite %c/#\n", [("$lab", None), ("lab", None)],
     ["$lab/x", "lab/x"], ["x"]),
    ("dollar needs dollar", "user u\ntopic readwrite #\ntopic readwrite +/x\n", [("c", "u")],
     ["$lab/x", "lab/x"], ["$lab/x"]),
    ("pattern deny in patterns", "pattern readwrite p/#\npattern deny p/%c/secret\n",
     [("c", None), ("d", None)], ["p/c/secret", "p/d/secret", "p/x"], ["p/#"]),
    ("pattern deny against topic", "user u\ntopic readwrite a/#\npattern deny a/%u/secret\n",
     [("c", "u")], ["a/u/secret", "a/v/secret"], ["a/#"]),
    ("topic deny against pattern", "user u\ntopic deny a/u/secret\npattern readwrite a/%u/#\n",
     [("c", "u")], ["a/u/secret", "a/u/x"], ["a/#"]),
    ("subscribe denied", "user u\ntopic deny s/#\ntopic readwrite #\n", [("c", "u")], ["s/x", "x"],
     ["s/#", "s/x", "s", "#", "x"]),
    ("empty file", "", [("c", None), ("c", "u")], ["a"], ["a"]),
    ("only comments", "# nothing\n", [("c", None)], ["a"], ["a"]),
    ("user without rules", "user u\n", [("c", "u"), ("c", None)], ["a"], ["a"]),
]


def random_case(seed):
    """A file of one kind: topics with denials, or patterns with denials, over a small alphabet."""
    rng = random.Random(seed)
    words = ["a", "b", "c", "+"]

    def make_filter(extra):
        levels = [rng.choice(words + extra) for _ in range(rng.randint(1, 3))]
        return "/".join(levels + (["#"] if rng.random() < 0.3 else []))

    access = ["", "read ", "write ", "readwrite ", "deny "]
    if seed % 2:
        lines = ["user u"] + [f"topic {rng.choice(access)}{make_filter([])}" for _ in range(5)]
    else:
        lines = [f"pattern {rng.choice(access)}{make_filter(['%c', '%u'])}" for _ in range(5)]
    topics = sorted({"/".join(rng.choice("abc") for _ in range(rng.randint(1, 4))) for _ in range(12)})
    return (f"random {seed}", "\n".join(lines) + "\n", [("a", "u"), ("b", "c")], topics, [])


def free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


class Client:
    def __init__(self, port, client_id, username):
        self.acks = {}
        self.received = set()
        self.woken = threading.Condition()
        self.connected = False
        self.client = paho.Client(client_id, protocol=paho.MQTTv5)
        if username is not None:
            self.client.username_pw_set(username, "x")
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.ack(mid, codes[0].value)
        # paho 1.6 hides the reason code of a PUBACK: read it from the packet.
        self.client._handle_pubackcomp = self.on_puback
        self.client.max_inflight_messages_set(60000)
        self.client.connect(LOOPBACK, port)
        self.client.loop_start()
        self.wait(lambda: self.connected)

    def on_connect(self, *_):
        with self.woken:
            self.connected = True
            self.woken.notify_all()

    def on_message(self, client, userdata, message):
        with self.woken:
            self.received.add(message.topic)
            self.woken.notify_all()

    def on_puback(self, command):
        packet = bytes(self.client._in_packet["packet"])
        mid = packet[0] << 8 | packet[1]
        with self.client._out_message_mutex:
            self.client._out_messages.pop(mid, None)
        self.ack(mid, packet[2] if len(packet) > 2 else 0)
        return paho.MQTT_ERR_SUCCESS

    def ack(self, mid, code):
        with self.woken:
            self.acks[mid] = code
            self.woken.notify_all()

    def wait(self, condition, seconds=5.0):
        with self.woken:
            return self.woken.wait_for(condition, seconds)

    def publish(self, topic):
        mid = self.client.publish(topic, b"x", qos=1).mid
        if not self.wait(lambda: mid in self.acks):
            raise RuntimeError(f"no PUBACK for {topic}")
        return self.acks[mid]

    def subscribe(self, topic_filter):
        mid = self.client.subscribe(topic_filter, qos=0)[1]
        if not self.wait(lambda: mid in self.acks):
            raise RuntimeError(f"no SUBACK for {topic_filter}")
        return self.acks[mid]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def ask(port, oracle, client_id, username, topics, filters):
    answers = []
    client = Client(port, client_id, username)

    def note(action, topic, allowed):
        answers.append({"client_id": client_id, "username": username, "action": action,
                        "topic": topic, "allowed": allowed})

    for topic_filter in filters:
        note("subscribe", topic_filter, client.subscribe(topic_filter) < 0x80)
        client.client.unsubscribe(topic_filter)
    client.received.clear()
    # $SYS is published by the broker alone; whether it can be received shows by itself.
    plain = [topic for topic in topics if not topic.startswith("$SYS")]
    for topic in plain:
        client.subscribe(topic)
    for topic in plain:
        oracle.publish(topic)
    time.sleep(SILENCE_SECONDS)
    for topic in plain:
        note("receive", topic, topic in client.received)
    for topic in topics:
        if topic.startswith("$SYS"):
            client.subscribe(topic)
            time.sleep(SILENCE_SECONDS)
            if topic.startswith("$SYS/broker/uptime"):
                note("receive", topic, topic in client.received)
    for topic in plain:
        note("publish", topic, client.publish(topic) < 0x80)
    client.close()
    return answers


def record(name, acl, subjects, topics, filters):
    # The oracle's own section stands first in no list that concerns the others.
    text = acl + ORACLE
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        path = pathlib.Path(folder)
        (path / "acl").write_text(text)
        (path / "conf").write_text(
            f"listener {port} {LOOPBACK}\nallow_anonymous true\nacl_file {path / 'acl'}\n"
            "user root\nsys_interval 1\n")
        broker = subprocess.Popen(["mosquitto", "-c", str(path / "conf")],
                                  stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    socket.create_connection((LOOPBACK, port)).close()
                    break
                except OSError:
                    time.sleep(0.02)
            oracle = Client(port, "oracle", "oracle")
            checks = []
            for client_id, username in subjects:
                checks += ask(port, oracle, client_id, username, topics, filters)
            oracle.close()
        finally:
            broker.terminate()
            broker.wait()
    print(name, len(checks), flush=True)
    return {"name": name, "acl": text, "checks": checks}


def main():
    cases = WRITTEN + [random_case(seed) for seed in range(40)]
    version = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True).stdout
    out = {"recorded_from": version.splitlines()[0], "cases": [record(*case) for case in cases]}
    (HERE / "data").mkdir(exist_ok=True)
    (HERE / "data" / "mosquitto_acl.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
