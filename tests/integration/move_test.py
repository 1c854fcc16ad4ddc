# SPDX-License-Identifier: Apache-2.0
"""A house moves: from Mosquitto to Grapevine, and from one store to another."""

import struct
import subprocess
import unittest

from tests.integration.broker import PROGRAM, Broker, BrokerTest
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.mosquitto import Mosquitto
from tests.integration.mosquitto import PROGRAM as MOSQUITTO
from tests.integration.wire import PUBACK, PUBLISH, Wire, packet

PUBREC, PUBREL, PUBCOMP = 5, 6, 7


def store(*arguments, code=0, **options):
    done = subprocess.run([PROGRAM, "store", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, **options)
    if done.returncode != code:
        raise AssertionError(f"store {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def packet_of(kind, packet_id):
    return packet(kind << 4 | (2 if kind == PUBREL else 0), struct.pack(">H", packet_id))


def take(wire, count):
    """So many messages as (payload, qos, dup, packet id), acknowledging none."""
    found = []
    while len(found) < count:
        kind, body, first = wire.receive_with_flags()
        if kind == PUBLISH:
            qos = first >> 1 & 3
            topic_end = 2 + struct.unpack(">H", body[:2])[0]
            number = struct.unpack(">H", body[topic_end:topic_end + 2])[0] if qos else 0
            found.append((body[topic_end + (2 if qos else 0):].decode(), qos, first >> 3 & 1,
                          number))
        elif kind is None:
            raise AssertionError(f"the connection ended after {found}")
    return found


@unittest.skipUnless(MOSQUITTO, "mosquitto is not installed")
class MoveFromMosquitto(BrokerTest):
    def setUp(self):
        super().setUp()
        self.old = Mosquitto(self.folder)
        self.addCleanup(self.old.process.wait)
        self.addCleanup(self.old.process.terminate)

    def move(self):
        """Stops Mosquitto, imports its file; returns what was said, and a broker on the store."""
        self.assertEqual(self.old.stop(), 0)
        said = store("import", "--folder", self.folder / "moved", self.old.file).stdout
        return said, self.broker("--storage.folder", self.folder / "moved")

    def test_retained_messages_with_their_properties(self):
        port, five = self.old.port, ("-V", "mqttv5")
        publish(port, "house/a", "plain", "-r", "-q", "1")
        publish(port, "house/b", "rich", "-r", "-q", "2", *five,
                "-D", "publish", "content-type", "text/plain",
                "-D", "publish", "user-property", "key", "value",
                "-D", "publish", "response-topic", "answer", "-D", "publish",
                "message-expiry-interval", "1000")
        publish(port, "house/c", "brief", "-r", "-q", "1", *five,
                "-D", "publish", "message-expiry-interval", "1")
        said, broker = self.move()
        self.assertIn(" retained messages", said)
        done = run_sub(broker.port, "-t", "#", *five, "-W", "2", "-F", "%t %p %C %P %R %E")
        lines = sorted(done.stdout.split("\n"))[1:]
        self.assertEqual(lines[0].split(), ["house/a", "plain"])
        self.assertRegex(lines[1], r"^house/b rich text/plain key:value answer (1000|99\d)$")
        self.assertLessEqual(len(lines), 3)

    def test_sessions_with_their_queues(self):
        """Persistent clients of both versions get what waited, in order, exactly once."""
        port = self.old.port
        sleepers = {"three": ("-q", "1"), "five": ("-q", "2", "-V", "mqttv5", "-x", "3600")}
        for name, how in sleepers.items():
            Subscriber(self, port, "-c", "-i", name, "-t", "mail/+", *how).stop()
        long = "a body that is worth to be stored once only "
        for number in range(50):
            publish(port, f"mail/{number % 3}", f"{long}{number}", "-q", str(1 + number % 2))
        said, broker = self.move()
        self.assertIn("2 sessions, 2 subscriptions, 100 queued messages", said)
        for name, how in sleepers.items():
            # Another filter than before: what comes of mail was subscribed to with Mosquitto.
            client = Subscriber(self, broker.port, "-c", "-i", name, "-t", "else", *how)
            got = client.take(50)
            # A client shows a message of QoS 2 at its PUBREL: order is that within a QoS.
            self.assertEqual(sorted(got, key=lambda body: int(body.split()[-1]) % 2),
                             [f"{long}{number}" for number in [*range(0, 50, 2),
                                                               *range(1, 50, 2)]])
            self.assertEqual(client.stop(), [])
        publish(broker.port, "mail/new", "of the new house", "-q", "1")
        for name, how in sleepers.items():
            client = Subscriber(self, broker.port, "-c", "-i", name, "-t", "else", *how)
            self.assertEqual(client.next(), "of the new house")

    def test_messages_in_flight_to_a_client(self):
        """Sent and not acknowledged, received and not released: each goes on where it was."""
        with Wire(self.old.port).connect("agent", clean=False).subscribe("t", qos=2) as agent:
            for number in range(4):
                publish(self.old.port, "t", str(number), "-q", "2" if number != 1 else "1")
            sent = take(agent, 4)
            self.assertEqual([each[:2] for each in sent],
                             [("0", 2), ("1", 1), ("2", 2), ("3", 2)])
            agent.send(packet_of(PUBREC, sent[0][3]))
            self.assertEqual(agent.receive()[0], PUBREL)
        publish(self.old.port, "t", "4", "-q", "2")
        said, broker = self.move()
        self.assertIn("1 releases", said)
        with Wire(broker.port).connect("agent", clean=False) as agent:
            kind, body = agent.receive()
            self.assertEqual((kind, struct.unpack(">H", body)[0]), (PUBREL, sent[0][3]))
            agent.send(packet_of(PUBCOMP, sent[0][3]))
            again = take(agent, 4)
            self.assertEqual([each[0] for each in again], ["1", "2", "3", "4"])
            self.assertEqual([(dup, number) for _, _, dup, number in again[:3]],
                             [(1, each[3]) for each in sent[1:]])
            self.assertEqual(again[3][2], 0)
            for payload, qos, _, number in again:
                agent.send(packet_of(PUBREC if qos == 2 else PUBACK, number))
            for _ in range(3):
                kind, body = agent.receive()
                self.assertEqual(kind, PUBREL)
                agent.send(packet(PUBCOMP << 4, body))

    def test_a_message_of_a_client_whose_pubrel_is_missing(self):
        """Mosquitto gives it out at the PUBREL; here it is, once, for those who sleep."""
        Subscriber(self, self.old.port, "-c", "-i", "sleeper", "-t", "t", "-q", "1").stop()
        with Wire(self.old.port).connect("writer", clean=False) as writer:
            writer.publish("t", b"half sent", qos=2, packet_id=9)
            self.assertEqual(writer.receive(), (PUBREC, struct.pack(">H", 9)))
        said, broker = self.move()
        self.assertIn("1 inbound", said)
        with Wire(broker.port).connect("writer", clean=False) as writer:
            writer.send(bytes([0x3c]) + writer.publish_bytes("t", b"half sent", qos=2,
                                                             packet_id=9)[1:])
            self.assertEqual(writer.receive(), (PUBREC, struct.pack(">H", 9)))
            writer.send(packet_of(PUBREL, 9))
            self.assertEqual(writer.receive(), (PUBCOMP, struct.pack(">H", 9)))
            writer.publish_and_wait("t", b"end")
        sleeper = Subscriber(self, broker.port, "-c", "-i", "sleeper", "-t", "t", "-q", "1")
        self.assertEqual(sleeper.take(2), ["half sent", "end"])
        self.assertEqual(sleeper.stop(), [])

    def test_a_file_that_is_cut_is_refused_with_its_place(self):
        publish(self.old.port, "a", "x", "-r", "-q", "1")
        self.old.stop()
        data = self.old.file.read_bytes()
        cut = self.folder / "cut.db"
        cut.write_bytes(data[:-3])
        said = store("import", "--folder", self.folder / "moved", cut, code=1).stderr
        self.assertIn(f"cut.db, byte {len(data) - 16}: the file ends in the middle", said)
        self.assertFalse((self.folder / "moved").exists())


class LookIntoAStore(BrokerTest):
    def broker_with_something(self):
        """Its folder, with a session, its queue and a retained message."""
        broker = self.broker()
        Subscriber(self, broker.port, "-c", "-i", "sleeper", "-t", "t", "-q", "1").stop()
        for number in range(5):
            publish(broker.port, "t", f"a body of more than thirty-two bytes {number}", "-q", "1")
        publish(broker.port, "kept", "retained", "-q", "1", "-r")
        return broker, broker.folder / "store"

    def test_beside_a_broker(self):
        broker, folder = self.broker_with_something()
        self.assertIn("Nothing is broken.", store("check", "--folder", folder).stdout)
        said = store("stats", "--folder", folder).stdout
        self.assertRegex(said, r"queued messages 5,")
        self.assertRegex(said, r"(?m)^ +5 +\d+ +0 +0 +1  sleeper$")
        self.assertEqual(store("export", "--folder", folder).stdout.count('"type":"message"'), 5)
        refused = store("import", "--merge", "--folder", folder, "-", code=1, input="")
        self.assertIn("another process uses this store", refused.stderr)
        file = self.write("one.jsonl", '{"type":"retained","message":{"topic":"a","text":"b"}}\n')
        refused = store("import", "--folder", folder, file, code=1)
        self.assertIn("another process uses this store", refused.stderr)
        publish(broker.port, "t", "still at work", "-q", "1")

    def test_from_one_store_to_another(self):
        broker, folder = self.broker_with_something()
        broker.stop()
        lines = store("export", "--folder", folder).stdout
        file = self.folder / "all.jsonl"
        self.assertEqual(store("export", "--folder", folder, file).stdout, "")
        self.assertEqual(file.read_text(), lines)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertFalse((self.folder / "all.jsonl.part").exists())
        moved = self.folder / "moved"
        self.assertIn("imported: 1 sessions", store("import", "--folder", moved, file).stdout)
        again = store("export", "--folder", moved).stdout
        self.assertEqual(again.split("\n")[1:], lines.split("\n")[1:])
        self.assertIn("not empty", store("import", "--folder", moved, file, code=1).stderr)
        port = self.broker("--storage.folder", moved).port
        client = Subscriber(self, port, "-c", "-i", "sleeper", "-t", "kept", "-q", "1")
        self.assertEqual(client.take(6), [*(f"a body of more than thirty-two bytes {number}"
                                            for number in range(5)), "retained"])

    def test_a_faulty_line_adds_nothing(self):
        file = self.write("x.jsonl", '{"type":"retained","message":{"topic":"a"}}\n{"type":1}\n')
        moved = self.folder / "moved"
        refused = store("import", "--folder", moved, file, code=1)
        self.assertIn("x.jsonl:2: type is not a text of at most", refused.stderr)
        self.assertFalse(moved.exists())

    def test_what_nobody_exported_adds_nothing(self):
        moved = self.folder / "moved"
        empty = self.write("empty", "")
        self.assertIn("there is nothing in it",
                      store("import", "--folder", moved, empty, code=1).stderr)
        zeros = self.write("zeros.db", "\0" * 64)
        self.assertIn("zeros.db:1: this is no JSON: syntax error; mend the line, or import a file",
                      store("import", "--folder", moved, zeros, code=1).stderr)
        self.assertFalse(moved.exists())

    def test_a_file_that_cannot_be_written(self):
        broker, folder = self.broker_with_something()
        broker.stop()
        refused = store("export", "--folder", folder, self.folder / "no" / "x.jsonl", code=1)
        self.assertIn("x.jsonl.part: the file cannot be made: No such file", refused.stderr)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "store", "export", "--folder", str(folder)],
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output: it could not be written to its end", done.stderr)

    def test_damage_is_found(self):
        broker, folder = self.broker_with_something()
        broker.stop()
        # What is in the log goes to tables at the next start.
        broker.ports_file.unlink()
        self.assertEqual(Broker(broker.folder).stop(), 0)
        tables = sorted((folder / "db").glob("*.sst"), key=lambda each: each.stat().st_size)
        data = bytearray(tables[-1].read_bytes())
        data[10] ^= 0x40
        tables[-1].write_bytes(data)
        said = store("check", "--folder", folder, code=1).stdout
        self.assertRegex(said, r"files: 1 damaged\n  \d+\.sst: Corruption: .*checksum")
        self.assertIn("Something is broken: copy the folder", said)

    def test_what_is_no_store(self):
        self.assertIn("there is no store in this folder",
                      store("stats", "--folder", self.folder, code=1).stderr)
        self.assertIn("is neither check, stats", store("look", code=2).stderr)
        self.assertIn("the file cannot be read",
                      store("import", "--folder", self.folder / "new", "nowhere", code=1).stderr)
