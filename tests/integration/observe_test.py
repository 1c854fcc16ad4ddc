# SPDX-License-Identifier: Apache-2.0
"""What operators see: $SYS topics beside Mosquitto's, /metrics, health, log."""

import http.client
import os
import pathlib
import queue
import re
import shutil
import socket
import subprocess
import unittest

from tests.integration.broker import PROGRAM, BrokerTest, wait_for
from tests.integration.clients import Subscriber, publish
from tests.integration.patience import PATIENCE_S
from tests.integration.wire import DISCONNECT, Wire, packet, text

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
METRICS_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/metrics.md"
TOPICS = 53
EXPLORER_FOOTER = [
    "version", "clients/total", "subscriptions/count", "messages/received", "messages/sent",
    "load/messages/received/5min", "load/messages/sent/5min", "heap/current", "heap/maximum"]


def get(broker, path):
    """Status and text of an answer of the admin port."""
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports["admin"], timeout=PATIENCE_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def metric(broker, name, **labels):
    """The value of one sample."""
    braces = "".join(f'{{{key}="{value}"}}' for key, value in labels.items())
    for line in get(broker, "/metrics")[1].splitlines():
        if line.startswith(f"{name}{braces} "):
            return float(line.split()[-1])
    raise AssertionError(f"no metric {name}{braces}")


