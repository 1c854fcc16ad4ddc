# SPDX-License-Identifier: Apache-2.0
"""Several brokers that pass messages to each other, each with its store in a folder of its own."""

import os
import socket
import subprocess
import tempfile
import time
import urllib.request

from tests.integration.wire import Wire

from .brokers import MOSQUITTO_CONFIGURATION, free_port, placed

BROKER_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
"""
# To the second broker, everything that is published at the first.
BRIDGE_CONFIGURATION = """\
connection second
address 127.0.0.1:{second}
topic # out 2
remote_clientid first.second
notifications false
"""
MEMBERS = "grapevine_cluster_members_alive"
PARTITIONS = "grapevine_cluster_partitions"
KEPT = "grapevine_sessions_persistent"


class Node:
    """A running process: `port` for clients, `admin` for metrics (0: none)."""

    def __init__(self, command, folder, port, admin, cores, niceness):
        self.port, self.admin, self.folder = port, admin, folder
        self.began = time.monotonic()
        with open(os.path.join(folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                env=dict(os.environ, XDG_STATE_HOME=folder), preexec_fn=placed(cores, niceness))
        self.pid = self.process.pid

    def wait_until(self, condition, what, patience=60):
        deadline = time.monotonic() + patience
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no {what}:\n{self.log_tail()}")
            time.sleep(0.01)

    def log_text(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()

    def log_tail(self):
        return self.log_text()[-2000:]

    def is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get(self, page):
        """Text of a page of the admin port. Errors: OSError, also if it is not well."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/{page}") as answer:
            return answer.read().decode()

    def is_ready(self):
        try:
            self.get("readyz")
            return True
        except OSError:
            return False

    def metric(self, name):
        """Sum of a metric over its labels."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.get("metrics").splitlines()
                   if line.startswith(name + " ") or line.startswith(name + "{"))

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def cpu_seconds(self):
        """Of all live threads, from schedstat."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class RunningCluster:
    """A context: `nodes` are those that run; Grapevine unless the subclass says otherwise."""

    name = "grapevine"

    def __init__(self, path, count, cores, niceness=0):
        self.path, self.count, self.cores, self.niceness = path, count, cores, niceness
        self.nodes = []

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="grapevine-cluster-")
        os.chmod(self.folder.name, 0o777)  # mosquitto gives up root, and still reads and writes it
        self.peer_ports = [free_port() for _ in range(self.count + 1)]
        try:
            for _ in range(self.count):
                self.add_node()
            self.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop()
        self.folder.cleanup()

    def add_node(self):
        """One more, without waiting for anything."""
        number = len(self.nodes)
        port, admin = free_port(), free_port()
        command = [self.path, "-p", str(port), "--admin.port", str(admin), "--shards.threads", "1",
                   "--storage.folder", "store", "--mqtt.in_flight_max_v3", "1000",
                   *self.cluster_arguments(number)]
        folder = self.make_folder(number)
        self.nodes.append(Node(command, folder, port, admin, self.cores, self.niceness))
        return self.nodes[-1]

    def settle(self):
        for node in self.nodes:
            node.wait_until(node.is_ready, "readiness")
            node.wait_until(lambda n=node: n.metric(MEMBERS) >= self.count - 1, "other nodes")

    def make_folder(self, number):
        folder = os.path.join(self.folder.name, str(number))
        os.makedirs(folder)
        os.chmod(folder, 0o777)
        return folder

    def cluster_arguments(self, number):
        seeds = ",".join(f"127.0.0.1:{port}" for port in self.peer_ports)
        return ["--node.name", f"node{number + 1}", "--cluster.name", "bench",
                "--cluster.port", str(self.peer_ports[number]), "--cluster.seeds", seeds]


class LoneNode(RunningCluster):
    """One broker that is in no cluster."""

    name = "alone"

    def cluster_arguments(self, number):
        return []

    def settle(self):
        for node in self.nodes:
            node.wait_until(node.is_ready, "readiness")


class FollowingCluster(RunningCluster):
    """Its sessions live at the homes of their partitions, whichever node the client connects to."""

    name = "cluster"

    def cluster_arguments(self, number):
        return [*super().cluster_arguments(number), "--sessions.follow_clients", "true"]

    def settle(self):
        super().settle()
        least = 256 // self.count // 2

        def is_spread():
            homes = [node.metric(PARTITIONS) for node in self.nodes]
            return sum(homes) == 256 and min(homes) >= least
        for node in self.nodes:
            node.wait_until(is_spread, "partitions on all nodes")

    def clients_by_home(self, counts):
        """For each node so many client identifiers, at least, whose sessions it is the home of. Each
        is tried out: what is true of homes is where a session turns up. None is left behind."""
        found = [[] for _ in self.nodes]
        tried = 0
        while any(len(some) < count for some, count in zip(found, counts)):
            tried += 1
            client = f"client-{tried}"
            with Wire(self.nodes[0].port).connect(client, clean=False):
                found[self.only_session()].append(client)
            with Wire(self.nodes[0].port).connect(client):
                pass
            self.nodes[0].wait_until(lambda: not any(self.sessions()), "end of the session")
        return found

    def sessions(self):
        return [int(node.metric(KEPT)) for node in self.nodes]

    def only_session(self):
        """The node, as an index, that has the one session that there is."""
        self.nodes[0].wait_until(lambda: sum(self.sessions()) == 1, "session")
        return self.sessions().index(1)


class LoneMosquitto(RunningCluster):
    """One Mosquitto with its persistence on: a file that it writes now and then, and does not sync."""

    name = "mosquitto"

    def __init__(self, path, cores, niceness=0):
        super().__init__(path, 1, cores, niceness)

    def add_node(self):
        folder, port = self.make_folder(0), free_port()
        configuration = os.path.join(folder, "broker.conf")
        with open(configuration, "w") as file:
            file.write(MOSQUITTO_CONFIGURATION.format(port=port, folder=folder, persistence="true"))
        self.nodes.append(Node([self.path, "-c", configuration], folder, port, 0, self.cores,
                               self.niceness))

    def settle(self):
        self.nodes[0].wait_until(self.nodes[0].is_listening, "listening")


class BridgedMosquitto(RunningCluster):
    """Two Mosquitto brokers, the first with a bridge to the second."""

    name = "mosquitto"

    def __enter__(self):
        self.ports = [free_port(), free_port()]
        super().__enter__()
        self.nodes.reverse()
        return self

    def add_node(self):
        """The second first, so that the bridge finds it at once."""
        number = 1 - len(self.nodes)
        folder = self.make_folder(number)
        text = BROKER_CONFIGURATION.format(port=self.ports[number])
        if number == 0:
            text += BRIDGE_CONFIGURATION.format(second=self.ports[1])
        configuration = os.path.join(folder, "broker.conf")
        with open(configuration, "w") as file:
            file.write(text)
        self.nodes.append(Node([self.path, "-c", configuration], folder, self.ports[number], 0,
                               self.cores, self.niceness))
        self.nodes[-1].wait_until(self.nodes[-1].is_listening, "listening")

    def settle(self):
        second = self.nodes[0]
        second.wait_until(lambda: " as first.second " in second.log_text(), "bridge")
