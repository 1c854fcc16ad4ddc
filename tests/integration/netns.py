# SPDX-License-Identifier: Apache-2.0
"""Nodes with a network between them that can be cut, in network namespaces; needs root.

The test itself moves to a namespace of its own, in which there is a bridge; each node gets a
namespace with one cable to it. So nothing outside is touched, and addresses are the test's alone.
Packets are dropped where they would arrive: nobody is told.
"""

import ctypes
import os
import re
import shutil
import subprocess
import unittest

CLONE_NEWNET = 0x40000000


def run(*command):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def why_impossible():
    """None where namespaces can be made."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft"):
        if not shutil.which(program):
            return f"there is no {program}"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"no network namespace: {probe.stderr.strip()}"


class Network:
    """Nodes are numbered from 1."""

    def __init__(self, test, nodes):
        reason = why_impossible()
        if reason:
            raise unittest.SkipTest(reason)
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise unittest.SkipTest(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "hub", "type", "bridge")
        run("ip", "address", "add", "10.9.9.254/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        for node in range(1, nodes + 1):
            run("ip", "netns", "add", self.name(node))
            test.addCleanup(run, "ip", "netns", "delete", self.name(node))
            run("ip", "link", "add", f"cable{node}", "master", "hub", "type", "veth",
                "peer", "name", "eth0", "netns", self.name(node))
            run("ip", "link", "set", f"cable{node}", "up")
            self.within(node, "ip", "link", "set", "lo", "up")
            self.within(node, "ip", "address", "add", f"{self.address(node)}/24", "dev", "eth0")
            self.within(node, "ip", "link", "set", "eth0", "up")
            self.within(node, "nft", "add table inet cut")
            self.within(node, "nft", "add chain inet cut input "
                                     "{ type filter hook input priority 0; }")

    @staticmethod
    def name(node):
        return f"grapevine-{os.getpid()}-{node}"

    @staticmethod
    def address(node):
        return f"10.9.9.{node}"

    def prefix(self, node):
        """What is put before a command that is to run on that node's machine."""
        return ["ip", "netns", "exec", self.name(node)]

    def within(self, node, *command):
        return run(*self.prefix(node), *command)

    def cut(self, sender, receiver):
        """From now on no packet of the one arrives at the other; the other way they do."""
        self.within(receiver, "nft", f"add rule inet cut input ip saddr {self.address(sender)} "
                                     "counter drop")

    def cut_both_ways(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def dropped(self, receiver):
        """Packets so far, of the cuts that are."""
        rules = self.within(receiver, "nft", "list chain inet cut input")
        return sum(int(found) for found in re.findall(r"packets (\d+)", rules))

    def heal(self, *nodes):
        """Ends all cuts that they see."""
        for node in nodes:
            self.within(node, "nft", "flush chain inet cut input")
