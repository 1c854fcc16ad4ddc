# SPDX-License-Identifier: Apache-2.0
"""A broker of its own for one test, in a folder of its own, ended by its process id."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

from tests.integration.patience import PATIENCE_S

PROGRAM = os.environ["GRAPEVINE"]


def wait_for(what, condition, seconds=PATIENCE_S):
    """Polls until condition() is true and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(0.01)


class Broker:
    """Listens on free ports of the loopback address; `port` is that of the first listener. The
    command runs behind `prefix`, if there is one."""

    def __init__(self, folder, *arguments, config=None, descriptors=None, prefix=(),
                 program=PROGRAM, environment=None):
        self.folder = pathlib.Path(folder)
        self.was_killed = False
        self.ports_file = self.folder / "ports"
        self.log_file = self.folder / "log"
        self.config_file = self.folder / "grapevine.toml"
        self.command = [program, "-v", "--ports-file", str(self.ports_file), "--admin.port", "0",
                        "--storage.folder", str(self.folder / "store")]
        if config is None:
            self.command += ["-p", "0"]
        else:
            self.config_file.write_text(config)
            self.command += ["-c", str(self.config_file)]
        self.command += [str(each) for each in arguments]
        if descriptors is not None:
            self.command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *self.command]
        self.command = [*prefix, *self.command]
        self.environment = {**os.environ, **(environment or {})}
        # The port of a broker that was away may be the near end of somebody's connection.
        wait_for("broker that starts", lambda: self.starts() or "already in use" not in self.log())
        if self.process.poll() is not None:
            raise AssertionError("the broker did not start:\n" + self.log())
        self.ports = {}
        for line in self.ports_file.read_text().splitlines():
            name, address = line.rsplit(" ", 1)
            self.ports.setdefault(name, int(address.rsplit(":", 1)[1]))
        self.port = next(iter(self.ports.values()))

    def log(self):
        return self.log_file.read_text(errors="replace")

    def starts(self):
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdout=log,
                                            env=self.environment)
        wait_for("ports file", lambda: self.ports_file.exists() or self.process.poll() is not None)
        return self.process.poll() is None

    def wait_for_log(self, text):
        wait_for(f"'{text}' in the log", lambda: text in self.log())

    def wait_for_log_match(self, pattern):
        """As above, for a regular expression."""
        wait_for(f"'{pattern}' in the log", lambda: re.search(pattern, self.log()))

    def reload(self):
        """SIGHUP, and waits until it has taken effect or was refused."""
        def answers():
            return self.log().count(" reloaded") + self.log().count(" reload_refused")
        before = answers()
        self.process.send_signal(signal.SIGHUP)
        wait_for("answer to SIGHUP", lambda: answers() > before)

    def kill(self):
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.was_killed = True

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class BrokerTest(unittest.TestCase):
    """Base of all tests: self.folder is theirs, self.broker() starts what they need."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="grapevine-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.brokers = 0

    def broker(self, *arguments, **options):
        self.brokers += 1
        folder = self.folder / f"broker-{self.brokers}"
        folder.mkdir()
        started = Broker(folder, *arguments, **options)
        self.addCleanup(self.end, started)
        return started

    def end(self, started):
        """A broker that a test left running must have lived to its end and go in good order."""
        code = started.stop()
        if code != 0 and not started.was_killed:
            self.fail(f"the broker ended with {code}:\n{started.log()[-4000:]}")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path