def wait_for_metric(broker, name, value, **labels):
    wait_for(f"{name} {value}", lambda: metric(broker, name, **labels) == value)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def health(*arguments, **environment):
    """Exit code, standard output and standard error of the command."""
    done = subprocess.run([PROGRAM, "health", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE_S, env={**os.environ, **environment}, check=False)
    return done.returncode, done.stdout, done.stderr


def form_of(payload):
    """The shape of a payload: digits and the name of the broker do not matter."""
    payload = re.sub(r"^\w+ version \d+\.\d+\.\d+$", "NAME version N.N.N", payload)
    payload = re.sub(r"^\d+\.\d\d$", "N.NN", payload)
    return re.sub(r"\d+", "N", payload)


class SysReader:
    """Subscribes to $SYS/# and knows the last payload of each topic, named without $SYS/broker/."""

    def __init__(self, test, port):
        self.subscriber = Subscriber(test, port, "-t", "$SYS/#", "-F", "%t|%p|%r")
        self.seen = []

    def all(self):
        """Name, payload and RETAIN of every message so far."""
        while True:
            try:
                line = self.subscriber.messages.get_nowait()
            except queue.Empty:
                return self.seen
            self.seen.append(line.removeprefix("$SYS/broker/").split("|"))

    def values(self):
        return {name: payload for name, payload, _ in self.all()}

    def wait(self, name, condition):
        wait_for(name, lambda: name in self.values() and condition(self.values()[name]))
        return self.values()[name]


class SysTest(BrokerTest):
    def test_all_topics_are_retained_right_after_the_start(self):
        reader = SysReader(self, self.broker("--node.sys_interval", "1h").port)
        wait_for("all topics", lambda: len(reader.all()) >= TOPICS)
        self.assertEqual(len(reader.all()), TOPICS)
        self.assertEqual({retain for _, _, retain in reader.all()}, {"1"})
        self.assertLessEqual(set(EXPLORER_FOOTER), set(reader.values()))

    def test_what_changed_follows_every_interval(self):
        broker = self.broker("--node.sys_interval", "200ms")
        reader = SysReader(self, broker.port)
        name = "retained messages/count"
        before = int(reader.wait(name, lambda count: count != "0"))
        publish(broker.port, "observed", "x", "-r")
        reader.wait(name, lambda count: int(count) == before + 1)
        self.assertEqual([each[0] for each in reader.all()].count("version"), 1)

    def test_interval_is_reloaded_and_0_removes_the_topics(self):
        config = '[[listeners]]\nport = 0\n[node]\nsys_interval = "{}"\n'
        broker = self.broker(config=config.format("1h"))
        reader = SysReader(self, broker.port)
        wait_for("all topics", lambda: len(reader.values()) == TOPICS)
        broker.config_file.write_text(config.format("0s"))
        broker.reload()
        wait_for("cleared topics", lambda: set(reader.values().values()) == {""})
        broker.config_file.write_text(config.format("1h"))
        broker.reload()
        wait_for("topics", lambda: "" not in reader.values().values())

    def test_clients_may_not_write_them(self):
        broker = self.broker()
        reader = Subscriber(self, broker.port, "-t", "$SYS/broker/forged")
        publish(broker.port, "$SYS/broker/forged", "x", "-q", "1")
        self.assertEqual(metric(broker, "grapevine_publishes_rejected_total"), 1)
        self.assertEqual(reader.stop(), [])

    @unittest.skipUnless(MOSQUITTO, "mosquitto is not installed")
    def test_names_and_forms_are_those_of_mosquitto(self):
        theirs = self.values_with_traffic(self.mosquitto())
        ours = self.values_with_traffic(self.broker("--node.sys_interval", "1s").port)
        self.assertEqual(sorted(theirs), sorted(ours))
        self.assertEqual({name: form_of(payload) for name, payload in theirs.items()},
                         {name: form_of(payload) for name, payload in ours.items()})

    def mosquitto(self):
        """Starts one; it cannot choose a port, so that of a socket just closed is taken."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = self.write("mosquitto.conf", f"listener {port} 127.0.0.1\nallow_anonymous true\n"
                                              "sys_interval 1\n")
        process = subprocess.Popen([MOSQUITTO, "-c", config], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        wait_for("mosquitto", lambda: accepts(port))
        return port

    def values_with_traffic(self, port):
        reader = SysReader(self, port)
        # Mosquitto shows the maximum once there was a client.
        reader.wait("clients/maximum", lambda count: True)
        publish(port, "observed", "x", "-r", "-q", "1")
        reader.wait("load/messages/received/15min", lambda load: load != "0.00")
        return reader.values()


class MetricsTest(BrokerTest):
    def test_every_documented_metric_is_served(self):
        documented = set(re.findall(r"^\*\*`(\w+)", METRICS_PAGE.read_text(), re.MULTILINE))
        status, body = get(self.broker(), "/metrics")
        self.assertEqual(status, 200)
        self.assertGreater(len(documented), 50)
        self.assertEqual(documented, set(re.findall(r"^# HELP (\w+) ", body, re.MULTILINE)))

    def test_a_store_that_is_switched_off_is_not_frozen(self):
        name = "grapevine_store_writable"
        self.assertEqual(metric(self.broker(), name), 1)
        self.assertNotIn(name, get(self.broker("--storage.enabled", "false"), "/metrics")[1])

    def test_traffic_is_counted(self):
        broker = self.broker("--shards.threads", "2")
        reader = Subscriber(self, broker.port, "-t", "a/#", "-t", "$share/g/b", "-q", "2")
        for qos in ("0", "1", "2"):
            publish(broker.port, "a/" + qos, "four", "-q", qos, "-r")
        publish(broker.port, "nobody", "x")
        reader.take(3)
        wait_for_metric(broker, "grapevine_clients_connected", 1)
        wait_for_metric(broker, "grapevine_connections", 1)
        self.assertEqual(metric(broker, "grapevine_subscriptions"), 2)
        self.assertEqual(metric(broker, "grapevine_subscriptions_shared"), 1)
        for qos in ("0", "1", "2"):
            self.assertEqual(metric(broker, "grapevine_messages_sent_total", qos=qos), 1)
        self.assertEqual(metric(broker, "grapevine_messages_received_total", qos="0"), 2)
        self.assertEqual(metric(broker, "grapevine_payload_received_bytes_total"), 13)
        self.assertEqual(metric(broker, "grapevine_payload_sent_bytes_total"), 12)
        self.assertEqual(metric(broker, "grapevine_packets_sent_total", type="publish"), 3)
        wait_for_metric(broker, "grapevine_in_flight_messages", 0)
        reader.stop()
        wait_for_metric(broker, "grapevine_clients_connected", 0)
        self.assertEqual(metric(broker, "grapevine_subscriptions"), 0)
        self.assertEqual(metric(broker, "grapevine_subscriptions_shared"), 0)
        self.assertEqual(metric(broker, "grapevine_connections_accepted_total"), 5)
        self.assertEqual(
            metric(broker, "grapevine_connections_closed_total", reason="client_disconnect"), 5)
        self.assertEqual(metric(broker, "grapevine_connect_seconds_count"), 5)
        self.assertEqual(metric(broker, "grapevine_authentications_total", outcome="anonymous"), 5)
        self.assertGreater(metric(broker, "grapevine_busy_seconds_total"), 0)
        self.assertGreater(metric(broker, "grapevine_shard_messages_sent_total"), 0)

    def test_what_waits_for_an_absent_client_is_counted(self):
        broker = self.broker("--node.sys_interval", "0s")
        away = ["-i", "away", "-c", "-q", "1", "-t", "a"]
        Subscriber(self, broker.port, *away).stop()
        wait_for_metric(broker, "grapevine_clients_connected", 0)
        publish(broker.port, "a", "kept", "-q", "1")
        publish(broker.port, "a", "lost", "-q", "0")
        self.assertEqual(metric(broker, "grapevine_sessions_persistent"), 1)
        self.assertEqual(metric(broker, "grapevine_subscriptions"), 1)
        self.assertEqual(metric(broker, "grapevine_queued_messages"), 1)
        self.assertGreater(metric(broker, "grapevine_queued_bytes"), 4)
        wait_for_metric(broker, "grapevine_messages_dropped_total", 1, reason="client_offline")
        self.assertEqual(Subscriber(self, broker.port, *away).next(), "kept")
        self.assertEqual(metric(broker, "grapevine_queued_messages"), 0)
        wait_for_metric(broker, "grapevine_in_flight_messages", 0)

    def test_messages_sent_again_are_counted(self):
        broker = self.broker("--node.sys_interval", "0s")
        with Wire(broker.port) as wire:
            wire.send(packet(0x10, text("MQTT") + b"\4\0\0\0" + text("away")))
            wire.receive()
            wire.subscribe("a", qos=1)
            publish(broker.port, "a", "x", "-q", "1")
            wire.receive()
            self.assertEqual(metric(broker, "grapevine_in_flight_messages"), 1)
        wait_for_metric(broker, "grapevine_clients_connected", 0)
        reader = Subscriber(self, broker.port, "-i", "away", "-c", "-q", "1", "-t", "a")
        reader.next()
        self.assertEqual(metric(broker, "grapevine_messages_retransmitted_total"), 1)
        wait_for_metric(broker, "grapevine_in_flight_messages", 0)

    def test_retained_messages_are_counted(self):
        broker = self.broker("--node.sys_interval", "0s", "--limits.retained_messages_max", "2",
                             "--shards.threads", "1")
        for name in ("a/b", "a/c", "a/d"):
            publish(broker.port, name, "x", "-r", "-q", "1")
        self.assertEqual(metric(broker, "grapevine_retained_messages"), 2)
        self.assertEqual(metric(broker, "grapevine_retained_refused_total"), 1)
        Subscriber(self, broker.port, "-t", "a/+").take(2)
        self.assertEqual(metric(broker, "grapevine_retained_sent_total"), 2)

    def test_refusals_and_violations_are_counted_by_reason(self):
        broker = self.broker()
        connect = packet(0x10, text("MQTT") + b"\4\2\0\0" + text("r"))
        for first in (b"\x30\3\0\1a",                                       # no CONNECT
                      packet(0x10, text("MQTT") + b"\11\2\0\0" + text("")),  # version 9
                      connect + b"\x36\3\0\1a"):                            # QoS 3
            with Wire(broker.port) as wire:
                wire.send(first)
                while wire.receive()[0]:
                    pass
        Wire(broker.port).socket.close()
        refused = "grapevine_connections_refused_total"
        wait_for_metric(broker, refused, 1, reason="connection_lost")
        self.assertEqual(metric(broker, refused, reason="protocol_error"), 1)
        self.assertEqual(metric(broker, refused, reason="protocol_version"), 1)
        closed = "grapevine_connections_closed_total"
        self.assertEqual(metric(broker, closed, reason="protocol_violation"), 1)
        violations = "grapevine_protocol_violations_total"
        self.assertEqual(metric(broker, violations, reason_code="0x81"), 1)


class SlowReaderTest(BrokerTest):
    FLOW = ("--shards.threads", "1", "--flow.output_buffer_max", "64KiB")

    def test_slow_reader_is_found_counted_and_told(self):
        broker = self.broker(*self.FLOW)
        with Wire(broker.port).connect("stuck").subscribe("f"):
            self.flood(broker)
            self.assertEqual(metric(broker, "grapevine_slow_clients"), 1)
            self.assertEqual(metric(broker, "grapevine_slow_clients_total"), 1)
            self.assertGreater(metric(broker, "grapevine_held_total"), 0)
            self.assertGreater(metric(broker, "grapevine_held_seconds_total"), 0)
            self.assertEqual(metric(broker, "grapevine_held_publishers"), 0)
            self.assertGreater(metric(broker, "grapevine_output_buffer_bytes"), 64 * 1024)
            broker.wait_for_log("publishers_held")
        broker.wait_for_log_match(r"warn messages_dropped queue_full=0 slow_reader=\d+ ")
        broker.wait_for_log_match(
            r"info publishers_held times=\d+ held_ms=\d+ held_now=0 clients_found_slow=1")
        wait_for_metric(broker, "grapevine_slow_clients", 0)

    def test_nobody_is_held_where_hold_max_is_0(self):
        broker = self.broker(*self.FLOW, "--flow.hold_max", "0")
        with Wire(broker.port).connect("stuck").subscribe("f"):
            self.flood(broker)
            self.assertEqual(metric(broker, "grapevine_held_total"), 0)

    @staticmethod
    def flood(broker):
        """Publishes to a subscriber that reads nothing until messages are dropped."""
        def is_dropped():
            wire.send(many)
            return metric(broker, "grapevine_messages_dropped_total", reason="slow_reader") > 0
        with Wire(broker.port).connect("flood") as wire:
            many = wire.publish_bytes("f", bytes(1000)) * 400
            wait_for("drops", is_dropped)


class HealthTest(BrokerTest):
    def test_ready_until_it_stops(self):
        broker = self.broker()
        self.assertEqual(get(broker, "/livez"), (200, "alive\n"))
        self.assertEqual(get(broker, "/readyz"), (200, "ready\n"))
        # A client that does not close its side keeps the broker waiting for a moment.
        with Wire(broker.port).connect("slow"):
            broker.process.terminate()
            wait_for("503", lambda: get(broker, "/readyz")[0] == 503)
            self.assertEqual(get(broker, "/readyz")[1], "the broker is shutting down\n")
            self.assertEqual(get(broker, "/livez")[0], 200)

    def test_the_command_asks_the_broker_of_its_configuration(self):
        broker = self.broker()
        port = broker.ports["admin"]
        self.assertEqual(health("--admin.port", str(port)), (0, "ready\n", ""))
        # A file that has gone wrong since is no failure of the broker.
        config = self.write("g.toml", f'[admin]\nport = {port}\nbind = "0.0.0.0"\n[mqtt]\nqos = 7\n')
        self.assertEqual(health(GRAPEVINE_CONFIG=str(config)), (0, "ready\n", ""))
        with Wire(broker.port).connect("slow"):
            broker.process.terminate()
            wait_for("503", lambda: get(broker, "/readyz")[0] == 503)
            self.assertEqual(health("--admin.port", str(port)),
                             (1, "", "grapevine health: the broker is shutting down\n"))
        broker.process.wait(PATIENCE_S)
        code, _, wrong = health(GRAPEVINE_CONFIG=str(config))
        self.assertEqual(code, 1)
        self.assertIn("mqtt.qos is not an option", wrong)
        self.assertIn(f"127.0.0.1:{port}: no answer: ", wrong)
        self.assertEqual(health("now")[0], 2)

    def test_default_port_that_is_taken_is_done_without(self):
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", 9883))
                taken.listen()
            except OSError:
                pass  # another has it: as good
            store = ["--storage.folder", self.folder / "store"]
            asked = subprocess.run([PROGRAM, "-p", "0", "--admin.port", "9883", *store], text=True,
                                   capture_output=True, timeout=PATIENCE_S, check=False)
            self.assertEqual(asked.returncode, 1)
            self.assertIn("127.0.0.1:9883", asked.stderr)
            ports = self.folder / "ports"
            process = subprocess.Popen([PROGRAM, "-p", "0", "--ports-file", ports, *store],
                                       stderr=subprocess.PIPE, text=True)
            wait_for("ports file", ports.exists)
            process.terminate()
            log = process.communicate(timeout=PATIENCE_S)[1]
        self.assertEqual(process.returncode, 0)
        self.assertIn("no_admin_port", log)
        self.assertNotIn("admin", ports.read_text())

    def test_no_admin_port_where_none_is_wanted(self):
        self.assertNotIn("admin", self.broker("--admin.enabled", "false").ports)

    def test_another_server_is_named_at_the_end(self):
        broker = self.broker("--mqtt.server_reference", "b.example")
        with Wire(broker.port, version=5).connect("r") as wire:
            broker.process.terminate()
            kind, body = wire.receive()
        self.assertEqual((kind, body[0]), (DISCONNECT, 0x9C))
        self.assertIn(b"b.example", body)


class LogTest(BrokerTest):
    def test_verbose_shows_who_came_subscribed_and_left(self):
        broker = self.broker()
        Subscriber(self, broker.port, "-i", "watcher", "-u", "jim", "-P", "hidden", "-k", "33",
                   "-q", "1", "-t", "home/+/temp").stop()
        broker.wait_for_log("client_disconnected")
        self.expect_parts(broker, "client_connected", (
            "client=watcher", "from=127.0.0.1:", "listener=127.0.0.1:0", "version=3.1.1",
            "clean_start=true", "keep_alive=33", "user=jim", "session_present=false"))
        self.expect_parts(broker, "subscribe", ("client=watcher", "filter=home/+/temp", "qos=1"))
        self.expect_parts(broker, "client_disconnected", (
            "client=watcher", "from=127.0.0.1:", 'cause="client disconnected"'))
        self.assertNotIn("hidden", broker.log())

    def expect_parts(self, broker, event, parts):
        line = next(each for each in broker.log().splitlines() if f" {event} " in each)
        for part in parts:
            self.assertIn(part, line)

    def test_trace_shows_each_packet_but_no_payload(self):
        broker = self.broker("--log.level", "trace")
        reader = Subscriber(self, broker.port, "-i", "watcher", "-t", "a", "-q", "1")
        publish(broker.port, "a", "hidden", "-q", "1", "-i", "source")
        self.assertEqual(reader.next(), "hidden")
        reader.stop()
        broker.wait_for_log('client=watcher packet="DISCONNECT')
        log = broker.log()
        self.assertRegex(log, r'received packet="CONNECT .*source')
        self.assertRegex(log, r'received client=source packet="PUBLISH d0 q1 r0 m1 .*6 bytes')
        self.assertRegex(log, r'sent client=source packet="PUBACK m1')
        self.assertRegex(log, r'sent client=watcher packet="PUBLISH d0 q1 r0 m1 .*6 bytes')
        self.assertRegex(log, r'received client=watcher packet="PUBACK m1')
        self.assertNotIn("hidden", log)
