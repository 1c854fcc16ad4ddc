# SPDX-License-Identifier: Apache-2.0
"""Starts a broker on a free port of 127.0.0.1, pinned, and ends it again."""

import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

MOSQUITTO_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence {persistence}
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
log_type error
"""


@dataclass(frozen=True)
class Candidate:
    """A broker to measure. `command` may hold {port}, {folder} and {configuration}."""

    name: str
    command: tuple[str, ...]
    broker_cores: frozenset[int]
    generator_cores: frozenset[int]
    configuration: str = ""
    niceness: int = 0


def mosquitto(path, broker_cores, generator_cores, niceness=0):
    return Candidate("mosquitto", (path, "-c", "{configuration}"), broker_cores, generator_cores,
                     MOSQUITTO_CONFIGURATION, niceness)


def grapevine(name, path, arguments, broker_cores, generator_cores, niceness=0):
    return Candidate(name, (path, "-p", "{port}", "--storage.folder={folder}/store", *arguments),
                     broker_cores, generator_cores, niceness=niceness)


def set_priority(niceness):
    """Of the calling process. With autogroups a niceness counts only within the session, so that
    the process gets a session of its own, and that the same niceness."""
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    try:
        with open("/proc/self/autogroup", "w") as autogroup:
            autogroup.write(str(niceness))
    except FileNotFoundError:
        pass  # a kernel without autogroups


def placed(cores, niceness):
    """For preexec_fn: the child, and all its threads, run on these cores and at this priority."""
    def place():
        os.sched_setaffinity(0, cores)
        if niceness:
            set_priority(niceness)
    return place


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningBroker:
    """A context: inside it the broker listens on `port`; `pid` is its process."""

    def __init__(self, candidate, keeps=False):
        self.candidate = candidate
        self.persistence = "true" if keeps else "false"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="grapevine-compare-")
        os.chmod(self.folder.name, 0o777)  # mosquitto gives up root, and still reads and writes it
        self.port = free_port()
        started = time.monotonic()
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        self.process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            cwd=self.folder.name, env=dict(os.environ, XDG_STATE_HOME=self.folder.name),
            preexec_fn=placed(self.candidate.broker_cores, self.candidate.niceness))
        self.pid = self.process.pid
        try:
            self._await_listening()
        except BaseException:
            self.__exit__()
            raise
        self.listening_ms = (time.monotonic() - started) * 1e3
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def log_tail(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")

    def _command(self):
        configuration = os.path.join(self.folder.name, "broker.conf")
        with open(configuration, "w") as file:
            file.write(self.candidate.configuration.format(
                port=self.port, folder=self.folder.name, persistence=self.persistence))
        return [part.format(port=self.port, configuration=configuration, folder=self.folder.name)
                for part in self.candidate.command]

    def _await_listening(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.candidate.name} ended at once:\n{self.log_tail()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.001)
        raise RuntimeError(f"{self.candidate.name} did not listen within 10 s:\n{self.log_tail()}")
