#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What operators see of a running broker: $SYS topics beside Mosquitto's, /metrics, health, log.

usage: observe_test.py BROKER [unittest arguments]
Needs mosquitto_pub and mosquitto_sub; the comparison also needs mosquitto, and is skipped without.
"""
import http.client
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PATIENCE = 10  # seconds for anything that must happen

EXPLORER_FOOTER = [
    "version", "clients/total", "subscriptions/count", "messages/received", "messages/sent",
    "load/messages/received/5min", "load/messages/sent/5min", "heap/current", "heap/maximum"]


def until(condition, what, patience=PATIENCE):
    """The first value of `condition` that is true."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("in vain: " + what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A Grapevine of its own on free ports, with a folder for its files."""

    def __init__(self, *flags, admin=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="observe-"))
        self.log_file = self.folder / "log"
        ports = self.folder / "ports"
        given = ["--node.ports_file", str(ports), "-p", "0", *flags]
        if admin:
            given += ["--admin.port", "0"]
        with open(self.log_file, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([BROKER, *given], stdout=log, stderr=log)
        until(lambda: ports.exists() or self.process.poll() is not None, "the broker listens")
        lines = ports.read_text() if ports.exists() else ""
        self.port = self.port_in(lines, r"^127\.0\.0\.1:0 127\.0\.0\.1:(\d+)$")
        self.admin = self.port_in(lines, r"^admin 127\.0\.0\.1:(\d+)$")

    @staticmethod
    def port_in(lines, pattern):
        found = re.search(pattern, lines, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def log(self):
        return self.log_file.read_text()

    def get(self, path):
        """Status and text of an answer of the admin port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metric(self, name):
        """The value of a sample, written as /metrics writes it."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError("no metric " + name)


def publish(port, *arguments):
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), *arguments], check=True,
                   timeout=PATIENCE)


class Subscriber:
    """A mosquitto_sub whose lines are read while it runs."""

    def __init__(self, port, *arguments):
        self.out = tempfile.NamedTemporaryFile("w+", prefix="observe-sub-")
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *arguments], stdout=self.out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.out.close()

    def lines(self):
        return pathlib.Path(self.out.name).read_text().splitlines()

    def values(self):
        """The last payload of each topic; the subscriber prints them as "topic|payload|…"."""
        return {line.split("|")[0]: line.split("|")[1] for line in self.lines()}


def sys_subscriber(port):
    return Subscriber(port, "-t", "$SYS/#", "-F", "%t|%p|%r")


