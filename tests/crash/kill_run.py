#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a broker again and again under load, and counts what it has lost.

Publishers with persistent sessions send numbered messages at QoS 1 and 2, over MQTT 3.1.1 and 5.0,
with a window; subscribers with persistent sessions take them, some of them coming and going. The
broker is killed with SIGKILL at random moments and started again on the same folder; clients
reconnect and resume as the specification says. At the end everything drains and is compared:

    acknowledged and not delivered   must be 0 (lost)
    delivered twice at QoS 2         must be 0
    sessions that were gone          must be 0
    retained messages that went back must be 0

    tests/crash/kill_run.py --broker build/release/broker/grapevine --kills 200
    tests/crash/kill_run.py --broker mosquitto --kills 20     what that one loses
"""

import argparse
import asyncio
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import wire  # noqa: E402  (path first)
from ledger import Ledger  # noqa: E402

WINDOW = 20
GONE = (asyncio.IncompleteReadError, ConnectionError, OSError)

MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
{extra}
"""


def free_port():
    """Below those that the clients' own ends get, who would take it while the broker is down."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Broker:
    def __init__(self, options, folder):
        self.port = free_port()
        self.folder = folder
        self.log = open(folder / "log", "ab")
        if pathlib.Path(options.broker).name == "mosquitto":
            configuration = folder / "mosquitto.conf"
            configuration.write_text(MOSQUITTO.format(
                port=self.port, folder=folder, extra=options.mosquitto_extra.replace(";", "\n")))
            self.command = [options.broker, "-c", str(configuration)]
            os.chmod(folder, 0o777)
        else:
            self.command = [options.broker, "-p", str(self.port), "--admin.enabled", "false",
                            "--storage.folder", str(folder / "store"),
                            "--shards.threads", str(options.shards), *options.broker_args]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def kill(self):
        if self.process.poll() is not None:
            sys.exit(f"the broker ended by itself, with {self.process.returncode}: "
                     + (self.folder / "log").read_text(errors="replace")[-2000:])
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Client:
    """A connection that comes back until the run is over."""

    def __init__(self, run, name, version):
        self.run, self.name, self.version = run, name, version
        self.had_session = False
        self.writer = None
        self.task = asyncio.create_task(self.live())

    async def live(self):
        while not self.run.is_over:
            try:
                await self.connect_once()
            except GONE:
                await asyncio.sleep(0.005)
            finally:
                if self.writer:
                    self.writer.close()
                    self.writer = None

    async def connect_once(self):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.run.broker.port)
        self.writer.write(wire.connect(self.name, self.version))
        kind, _, body = await wire.read_packet(reader)
        if kind != wire.CONNACK or body[1] != 0:
            raise ConnectionError(f"{self.name}: CONNACK {body!r}")
        is_present = bool(body[0] & 1)
        if self.had_session and not is_present:
            self.run.ledger.sessions_lost += 1
        await self.resume(is_present, reader)
        self.had_session = True
        while True:
            kind, flags, body = await wire.read_packet(reader)
            self.on_packet(kind, flags, body)

    def send(self, data):
        if self.writer and not self.writer.transport.is_closing():
            self.writer.write(data)


class Publisher(Client):
    def __init__(self, run, index, qos, version):
        self.index, self.qos = index, qos
        self.next_number = 0
        self.next_id = 1
        self.flight = {}  # packet id → [message, frame arguments, has PUBREC]
        super().__init__(run, f"publisher-{index}", version)

    async def resume(self, is_present, reader):
        for packet_id, (_, frame, is_released) in list(self.flight.items()):
            self.send(wire.ack(wire.PUBREL, packet_id) if is_released
                      else wire.publish(*frame, packet_id, self.version, True, frame[0][0] == "r"))
        self.fill()

    def fill(self):
        while self.writer and not self.run.is_draining and len(self.flight) < WINDOW:
            number, self.next_number = self.next_number, self.next_number + 1
            packet_id = self.next_id
            self.next_id = self.next_id % 65535 + 1
            if packet_id in self.flight:
                return
            kind = "r" if number % 10 == 0 else "c"
            topic = f"r/{self.index}" if kind == "r" else f"c/{self.index}/{number % 5}"
            payload = f"{self.index}:{number}:".encode() + bytes(self.run.chance.randrange(600))
            message = (self.index, number)
            self.run.ledger.on_publish(message, topic, self.qos)
            if kind == "r":
                self.run.ledger.retained_sent[topic] = number
            frame = (topic, payload, self.qos)
            self.flight[packet_id] = [message, frame, False]
            self.send(wire.publish(*frame, packet_id, self.version, False, kind == "r"))

    def on_packet(self, kind, flags, body):
        packet_id = int.from_bytes(body[:2], "big")
        entry = self.flight.get(packet_id)
        if kind in (wire.PUBACK, wire.PUBREC) and entry:
            if wire.reason_of(body) >= 0x80:
                self.run.ledger.on_refused(entry[0], wire.reason_of(body))
                del self.flight[packet_id]
            elif kind == wire.PUBACK:
                self.acknowledged(entry)
                del self.flight[packet_id]
            else:
                self.acknowledged(entry)
                entry[2] = True
        if kind == wire.PUBREC:
            self.send(wire.ack(wire.PUBREL, packet_id))
        elif kind == wire.PUBCOMP:
            self.flight.pop(packet_id, None)
        self.fill()

    def acknowledged(self, entry):
        message, frame, _ = entry
        self.run.ledger.on_acknowledged(message)
        if frame[0][0] == "r":
            self.run.ledger.retained_acknowledged[frame[0]] = message[1]


class Subscriber(Client):
    """Takes for itself, or for the group that it is a member of."""

    def __init__(self, run, name, topic_filter, qos, version, taker=None, is_flaky=False):
        self.filter, self.qos, self.taker = topic_filter, qos, taker or name
        self.is_flaky = is_flaky
        self.held = set()
        self.messages = {}  # by packet id, for the history
        self.is_ready = asyncio.Event()
        super().__init__(run, name, version)

    async def resume(self, is_present, reader):
        if not is_present:
            self.held.clear()
            self.send(wire.subscribe(1, self.filter, self.qos, self.version))
            while (packet := await wire.read_packet(reader))[0] != wire.SUBACK:
                self.on_packet(*packet)
        self.is_ready.set()
        if self.is_flaky and not self.run.is_draining:
            asyncio.get_running_loop().call_later(self.run.chance.uniform(0.05, 1), self.leave)

    def leave(self):
        if self.writer and not self.run.is_draining:
            self.writer.transport.abort()

    def on_packet(self, kind, flags, body):
        if kind == wire.PUBLISH:
            _, packet_id, payload = wire.split_publish(flags, body, self.version)
            qos = flags >> 1 & 3
            if qos < 2 or packet_id not in self.held:
                index, number, _ = payload.split(b":", 2)
                message = (int(index), int(number))
                self.messages[packet_id] = message
                self.run.ledger.on_delivery(self.taker, message, packet_id, flags & 8)
            if qos == 1:
                self.send(wire.ack(wire.PUBACK, packet_id))
            elif qos == 2:
                self.held.add(packet_id)
                self.send(wire.ack(wire.PUBREC, packet_id))
        elif kind == wire.PUBREL:
            packet_id = int.from_bytes(body[:2], "big")
            self.held.discard(packet_id)
            if packet_id in self.messages:
                self.run.ledger.note(self.messages[packet_id], f"released by {self.name}")
            self.send(wire.ack(wire.PUBCOMP, packet_id))


class Run:
    def __init__(self, options, folder):
        self.options = options
        self.chance = random.Random(options.seed)
        self.ledger = Ledger()
        self.broker = Broker(options, folder)
        self.is_over = self.is_draining = False

    def make_subscribers(self):
        def everything(topic):
            return True

        made = []
        for name, topic_filter, qos, version, matches, is_flaky in (
                ("all-1", "#", 1, 4, everything, False),
                ("all-2", "#", 2, 5, everything, False),
                ("some-2", "c/+/3", 2, 4, lambda topic: topic.startswith("c/")
                 and topic.endswith("/3"), False),
                ("flaky-1", "c/#", 1, 5, lambda topic: topic.startswith("c/"), True),
                ("flaky-2", "c/#", 2, 4, lambda topic: topic.startswith("c/"), True)):
            self.ledger.expect(name, matches, qos)
            made.append(Subscriber(self, name, topic_filter, qos, version, is_flaky=is_flaky))
        self.ledger.expect("group", lambda topic: topic.startswith("c/"), 2, is_group=True)
        for name in ("member-1", "member-2"):
            made.append(Subscriber(self, name, "$share/g/c/#", 2, 5, taker="group",
                                   is_flaky=name == "member-2"))
        return made

    async def kill_again_and_again(self):
        for turn in range(self.options.kills):
            await asyncio.sleep(self.chance.uniform(0.02, 0.6))
            self.broker.kill()
            self.ledger.kills += 1
            self.broker.start()
            if turn % 20 == 19:
                print(f"{turn + 1} kills, {len(self.ledger.acknowledged)} acknowledged",
                      file=sys.stderr, flush=True)

    async def drain(self, publishers):
        self.is_draining = True
        deadline = time.monotonic() + self.options.patience
        while time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            if not any(each.flight for each in publishers) and self.ledger.is_complete():
                break
        await asyncio.sleep(1)  # for what comes twice

    async def read_retained(self):
        seen = {}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.broker.port)
        writer.write(wire.connect("new", 4) + wire.subscribe(1, "r/#", 0, 4))
        try:
            while True:
                kind, flags, body = await asyncio.wait_for(wire.read_packet(reader), 1)
                if kind == wire.PUBLISH:
                    topic, _, payload = wire.split_publish(flags, body, 4)
                    seen[topic] = int(payload.split(b":", 2)[1])
        except asyncio.TimeoutError:
            writer.close()
        return seen

    async def go(self):
        self.broker.start()
        subscribers = self.make_subscribers()
        for each in subscribers:
            await each.is_ready.wait()
        publishers = [Publisher(self, i, 1 + i % 2, 4 + i // 2 % 2)
                      for i in range(self.options.publishers)]
        await self.kill_again_and_again()
        await self.drain(publishers)
        seen = await self.read_retained()
        self.is_over = True
        self.broker.stop()
        for each in (*publishers, *subscribers):
            each.task.cancel()
        return self.report(seen)

    def report(self, seen):
        ledger = self.ledger
        lost, twice = ledger.lost(), ledger.duplicated(2)
        wrong = ledger.retained_wrong(seen)
        print(f"broker        {pathlib.Path(self.options.broker).name}, seed {self.options.seed}")
        print(f"kills         {ledger.kills}")
        print(f"published     {len(ledger.published)}")
        print(f"acknowledged  {len(ledger.acknowledged)}")
        print(f"refused       {len(ledger.refused)}")
        print(f"delivered     {sum(len(each) for each in ledger.deliveries.values())}")
        print(f"lost          {len(lost)}")
        print(f"duplicated    QoS 2: {len(twice)}, QoS 1: {len(ledger.duplicated(1))}")
        print(f"out of order  {ledger.out_of_order()}")
        print(f"sessions lost {ledger.sessions_lost}")
        print(f"retained wrong {len(wrong)}")
        for taker, message in (*lost[:5], *twice[:5]):
            print(f"{taker} {message}: " + "; ".join(ledger.history[message]), file=sys.stderr)
        for each in wrong[:5]:
            print(f"retained: {each}", file=sys.stderr)
        is_good = not lost and not twice and not wrong and ledger.sessions_lost == 0
        print("nothing lost" if is_good else "LOST SOMETHING")
        return 0 if is_good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default=os.environ.get("GRAPEVINE", "grapevine"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--publishers", type=int, default=8)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--patience", type=float, default=60, help="seconds to drain")
    parser.add_argument("--mosquitto-extra", default="", help="lines of its configuration, with ;")
    parser.add_argument("--folder", type=pathlib.Path, help="kept for a look [a temporary one]")
    parser.add_argument("broker_args", nargs="*", help="further arguments, behind --")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir()
        sys.exit(asyncio.run(Run(options, options.folder).go()))
    with tempfile.TemporaryDirectory(prefix="grapevine-crash-") as folder:
        sys.exit(asyncio.run(Run(options, pathlib.Path(folder)).go()))


if __name__ == "__main__":
    main()
