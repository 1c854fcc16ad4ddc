# SPDX-License-Identifier: Apache-2.0
"""mosquitto_pub and mosquitto_sub, as a user types them."""

import queue
import subprocess
import threading

from tests.integration.patience import PATIENCE_S


def address(port):
    return ["-h", "127.0.0.1", "-p", str(port)]


def run_pub(port, *arguments, **options):
    """mosquitto_pub to its end, whatever that is."""
    return subprocess.run(["mosquitto_pub", *address(port), *map(str, arguments)],
                          capture_output=True, text=True, timeout=PATIENCE_S, **options)


def publish(port, topic, message, *arguments):
    done = run_pub(port, "-t", topic, "-m", message, *arguments)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"mosquitto_pub: {done.returncode} {done.stderr}")


def run_sub(port, *arguments, **options):
    """mosquitto_sub to its end (-C, -W or -E among the arguments)."""
    return subprocess.run(["mosquitto_sub", *address(port), *map(str, arguments)],
                          capture_output=True, text=True, timeout=4 * PATIENCE_S, **options)


def run_sub_bytes(port, *arguments):
    """What mosquitto_sub prints, to the byte."""
    return subprocess.run(["mosquitto_sub", *address(port), *map(str, arguments)],
                          stdout=subprocess.PIPE, check=True, timeout=4 * PATIENCE_S).stdout


class Subscriber:
    """A mosquitto_sub that runs until stop(); ready once its SUBACK is there."""

    def __init__(self, test, port, *arguments, wants_suback=True):
        # Without stdbuf it keeps its debug lines to itself while its output is a pipe.
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", *address(port), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.messages = queue.Queue()
        self.debug_lines = []
        self.taken = 0
        self.is_subscribed = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        test.addCleanup(self.kill)
        if wants_suback and not self.is_subscribed.wait(PATIENCE_S):
            raise AssertionError("not subscribed:\n" + "\n".join(self.debug_lines))

    def read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith(("Client ", "Subscribed (mid")):
                self.debug_lines.append(line)
                if line.startswith("Subscribed"):
                    self.is_subscribed.set()
            else:
                self.messages.put(line)
        self.messages.put(None)

    def next(self, seconds=PATIENCE_S):
        """The next line printed; fails if there is none."""
        try:
            line = self.messages.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError("no message came") from None
        if line is None:
            raise AssertionError("mosquitto_sub has ended:\n" + "\n".join(self.debug_lines))
        self.taken += 1
        return line

    def take(self, count):
        return [self.next() for _ in range(count)]

    def stop(self):
        """Ends it as Ctrl-C does: with a DISCONNECT. Returns what came and was not asked for."""
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        # Its signal handler may print the last line a second time: what it received is what counts.
        received = sum("received PUBLISH" in line for line in self.debug_lines)
        lines = [line for line in iter(self.messages.get, None)]
        return lines[:received - self.taken]

    def kill(self):
        """Ends it without a word."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()