class SysTopics(unittest.TestCase):
    def test_retained_right_after_the_start(self):
        with Broker("--node.sys_interval", "1h") as broker, sys_subscriber(broker.port) as reader:
            for name in EXPLORER_FOOTER:
                until(lambda: "$SYS/broker/" + name in reader.values(), name)
            until(lambda: len(reader.lines()) >= 53, "all topics")
            self.assertTrue(all(line.endswith("|1") for line in reader.lines()))
            self.assertEqual(len(reader.lines()), 53)

    def test_changes_follow_every_interval(self):
        with Broker("--node.sys_interval", "200ms") as broker, sys_subscriber(broker.port) as reader:
            topic = "$SYS/broker/retained messages/count"
            until(lambda: reader.values().get(topic, "0") != "0", topic)
            before = int(reader.values()[topic])
            publish(broker.port, "-t", "observed", "-m", "x", "-r")
            until(lambda: int(reader.values()[topic]) == before + 1, "one more retained message")
            shown = [line for line in reader.lines() if line.startswith("$SYS/broker/version|")]
            self.assertEqual(len(shown), 1, "an unchanged topic is published once")

    def test_interval_is_reloaded_and_0_removes_the_topics(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="observe-"))
        file = folder / "g.toml"
        file.write_text('[node]\nsys_interval = "1h"\n')
        with Broker("-c", str(file)) as broker, sys_subscriber(broker.port) as reader:
            until(lambda: len(reader.values()) == 53, "all topics")
            file.write_text('[node]\nsys_interval = "0s"\n')
            broker.process.send_signal(signal.SIGHUP)
            until(lambda: set(reader.values().values()) == {""}, "all topics cleared")
            file.write_text('[node]\nsys_interval = "1h"\n')
            broker.process.send_signal(signal.SIGHUP)
            until(lambda: reader.values()["$SYS/broker/version"] != "", "topics are back")
        shutil.rmtree(folder)

    def test_clients_may_not_write_them(self):
        with Broker() as broker:
            with Subscriber(broker.port, "-t", "$SYS/broker/forged") as reader:
                until(lambda: broker.metric("grapevine_subscriptions") == 1, "subscribed")
                publish(broker.port, "-t", "$SYS/broker/forged", "-m", "x", "-q", "1")
                self.assertEqual(broker.metric("grapevine_publishes_rejected_total"), 1)
                self.assertEqual(reader.lines(), [])

    @unittest.skipUnless(shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"),
                         "mosquitto is not installed")
    def test_names_and_forms_are_those_of_mosquitto(self):
        theirs = self.sys_of_mosquitto()
        with Broker("--node.sys_interval", "1s") as broker:
            ours = self.sys_with_traffic(broker.port)
        self.assertEqual(sorted(theirs), sorted(ours))
        for topic, text in theirs.items():
            self.assertEqual(form_of(text), form_of(ours[topic]),
                             f"{topic}: theirs {text!r}, ours {ours[topic]!r}")

    def sys_of_mosquitto(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="observe-"))
        port = free_port()
        (folder / "m.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n")
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        process = subprocess.Popen([program, "-c", str(folder / "m.conf")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: accepts(port), "mosquitto listens")
            return self.sys_with_traffic(port)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            shutil.rmtree(folder)

    @staticmethod
    def sys_with_traffic(port):
        with sys_subscriber(port) as reader:
            # Mosquitto shows the maximum once there was a client.
            until(lambda: "$SYS/broker/clients/maximum" in reader.values(), "clients/maximum")
            publish(port, "-t", "observed", "-m", "x", "-r", "-q", "1")
            loads = "$SYS/broker/load/messages/received/15min"
            until(lambda: reader.values().get(loads, "0.00") != "0.00", loads)
            return reader.values()


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def form_of(text):
    """The shape of a payload: digits and the name of the broker do not matter."""
    text = re.sub(r"^\w+ version \d+\.\d+\.\d+$", "NAME version N.N.N", text)
    text = re.sub(r"^\d+\.\d\d$", "N.NN", text)
    return re.sub(r"\d+", "N", text)


class Metrics(unittest.TestCase):
    def test_every_metric_is_served(self):
        documented = set(re.findall(r"^\*\*`(\w+)", (REPOSITORY / "docs/metrics.md").read_text(),
                                    re.MULTILINE))
        with Broker() as broker:
            status, text = broker.get("/metrics")
        self.assertEqual(status, 200)
        self.assertGreater(len(documented), 50)
        self.assertEqual(documented, set(re.findall(r"^# HELP (\w+) ", text, re.MULTILINE)))

    def test_traffic_is_counted(self):
        with Broker("--shards.threads", "2") as broker:
            with Subscriber(broker.port, "-t", "a/#", "-t", "$share/g/b", "-q", "2") as reader:
                until(lambda: broker.metric("grapevine_subscriptions") == 2, "subscribed")
                for qos in ("0", "1", "2"):
                    publish(broker.port, "-t", "a/" + qos, "-m", "four", "-q", qos, "-r")
                publish(broker.port, "-t", "nobody", "-m", "x")
                until(lambda: len(reader.lines()) == 3, "three messages")
                self.assertEqual(broker.metric("grapevine_clients_connected"), 1)
                self.assertEqual(broker.metric("grapevine_connections"), 1)
                self.assertEqual(broker.metric("grapevine_subscriptions_shared"), 1)
                for qos in ("0", "1", "2"):
                    sent = f'grapevine_messages_sent_total{{qos="{qos}"}}'
                    self.assertEqual(broker.metric(sent), 1, sent)
                received = 'grapevine_messages_received_total{qos="0"}'
                self.assertEqual(broker.metric(received), 2)
                self.assertEqual(broker.metric("grapevine_payload_received_bytes_total"), 13)
                self.assertEqual(broker.metric("grapevine_payload_sent_bytes_total"), 12)
                published = 'grapevine_packets_sent_total{type="publish"}'
                self.assertEqual(broker.metric(published), 3)
                until(lambda: broker.metric("grapevine_in_flight_messages") == 0, "all acknowledged")
            until(lambda: broker.metric("grapevine_clients_connected") == 0, "disconnected")
            self.assertEqual(broker.metric("grapevine_subscriptions"), 0)
            self.assertEqual(broker.metric("grapevine_subscriptions_shared"), 0)
            self.assertEqual(broker.metric("grapevine_connections_accepted_total"), 5)
            closed = 'grapevine_connections_closed_total{reason="client_disconnect"}'
            self.assertEqual(broker.metric(closed), 5)
            self.assertEqual(broker.metric("grapevine_connect_seconds_count"), 5)
            self.assertEqual(broker.metric('grapevine_authentications_total{outcome="anonymous"}'), 5)
            self.assertGreater(broker.metric("grapevine_busy_seconds_total"), 0)
            self.assertGreater(broker.metric("grapevine_shard_messages_sent_total"), 0)

    def test_what_waits_for_an_absent_client_is_counted(self):
        with Broker("--node.sys_interval", "0s") as broker:
            away = ["-i", "away", "-c", "-q", "1", "-t", "a"]
            with Subscriber(broker.port, *away):
                until(lambda: broker.metric("grapevine_sessions_persistent") == 1, "a session")
                until(lambda: broker.metric("grapevine_subscriptions") == 1, "subscribed")
            until(lambda: broker.metric("grapevine_clients_connected") == 0, "away")
            publish(broker.port, "-t", "a", "-m", "kept", "-q", "1")
            publish(broker.port, "-t", "a", "-m", "lost", "-q", "0")
            self.assertEqual(broker.metric("grapevine_queued_messages"), 1)
            self.assertGreater(broker.metric("grapevine_queued_bytes"), 4)
            dropped = 'grapevine_messages_dropped_total{reason="client_offline"}'
            self.assertEqual(broker.metric(dropped), 1)
            with Subscriber(broker.port, *away) as back:
                until(lambda: back.lines() == ["kept"], "the kept message")
            self.assertEqual(broker.metric("grapevine_queued_messages"), 0)

    def test_retained_messages_are_counted(self):
        with Broker("--node.sys_interval", "0s") as broker:
            publish(broker.port, "-t", "a/b", "-m", "x", "-r")
            publish(broker.port, "-t", "a/c", "-m", "x", "-r")
            self.assertEqual(broker.metric("grapevine_retained_messages"), 2)
            with Subscriber(broker.port, "-t", "a/+") as reader:
                until(lambda: len(reader.lines()) == 2, "two retained messages")
            self.assertEqual(broker.metric("grapevine_retained_sent_total"), 2)

    def test_refusals_and_violations_are_counted_by_reason(self):
        with Broker() as broker:
            with raw_peer(broker.port, b"\x30\x03\x00\x01a") as peer:  # PUBLISH before CONNECT
                self.assertEqual(peer.recv(64), b"")
            with raw_peer(broker.port, b"\x10\x0c\x00\x04MQTT\x09\x02\x00\x3c\x00\x00") as peer:
                self.assertNotEqual(peer.recv(64), b"")  # version 9
            with raw_peer(broker.port, CONNECT + b"\x36\x03\x00\x01a") as peer:  # QoS 3
                while peer.recv(64):
                    pass
            with raw_peer(broker.port, b""):
                pass

            def refused(why):
                return broker.metric(f'grapevine_connections_refused_total{{reason="{why}"}}')
            until(lambda: refused("connection_lost") == 1, "connection_lost")
            self.assertEqual(refused("protocol_error"), 1)
            self.assertEqual(refused("protocol_version"), 1)
            closed = 'grapevine_connections_closed_total{reason="protocol_violation"}'
            self.assertEqual(broker.metric(closed), 1)
            violations = 'grapevine_protocol_violations_total{reason_code="0x81"}'
            self.assertEqual(broker.metric(violations), 1)


class SlowReaders(unittest.TestCase):
    def test_are_found_counted_and_told(self):
        with Broker("--flow.output_buffer_max", "64KiB", "--shards.threads", "1") as broker:
            with raw_peer(broker.port, CONNECT + b"\x82\x06\x00\x01\x00\x01f\x00") as stuck:
                until(lambda: broker.metric("grapevine_subscriptions") == 1, "subscribed")
                self.flood(broker)
                self.assertEqual(broker.metric("grapevine_slow_clients"), 1)
                self.assertEqual(broker.metric("grapevine_slow_clients_total"), 1)
                self.assertGreater(broker.metric("grapevine_held_total"), 0)
                self.assertGreater(broker.metric("grapevine_held_seconds_total"), 0)
                self.assertEqual(broker.metric("grapevine_held_publishers"), 0)
                self.assertGreater(broker.metric("grapevine_output_buffer_bytes"), 64 * 1024)
                until(lambda: "publishers_held" in broker.log(), "a report", 2 * PATIENCE)
                self.assertRegex(broker.log(), r"warn messages_dropped queue_full=0 slow_reader=\d+ ")
                self.assertRegex(broker.log(), r"info publishers_held times=\d+ held_ms=\d+ held_now=0 "
                                               r"clients_found_slow=1")
                stuck.recv(1)
            until(lambda: broker.metric("grapevine_slow_clients") == 0, "gone")

    def test_hold_nobody_where_nobody_may_be_held(self):
        with Broker("--flow.output_buffer_max", "64KiB", "--flow.hold_max", "0",
                    "--shards.threads", "1") as broker:
            with raw_peer(broker.port, CONNECT + b"\x82\x06\x00\x01\x00\x01f\x00"):
                until(lambda: broker.metric("grapevine_subscriptions") == 1, "subscribed")
                self.flood(broker)
                self.assertEqual(broker.metric("grapevine_held_total"), 0)

    @staticmethod
    def flood(broker):
        """Publishes to a subscriber that reads nothing until messages are dropped."""
        dropped = 'grapevine_messages_dropped_total{reason="slow_reader"}'
        payload = bytes(1000)
        one = b"\x30\xeb\x07\x00\x01f" + payload
        with raw_peer(broker.port, CONNECT[:-1] + b"p") as publisher:
            publisher.settimeout(PATIENCE)
            until(lambda: publisher.sendall(one * 50) or broker.metric(dropped) > 0, "drops")


class Options(unittest.TestCase):
    def test_another_server_is_named_at_the_end(self):
        with Broker("--mqtt.server_reference", "b.example") as broker:
            with raw_peer(broker.port, b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01r") as peer:
                self.assertEqual(peer.recv(64)[0], 0x20)
                broker.process.terminate()
                farewell = peer.recv(256)
                self.assertEqual((farewell[0], farewell[2]), (0xe0, 0x9c))
                self.assertIn(b"b.example", farewell)


CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01r"


def raw_peer(port, first):
    peer = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    peer.sendall(first)
    return peer


class Health(unittest.TestCase):
    def test_ready_until_it_stops(self):
        with Broker() as broker:
            self.assertEqual(broker.get("/livez"), (200, "alive\n"))
            self.assertEqual(broker.get("/readyz"), (200, "ready\n"))
            # A client that does not close its side keeps the broker waiting for a moment.
            with raw_peer(broker.port, CONNECT) as slow:
                self.assertEqual(slow.recv(64), b"\x20\x02\x00\x00")
                broker.process.terminate()
                until(lambda: broker.get("/readyz") == (503, "the broker is shutting down\n"),
                      "not ready any more")
                self.assertEqual(broker.get("/livez")[0], 200)
            self.assertEqual(broker.process.wait(PATIENCE), 0)

    def test_second_broker_does_without_the_default_port(self):
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", 9883))
                taken.listen()
            except OSError:
                pass  # another has it: as good
            with Broker(admin=False) as broker:
                self.assertNotEqual(broker.port, 0)
                self.assertEqual(broker.admin, 0)
                until(lambda: "no_admin_port" in broker.log(), "a warning")
            asked = subprocess.run([BROKER, "-p", "0", "--admin.port", "9883"],
                                   capture_output=True, text=True, timeout=PATIENCE, check=False)
            self.assertEqual(asked.returncode, 1)
            self.assertIn("127.0.0.1:9883", asked.stderr)

    def test_no_admin_port_where_none_is_wanted(self):
        with Broker("--admin.enabled", "false") as broker:
            self.assertEqual(broker.admin, 0)


class Log(unittest.TestCase):
    def test_verbose_shows_who_came_subscribed_and_left(self):
        with Broker("-v") as broker:
            with Subscriber(broker.port, "-i", "watcher", "-u", "jim", "-P", "secret", "-k", "33",
                            "-V", "311", "-q", "1", "-t", "home/+/temp"):
                until(lambda: "subscribe" in broker.log(), "subscribed")
            until(lambda: "client_disconnected" in broker.log(), "left")
            line = self.line_of(broker, "client_connected")
            for part in ("client=watcher", "from=127.0.0.1:", "listener=127.0.0.1:0", "version=3.1.1",
                         "clean_start=true", "keep_alive=33", "user=jim", "session_present=false"):
                self.assertIn(part, line)
            line = self.line_of(broker, "subscribe")
            for part in ("client=watcher", "filter=home/+/temp", "qos=1"):
                self.assertIn(part, line)
            line = self.line_of(broker, "client_disconnected")
            for part in ("client=watcher", "from=127.0.0.1:", 'cause="client disconnected"'):
                self.assertIn(part, line)
            self.assertNotIn("secret", broker.log())

    def test_trace_shows_each_packet_but_no_payload(self):
        with Broker("--log.level", "trace") as broker:
            with Subscriber(broker.port, "-i", "watcher", "-t", "a", "-q", "1") as reader:
                until(lambda: "SUBACK" in broker.log(), "subscribed")
                publish(broker.port, "-i", "source", "-t", "a", "-m", "hidden", "-q", "1")
                until(lambda: reader.lines() == ["hidden"], "the message")
            until(lambda: 'client=watcher packet="DISCONNECT' in broker.log(), "left")
            log = broker.log()
        self.assertRegex(log, r"received packet=\"CONNECT .*source")
        self.assertRegex(log, r"received client=source packet=\"PUBLISH d0 q1 r0 m1 .*6 bytes")
        self.assertRegex(log, r"sent client=source packet=\"PUBACK m1")
        self.assertRegex(log, r"sent client=watcher packet=\"PUBLISH d0 q1 r0 m1 .*6 bytes")
        self.assertRegex(log, r"received client=watcher packet=\"PUBACK m1")
        self.assertNotIn("hidden", log)

    @staticmethod
    def line_of(broker, event):
        return next(line for line in broker.log().splitlines() if f" {event} " in line)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
