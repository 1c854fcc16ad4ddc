# SPDX-License-Identifier: Apache-2.0
"""A broker on a host of the network, and the proxy in front of it if it has one."""

import asyncio
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

from tests.faults import proxy

MQTT, CLUSTER, ADMIN, PROXY = 1883, 7883, 9883, 7884
PATIENCE_S = 30
OPERATE_WITHIN_S = 180
CONFIGURATION = """\
[node]
name = "{name}"
sys_interval = 0
[[listeners]]
bind = "{address}"
port = 1883
allow_anonymous = "true"
[admin]
bind = "{address}"
[cluster]
name = "faults"
bind = "{address}"
advertise = "{address}:{port}"
seeds = [{seeds}]
allow_plaintext = true
[shards]
threads = 2
[storage]
folder = "{folder}/store"
profile = "server"
[log]
lines_per_second = 10000
"""
# Buffers of the store fill for minutes; small ones are full when memory is noted.
SMALL_STORE = ("--storage.write_buffer", "1MiB", "--storage.cache", "1MiB")


async def wait_for(what, condition, seconds=PATIENCE_S):
    """Polls until condition() is true, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds} s")
        await asyncio.sleep(0.02)


@dataclasses.dataclass
class Member:
    """A line of the log: another node became something."""
    node: str
    became: str


class Node:
    def __init__(self, program, host, folder, seeds, has_proxy=False, clock=None,
                 settings=()):
        """`settings`: further flags. `clock`: its own."""
        self.host, self.name, self.address = host, host.name, host.address
        self.folder = folder / self.name
        self.folder.mkdir(exist_ok=True)
        self.clock = clock
        self.has_proxy = has_proxy
        self.log_file = self.folder / "log"
        self.log_file.touch()
        port = PROXY if has_proxy else CLUSTER
        (self.folder / "grapevine.toml").write_text(CONFIGURATION.format(
            name=self.name, address=self.address, port=port, folder=self.folder,
            seeds=", ".join(f'"{each}"' for each in seeds)))
        self.program = str(program)  # may be another one at the next start
        self.arguments = ["-v", "-c", str(self.folder / "grapevine.toml"),
                          *settings]
        self.process = self.proxy = None
        self.starts = 0
        self.deaths = 0  # that nobody wanted
        self.proxy_counts = {}

    def start(self):
        if self.has_proxy and self.proxy is None:
            self.start_proxy()
        environment = dict(os.environ)
        if self.clock is not None:
            environment |= self.clock.environment()
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, self.program, *self.arguments],
                cwd=self.folder, stdout=log, stderr=log, env=environment)  # a core is left there
        self.starts += 1

    def start_proxy(self):
        self.proxy = subprocess.Popen(
            ["ip", "netns", "exec", self.name, "/usr/bin/python3", "-B",
             str(pathlib.Path(proxy.__file__)), f"{self.address}:{PROXY}",
             f"{self.address}:{CLUSTER}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def fault_from(self, peer, **fault):
        """What the proxy does to what the other node sends here, and to the answers."""
        self.tell_proxy({"peer": peer.address, **fault})

    def proxy_told(self):
        """Its counts now."""
        return self.tell_proxy({})

    def tell_proxy(self, words):
        self.proxy.stdin.write(json.dumps(words) + "\n")
        self.proxy.stdin.flush()
        self.proxy_counts = json.loads(self.proxy.stdout.readline())
        return self.proxy_counts

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.note_death()
        self.process.kill()
        self.process.wait()
        self.process = None

    def note_death(self):
        if self.process is not None and self.process.poll() is not None:
            self.deaths += 1

    async def stop(self):
        """In good order; anything else is a death that nobody wanted."""
        self.note_death()
        if self.is_running():
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.deaths += self.process.returncode != 0
        self.process = None

    async def operate(self, *words):
        """`grapevine cluster …` for it."""
        return await asyncio.to_thread(
            subprocess.run, [self.program, "cluster", *words, "--storage.folder",
                             str(self.folder / "store")],
            capture_output=True, text=True, timeout=OPERATE_WITHIN_S)

    async def operate_until_it_ends(self, *words):
        """The same for what ends its process in good order. Returns when it had ended."""
        done = await self.operate(*words)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: cluster {' '.join(words)}: {done.stderr.strip()}")
        await asyncio.to_thread(self.process.wait, PATIENCE_S)
        self.deaths += self.process.returncode != 0
        self.process = None
        return time.monotonic()

    async def status(self):
        return json.loads((await self.operate("status", "--json")).stdout)

    def stop_proxy(self):
        if self.proxy is not None:
            self.proxy.kill()
            self.proxy.wait()

    # --- what it tells

    def log(self, since=0):
        with self.log_file.open(errors="replace") as log:
            log.seek(since)
            return log.read()

    def log_size(self):
        return self.log_file.stat().st_size

    def changes(self, since=0):
        """What it said of other nodes in the log from there on."""
        return [Member(*found) for found in
                re.findall(r" member_changed .*?node=(\S+) became=(\S+)", self.log(since))]

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}:{ADMIN}{path}", timeout=5) as answer:
            return answer.read().decode()

    async def is_ready(self):
        try:
            await asyncio.to_thread(self.get, "/readyz")
            return True
        except OSError:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: "
                                   + self.log()[-2000:]) from None
            return False

    async def metrics(self):
        """Name → value, summed over labels, and name{labels} → value."""
        found = {}
        for line in (await asyncio.to_thread(self.get, "/metrics")).splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
                if "{" in name:
                    name = name[:name.index("{")]
                    found[name] = found.get(name, 0.0) + float(value)
        return found

    async def metric(self, name):
        return (await self.metrics())["grapevine_" + name]

    def memory(self):
        """Bytes that it has in RAM."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        """Without files of the store, which come and go with compactions."""
        folder = pathlib.Path(f"/proc/{self.process.pid}/fd")
        store = str(self.folder / "store")
        return sum(not target.startswith(store) for target in map(read_link, folder.iterdir()))


def read_link(path):
    """Empty if it has just been closed."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
