# SPDX-License-Identifier: Apache-2.0
"""The three nodes as a test sees them: through published ports, and by commands in containers."""

import json
import subprocess
import time
import urllib.request

from tests.compose import facts
from tests.compose.engine import PATIENCE_S, EngineError

NODES = ("n1", "n2", "n3")


class Scene:
    def __init__(self, engine, report, image):
        self.engine, self.report, self.image = engine, report, image

    def wait_for(self, what, condition, seconds=PATIENCE_S):
        """Returns the seconds it took; None: it never was."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                self.report.note(f"gave up waiting for {what}")
                return None
            time.sleep(0.2)
        return time.monotonic() - begun

    # --- nodes

    def health(self, node):
        state = self.engine.inspect(self.engine.container(node))["State"]
        return state["Health"]["Status"] if state["Running"] else state["Status"]

    def all_are_healthy(self):
        return all(self.health(each) == "healthy" for each in NODES)

    def status(self, node):
        """None where the node does not answer."""
        done = self.engine.inside(node, "grapevine", "cluster", "status", "--json")
        return json.loads(done.stdout) if done.stdout else None

    def is_whole(self):
        seen = [self.status(each) for each in NODES]
        return all(each and facts.is_whole(each, NODES) for each in seen)

    def misses(self, node, absent):
        seen = self.status(node)
        return seen is not None and absent not in facts.alive_members(seen)

    # --- clients

    def client(self, program, node, *arguments):
        return [program, "-h", "127.0.0.1", "-p", self.engine.port(node, 1883), *arguments]

    def publish(self, node, topic, text, *arguments):
        """Returns when it is acknowledged."""
        self.engine.must(self.client("mosquitto_pub", node, "-q", 1, "-t", topic, "-m", text,
                                     *arguments))

    def hear(self, node, topic, count, *arguments):
        """What comes, as payloads in order; fewer if no more come in time."""
        return self.engine.run(self.client("mosquitto_sub", node, "-q", 1, "-t", topic, "-C", count,
                                           "-W", 20, *arguments)).stdout.split()

    def keep(self, node, client, topic):
        """A session that is there when its client is away."""
        self.engine.must(self.client("mosquitto_sub", node, "-c", "-q", 1, "-i", client, "-t",
                                     topic, "-E"))

    def resume(self, node, client, count):
        """What waits for a session, as payloads in order; nothing where the node refuses it."""
        return self.engine.run(self.client("mosquitto_sub", node, "-c", "-q", 1, "-i", client,
                                           "-t", "none", "-C", count, "-W", 20)).stdout.split()

    def listener(self, node, topic):
        """A subscriber that is there when this returns; heard() ends it."""
        # Without stdbuf it keeps its debug lines to itself while its output is a pipe.
        command = ["stdbuf", "-oL", *(str(each) for each in self.client(
            "mosquitto_sub", node, "-q", 1, "-t", topic, "-C", 1, "-W", 20, "-d"))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("Subscribed"):
                return process
        raise EngineError(f"{' '.join(command)}: not subscribed")

    @staticmethod
    def heard(process):
        lines = process.communicate(timeout=PATIENCE_S)[0].splitlines()
        return [each for each in lines if not each.startswith("Client ")]

    # --- Prometheus

    def ask_prometheus(self, path):
        """None where it does not answer yet."""
        where = f"http://127.0.0.1:{self.engine.port('prometheus', 9090)}{path}"
        try:
            with urllib.request.urlopen(where, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    # --- what is told

    def equal(self, what, measured, wanted):
        self.report.criterion(what, str(measured), f"= {wanted}", measured == wanted)

    def within(self, what, seconds, limit):
        self.report.at_most(what, seconds, limit, "s")
