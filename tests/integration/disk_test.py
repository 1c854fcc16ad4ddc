# SPDX-License-Identifier: Apache-2.0
"""What is on disk, and what a broker says when it cannot be."""

import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from tests.integration.broker import PROGRAM, BrokerTest, wait_for
from tests.integration.clients import Subscriber, publish, run_sub
from tests.integration.wire import (CONNACK, DISCONNECT, PUBACK, PUBLISH, PUBREC, Wire, packet,
                                    text)

QUOTA_EXCEEDED = 0x97


def readiness(broker):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.ports['admin']}/readyz") as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Disk(BrokerTest):
    def sleeper(self, port, name="sleeper"):
        Subscriber(self, port, "-t", "kept/#", "-c", "-q", "1", "-i", name).stop()

    def awake(self, port, count, name="sleeper"):
        agent = Subscriber(self, port, "-t", "kept/#", "-c", "-q", "1", "-i", name)
        return agent.take(count)

    def test_a_power_cut_takes_nothing_that_was_acknowledged(self):
        broker = self.broker()
        self.sleeper(broker.port)
        for number in range(20):
            publish(broker.port, f"kept/{number}", f"message {number}", "-q", str(1 + number % 2))
        publish(broker.port, "old/news", "retained", "-r", "-q", "1")
        broker.kill()
        again = self.broker("--storage.folder", broker.folder / "store")
        self.assertEqual(self.awake(again.port, 20), [f"message {n}" for n in range(20)])
        self.assertEqual(run_sub(again.port, "-t", "old/#", "-C", "1").stdout, "retained\n")

    def counters(self, broker, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.ports['admin']}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = [line.rsplit(" ", 1) for line in lines if line.startswith(name)]
        return {key[len(name):]: float(value) for key, value in found}

    def settled_syncs(self, broker):
        """Once nothing that came before is synced any more."""
        seen = []

        def settled():
            seen.append(self.counters(broker, "grapevine_store_syncs_total")[""])
            return len(seen) > 20 and len(set(seen[-20:])) == 1
        wait_for("the end of syncs", settled)
        return seen[-1]

    def test_what_need_not_be_synced_is_written_and_outlives_the_process(self):
        broker = self.broker("--storage.durability", "interval", "--storage.sync_interval", "1h")
        self.sleeper(broker.port)
        before = self.settled_syncs(broker)
        for number in range(10):
            publish(broker.port, f"kept/{number}", f"message {number}", "-q", str(1 + number % 2))
        accepted = self.counters(broker, "grapevine_publishes_accepted_total")
        self.assertEqual(accepted['{durability="interval"}'], 10)
        self.assertEqual(accepted['{durability="fsync"}'], 0)
        # One for the numbers that the queue reserves; none for its messages.
        self.assertLessEqual(self.counters(broker, "grapevine_store_syncs_total")[""], before + 1)
        broker.kill()
        again = self.broker("--storage.folder", broker.folder / "store")
        self.assertEqual(self.awake(again.port, 10), [f"message {n}" for n in range(10)])

    def test_nothing_is_kept_where_nothing_shall_be(self):
        broker = self.broker("--storage.enabled", "false")
        broker.wait_for_log("nothing_is_kept")
        self.assertFalse((broker.folder / "store").exists())
        publish(broker.port, "t", "x", "-q", "2")

    def test_two_brokers_do_not_share_a_store(self):
        folder = self.broker().folder / "store"
        done = subprocess.run([PROGRAM, "-p", "0", "--admin.port", "0", "--storage.folder", folder],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another process uses this store", done.stderr)
        self.assertIn("storage.folder", done.stderr)

    def small_disk(self, size):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk],
                                 capture_output=True, text=True, check=False)
        if os.geteuid() != 0 or mounted.returncode != 0:
            self.skipTest("a small disk can be mounted by root alone: " + mounted.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        return disk

    def publish_until_full(self, writer):
        """How many were acknowledged before one was refused, or not answered: it was on its way."""
        writer.socket.settimeout(3)
        for number in range(1_000_000):
            payload = f"{number} {os.urandom(500).hex()}".encode()
            writer.publish("kept/x", payload, qos=1, packet_id=1 + number % 60_000)
            try:
                kind, body = writer.receive()
            except socket.timeout:
                return number
            self.assertEqual(kind, PUBACK)
            if len(body) > 2 and body[2] >= 0x80:
                self.assertEqual(body[2], QUOTA_EXCEEDED)
                return number
        return self.fail("the disk was never full")

    def fill(self, disk, leave):
        """Takes all of the disk but so many bytes."""
        found = os.statvfs(disk)
        with (disk / "filler").open("ab", buffering=0) as filler:
            left = found.f_bavail * found.f_frsize - leave
            while left > 0:
                left -= filler.write(bytes(min(left, 1 << 20)))

    def test_a_disk_without_room_packet_by_packet(self):
        """What is refused, what goes on, and that all does by itself when there is room again."""
        disk = self.small_disk("100m")
        broker = self.broker("--storage.folder", disk / "store", "--storage.ballast", "1MiB",
                             "--storage.write_buffer", "4MiB", "--storage.free_min", "20MiB")
        self.sleeper(broker.port)
        said = []

        def tell(client, kind, body):
            text = {None: "closed", CONNACK: "CONNACK", PUBACK: "PUBACK", PUBREC: "PUBREC",
                    PUBLISH: "PUBLISH", DISCONNECT: "DISCONNECT"}[kind]
            if kind == PUBLISH:
                text += " " + body.split(b"=")[-1].decode()
            elif kind in (PUBACK, PUBREC):
                text += f" {body[2]:#04x}" if len(body) > 2 else " 0x00"
            elif kind == CONNACK:
                text += f" {body[1]:#04x}"
            said.append(f"{client} < {text}")

        def publish_and_tell(wire, client, topic, payload, **how):
            how_much = "retained " if how.get("retain") else ""
            said.append(f"{client} > PUBLISH {how_much}{topic} QoS {how.get('qos', 0)}")
            wire.publish(topic, b"=" + payload, **how)
            if how.get("qos"):
                tell(client, *wire.receive())

        def expect_silence(wire, client):
            wire.socket.settimeout(1)
            with self.assertRaises(socket.timeout):
                wire.receive()
            said.append(f"{client} < nothing")

        with Wire(broker.port, version=5).connect("five") as five, \
                Wire(broker.port).connect("reader").subscribe("volatile", 1) as reader:
            publish_and_tell(five, "five", "kept/x", b"1", qos=1)
            self.fill(disk, 15 << 20)
            broker.wait_for_log("store_has_no_room")
            publish_and_tell(five, "five", "kept/x", b"2", qos=1)
            publish_and_tell(five, "five", "kept/x", b"3", qos=2, packet_id=2)
            publish_and_tell(five, "five", "a/topic", b"4", qos=1, retain=True)
            for qos in (0, 1):
                publish_and_tell(five, "five", "volatile", b"5", qos=qos)
                tell("reader", *reader.receive())
            with Wire(broker.port).connect("three") as three:
                said.append("three > PUBLISH kept/x QoS 1")
                three.publish("kept/x", b"=6", qos=1)
                expect_silence(three, "three")
            self.fill(disk, 5 << 20)
            wait_for("new sessions to be refused",
                     lambda: broker.log().count("store_has_no_room") == 2)
            with Wire(broker.port) as new:
                said.append("new > CONNECT, a session that is kept")
                new.send(packet(0x10, text("MQTT") + bytes([4, 0, 0, 0]) + text("new")))
                tell("new", *new.receive())
            with Wire(broker.port) as brief:
                said.append("brief > CONNECT, a clean session")
                brief.send(packet(0x10, text("MQTT") + bytes([4, 2, 0, 0]) + text("brief")))
                tell("brief", *brief.receive())
            self.assertEqual(self.awake(broker.port, 1), ["=1"])
            said.append("sleeper < PUBLISH 1")
            (disk / "filler").unlink()
            broker.wait_for_log("store_has_room")
            publish_and_tell(five, "five", "kept/x", b"7", qos=1)
        self.assertEqual(readiness(broker), 200)
        self.assertEqual(said, [
            "five > PUBLISH kept/x QoS 1", "five < PUBACK 0x00",
            "five > PUBLISH kept/x QoS 1", "five < PUBACK 0x97",
            "five > PUBLISH kept/x QoS 2", "five < PUBREC 0x97",
            "five > PUBLISH retained a/topic QoS 1", "five < PUBACK 0x97",
            "five > PUBLISH volatile QoS 0", "reader < PUBLISH 5",
            "five > PUBLISH volatile QoS 1", "five < PUBACK 0x00", "reader < PUBLISH 5",
            "three > PUBLISH kept/x QoS 1", "three < nothing",
            "new > CONNECT, a session that is kept", "new < CONNACK 0x03",
            "brief > CONNECT, a clean session", "brief < CONNACK 0x00",
            "sleeper < PUBLISH 1",
            "five > PUBLISH kept/x QoS 1", "five < PUBACK 0x00"])

    def test_a_full_disk(self):
        """MQTT 5 is told, MQTT 3 is not answered, what needs no disk goes on, nothing is lost."""
        disk = self.small_disk("24m")
        broker = self.broker("--storage.folder", disk / "store", "--storage.ballast", "2MiB",
                             "--storage.write_buffer", "4MiB", "--storage.free_min", "1B",
                             "--limits.queue_bytes_total_max", "10GiB")
        self.sleeper(broker.port)
        with Wire(broker.port, version=5).connect("five") as writer:
            stored = self.publish_until_full(writer)
        self.assertGreater(stored, 1000)
        self.publish_until_frozen(broker)
        wait_for("the stall", lambda: readiness(broker) == 503)
        self.assertEqual(self.answer_to(broker.port, "kept/x", 1), QUOTA_EXCEEDED)
        self.expect_flow(broker.port)
        with Wire(broker.port).connect("three") as old:
            old.publish("kept/x", b"refused", qos=1)
            old.socket.settimeout(1)
            with self.assertRaises(socket.timeout):
                old.receive()
        broker.stop()
        subprocess.run(["mount", "-o", "remount,size=96m", disk], check=True)
        again = self.broker("--storage.folder", disk / "store", "--storage.ballast", "2MiB")
        self.assertEqual(readiness(again), 200)
        with Wire(again.port).connect("late") as late:
            late.publish_and_wait("kept/x", b"%d the last" % stored)
        found = self.awake(again.port, stored + 1)
        self.assertEqual([each.split()[0] for each in found], [str(n) for n in range(stored + 1)])
        wait_for("ballast", (disk / "store" / "ballast").exists)

    def fill_to_the_brim(self, disk):
        """Whoever else writes to it."""
        with (disk / "filler").open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass

    def publish_until_frozen(self, broker):
        """What nobody can be told about is written whatever is said of the room."""
        with Wire(broker.port).connect("retains") as writer:
            def is_frozen():
                writer.publish("r", os.urandom(1000), retain=True)
                return "store_frozen" in broker.log()
            wait_for("the freeze", is_frozen)

    def keep_publishing(self, port, name, version, acknowledged, is_done):
        """One after the other, with a new connection where there is no answer."""
        number = 0
        while not is_done.is_set():
            try:
                with Wire(port, version=version).connect(name) as writer:
                    writer.socket.settimeout(1)
                    while not is_done.is_set():
                        number += 1
                        message = f"{name} {number}"
                        writer.publish("kept/x", f"{message} {os.urandom(500).hex()}".encode(),
                                       qos=1, packet_id=1 + number % 60_000)
                        kind, body = writer.receive()
                        if kind == PUBACK and (len(body) < 3 or body[2] < 0x80):
                            acknowledged.append((time.monotonic(), message))
                        time.sleep(0.002)
            except OSError:
                pass

    def answer_to(self, port, topic, qos, name="asks"):
        """Reason code of what acknowledges a message."""
        with Wire(port, version=5).connect(name) as writer:
            writer.publish(topic, b"asked", qos=qos)
            kind, body = writer.receive()
            self.assertEqual(kind, PUBACK if qos == 1 else PUBREC)
            return body[2] if len(body) > 2 else 0

    def expect_flow(self, port):
        with Wire(port).connect("reader").subscribe("volatile", 1) as reader, \
                Wire(port, version=5).connect("writer") as writer:
            for qos in (0, 1):
                writer.publish("volatile", b"goes on", qos=qos, packet_id=7)
                kind, body = reader.receive()
                self.assertEqual((kind, body[-7:]), (PUBLISH, b"goes on"))
            self.assertEqual(writer.receive(), (PUBACK, b"\0\7"))

    def test_a_disk_that_is_filled_in_one_gulp(self):
        """What needs the disk stands still, and goes on by itself when there is room."""
        self.gulp(before=0.5, during=1.5)

    def gulp(self, before, during, *arguments):
        disk = self.small_disk("64m")
        options = ["--storage.folder", disk / "store", "--storage.ballast", "1MiB",
                   "--storage.write_buffer", "2MiB", "--storage.free_min", "1B",
                   "--limits.queue_bytes_total_max", "10GiB", *arguments]
        broker = self.broker(*options)
        self.sleeper(broker.port)
        acknowledged = []
        is_done = threading.Event()
        publishers = [threading.Thread(target=self.keep_publishing,
                                       args=(broker.port, f"v{version} {number}", version,
                                             acknowledged, is_done))
                      for version in (4, 5) for number in range(3)]
        for each in publishers:
            each.start()
        try:
            time.sleep(before)
            self.fill_to_the_brim(disk)
            self.publish_until_frozen(broker)
            wait_for("the stall", lambda: readiness(broker) == 503)
            time.sleep(1)  # what was sent before has been read by now
            full_at = time.monotonic()
            self.assertEqual(self.answer_to(broker.port, "kept/x", 1), QUOTA_EXCEEDED)
            self.assertEqual(self.answer_to(broker.port, "kept/x", 2), QUOTA_EXCEEDED)
            self.expect_flow(broker.port)
            time.sleep(during)
            self.expect_flow(broker.port)
            self.assertEqual([each for at, each in acknowledged if at > full_at], [])
            (disk / "filler").unlink()
            room_at = time.monotonic()
            broker.wait_for_log("store_resumed")
            wait_for("an acknowledgement", lambda: acknowledged
                     and acknowledged[-1][0] > full_at)
            self.assertLess(time.monotonic() - room_at, 10)
            self.assertEqual(readiness(broker), 200)
            self.assertEqual(self.answer_to(broker.port, "kept/x", 1), 0)
            names = {f"v{version} {number}" for version in (4, 5) for number in range(3)}
            wait_for("all publishers", lambda: names == {
                each.rsplit(" ", 1)[0] for at, each in list(acknowledged) if at > room_at})
            self.assertEqual(self.counters(broker, "grapevine_store_resumes_total")[""], 1)
            self.assertGreater(
                self.counters(broker, "grapevine_store_stalled_seconds_total")[""], during)
            broker.kill()
        finally:
            is_done.set()
            for each in publishers:
                each.join()
        again = self.broker(*options)
        self.assertNotIn("store_salvaged", again.log())
        agent = Subscriber(self, again.port, "-t", "kept/#", "-c", "-q", "1", "-i", "sleeper")
        expected = {each for _, each in acknowledged}
        found = set()
        while not expected <= found:
            try:
                found.add(agent.next().rsplit(" ", 1)[0])
            except AssertionError:
                lost = [(round(at - full_at, 3), each) for at, each in acknowledged
                        if each not in found]
                self.fail(f"{len(lost)} of {len(expected)} are lost: {lost[:20]}; "
                          f"there was room after {room_at - full_at:.3f} s")
        return len(expected)
