# SPDX-License-Identifier: Apache-2.0
"""The broker as a process: configuration, signals, life cycle."""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time

from tests.integration.broker import PROGRAM, BrokerTest, wait_for
from tests.integration.clients import Subscriber, publish
from tests.integration.observe_test import wait_for_metric
from tests.integration.patience import PATIENCE_S
from tests.integration.wire import DISCONNECT, Wire

SERVER_SHUTTING_DOWN = 0x8B


def writer_of(fifo):
    """A descriptor, or None as long as nobody reads."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


class Process(BrokerTest):
    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                              timeout=30)

    def test_version_and_help(self):
        self.assertRegex(self.run_program("--version").stdout, r"^grapevine \d+\.\d+\.\d+\n$")
        self.assertIn("--check-config", self.run_program("--help").stdout)

    def test_every_problem_of_a_configuration_at_once(self):
        config = self.write("bad.toml", "[mqtt]\nqos_max = 7\npaket_size_max = \"1MiB\"\n"
                            "[[listeners]]\nbind = \"0.0.0.0\"\n"
                            "[[listeners]]\nport = 99999\n")
        done = self.run_program("-c", config, "--check-config")
        self.assertEqual(done.returncode, 1)
        for text in ("bad.toml:2: mqtt.qos_max: 7 is out of range",
                     "bad.toml:3: mqtt.paket_size_max is not an option; "
                     "did you mean 'mqtt.packet_size_max'?",
                     "bad.toml:5: listeners.0.bind: 0.0.0.0:1883 is open to other machines",
                     "bad.toml:7: listeners.1.port: 99999 is out of range"):
            self.assertIn(text, done.stderr)

    def test_a_good_configuration(self):
        config = self.write("good.toml", "[mqtt]\nqos_max = 1\n")
        done = self.run_program("-c", config, "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        printed = self.run_program("-c", config, "--print-config").stdout
        self.assertRegex(printed, r"qos_max = 1 +# .*good.toml:2")
        again = self.run_program("-c", self.write("printed.toml", printed), "--check-config")
        self.assertEqual((again.returncode, again.stderr), (0, ""))

    def test_files_that_are_not_there(self):
        done = self.run_program("-c", "/nowhere/grapevine.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/grapevine.toml", done.stderr)
        done = self.run_program("-p", "0", "--admin.port", "0", "--auth.password_file",
                                "/nowhere/passwords")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/passwords", done.stderr)

    def test_a_port_that_is_taken(self):
        taken = self.broker().port
        done = self.run_program("-p", taken, "--admin.port", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{taken}", done.stderr)
        self.assertIn("in use", done.stderr)

    def test_two_brokers_on_one_machine(self):
        one, two = self.broker(), self.broker()
        first, second = (Subscriber(self, each.port, "-t", "t") for each in (one, two))
        publish(one.port, "t", "to one", "-q", "1")
        publish(two.port, "t", "to two", "-q", "1")
        self.assertEqual((first.next(), second.next()), ("to one", "to two"))
        self.assertEqual(one.stop(), 0)
        publish(two.port, "t", "still there", "-q", "1")
        self.assertEqual(second.next(), "still there")

    def test_sigterm_says_good_bye(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            broker = self.broker()
            with Wire(broker.port, 5).connect("new") as new, Wire(broker.port).connect() as old:
                new.subscribe("t")
                broker.process.send_signal(number)
                kind, body = new.receive()
                self.assertEqual((kind, body[0]), (DISCONNECT, SERVER_SHUTTING_DOWN))
                self.assertEqual(new.receive()[0], None)
                self.assertEqual(old.receive()[0], None)
            self.assertEqual(broker.process.wait(20), 0)

    def test_signals_are_heard_as_soon_as_it_listens(self):
        """Whoever waits for the ports file may send one at once."""
        for number, expected in 10 * [(signal.SIGHUP, " reloaded"), (signal.SIGTERM, " stopped")]:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                ports = pathlib.Path(folder) / "ports"
                process = subprocess.Popen(
                    [PROGRAM, "-p", "0", "--admin.port", "0", "--ports-file", ports,
                     "--storage.folder", pathlib.Path(folder) / "store"],
                    stderr=subprocess.PIPE, text=True)
                while not ports.exists() and process.poll() is None:
                    pass  # no pause: the first moment is the one that counts
                process.send_signal(number)
                log = ""
                for line in process.stderr:
                    log += line
                    if expected in line:
                        break
                if number == signal.SIGHUP:
                    process.terminate()
                log += process.communicate(timeout=30)[1]
                self.assertIn(expected, log)
                self.assertEqual(process.returncode, 0, log)

    def test_the_first_process_of_a_container_ends_while_it_starts(self):
        config = self.folder / "config"
        os.mkfifo(config)  # whose end does not come
        process = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
             PROGRAM, "-c", config], stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        # It reads as soon as there is a writer.
        writer = wait_for("a reader", lambda: process.poll() is not None or writer_of(config))
        if process.poll() is not None:
            self.skipTest("no namespace for processes: " + process.stderr.read())
        self.addCleanup(os.close, writer)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        os.kill(int(children), signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 128 + signal.SIGTERM)

    def test_what_was_sent_before_the_end_arrives(self):
        broker = self.broker()
        payload = bytes(100_000)
        with Wire(broker.port).connect("reader") as reader, Wire(broker.port).connect() as writer:
            reader.subscribe("t")
            for _ in range(5):
                writer.publish_and_wait("t", payload)
            broker.process.terminate()
            self.assertEqual([len(reader.receive()[1]) for _ in range(5)], [100_003] * 5)
            self.assertEqual(reader.receive()[0], None)
        self.assertEqual(broker.process.wait(20), 0)

    def test_a_client_that_does_not_leave_is_not_waited_for(self):
        broker = self.broker()
        with Wire(broker.port).connect("stays"):
            began = time.monotonic()
            self.assertEqual(broker.stop(), 0)
            self.assertLess(time.monotonic() - began, 10)

    def test_in_the_background(self):
        ports, pid_file = self.folder / "ports", self.folder / "pid"
        done = self.run_program("-d", "-p", "0", "--admin.port", "0", "--ports-file", ports,
                                "--storage.folder", self.folder / "store",
                                "--node.pid_file", pid_file)
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = int(pid_file.read_text())
        try:
            # It listens by the time the command returns, in a session of its own.
            publish(int(ports.read_text().split()[1].rsplit(":", 1)[1]), "t", "x", "-q", "1")
            self.assertEqual(os.getsid(pid), pid)
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_for("end", lambda: not pid_file.exists())

    def test_a_background_start_that_fails_says_so(self):
        taken = self.broker().port
        done = self.run_program("-d", "-p", taken, "--admin.port", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)

    def test_reload_names_what_waits_for_a_restart(self):
        broker = self.broker(config="[[listeners]]\nport = 0\n[shards]\nthreads = 1\n")
        broker.config_file.write_text("[[listeners]]\nport = 0\n[shards]\nthreads = 2\n"
                                      "[log]\nlines_per_second = 50\n")
        broker.reload()
        broker.wait_for_log_match(r"option_changed option=shards.threads .*after a restart")
        publish(broker.port, "t", "x", "-q", "1")

    def test_reload_of_a_wrong_file_changes_nothing(self):
        broker = self.broker(config="[[listeners]]\nport = 0\n")
        broker.config_file.write_text("[[listeners]]\nport = 0\n[mqtt]\nqos_max = 9\n")
        broker.reload()
        broker.wait_for_log("reload_refused")
        publish(broker.port, "t", "x", "-q", "2")

    def test_who_connects_and_says_nothing_is_shown_out(self):
        port = self.broker("--mqtt.connect_timeout", "500ms").port
        began = time.monotonic()
        with Wire(port) as silent, Wire(port) as half, Wire(port).connect() as whole:
            half.send(b"\x10\x20\x00\x04MQ")
            self.assertEqual(silent.receive()[0], None)
            self.assertEqual(half.receive()[0], None)
            self.assertGreater(time.monotonic() - began, 0.4)
            whole.publish_and_wait("t", b"still here")

    def test_a_connection_too_many_is_told_why(self):
        config = "[[listeners]]\nport = 0\nconnections_max = {}\n[limits]\nconnections_max = {}\n"
        broker = self.broker(config=config.format(0, 3))
        broker.wait_for_log_match("connections_limit connections=3 set_by=limits.connections")
        self.fill(broker, 3, 'why="limits.connections_max is reached" remedy="raise limits.conn')
        broker.config_file.write_text(config.format(2, 3))
        broker.reload()
        self.fill(broker, 2, 'why="connections_max of this listener is reached" remedy="raise li')

    def test_descriptors_that_run_out_are_told_of(self):
        broker = self.broker(config="[[listeners]]\nport = 0\n")
        broker.wait_for_log_match(r'connections_limit connections=\d+ set_by="the limit of '
                                  r'file descriptors \(ulimit -n')
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (400, 400))
        broker.reload()
        self.fill(broker, 400, 'why="the limit of file descriptors leaves room for no more '
                               'connections" remedy="raise it (ulimit -n, LimitNOFILE=)')

    def fill(self, broker, count, expected):
        """Connects until one too many is there, and looks for `expected` in the log."""
        with contextlib.ExitStack() as open_ones:
            for _ in range(count + 1):
                open_ones.enter_context(Wire(broker.port))
            broker.wait_for_log(expected)
        # All are gone before the next test of a limit.
        wait_for_metric(broker, "grapevine_connections", 0)

    def test_verbose_shows_who_comes_and_goes(self):
        broker = self.broker()
        subscriber = Subscriber(self, broker.port, "-t", "home/#", "-q", "1", "-i", "kim")
        subscriber.stop()
        broker.wait_for_log("client_disconnected")
        broker.wait_for_log_match(r"client_connected .*client=kim from=127.0.0.1:\d+")
        broker.wait_for_log_match(r"subscribe .*client=kim filter=home/# qos=1")
        broker.wait_for_log_match(r"client_disconnected .*client=kim")
