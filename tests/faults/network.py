# SPDX-License-Identifier: Apache-2.0
"""Hosts n1 to n5, each a network namespace, on one bridge; clients are on a host of their own. Links
between hosts are cut, lossy or slow as wanted. What comes from the clients' host is left alone."""

import json

from tests.faults.machine import command

CLIENTS = "10.77.0.254"
HOSTS = "10.77.0.0/25"  # without the clients
TABLE = """\
table inet faults {
    counter dropped { }
    chain arriving {
        type filter hook input priority 0
    }
    chain leaving {
        type filter hook output priority 0
    }
}
"""


def address(number):
    return f"10.77.0.{number}"


class Host:
    """Of a node. Its faults hold for what comes in (`arriving`) or goes out (`leaving`)."""

    def __init__(self, number):
        self.number = number
        self.name = f"n{number}"
        self.address = address(number)
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0",
                "netns", self.name)
        command("ip", "link", "set", self.name, "master", "bridge", "up")
        self.do("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.do("ip", "link", "set", "eth0", "up")
        self.do("ip", "link", "set", "lo", "up")
        self.do("nft", "-f", "-", given=TABLE)

    def do(self, *arguments, given=None):
        return command(*arguments, given=given, namespace=self.name)

    def add_rule(self, chain, match):
        self.do("nft", "-f", "-",
                given=f"add rule inet faults {chain} {match} counter name dropped drop\n")

    def heal(self):
        self.do("nft", "-f", "-", given="flush chain inet faults arriving\n"
                                        "flush chain inet faults leaving\n")

    def packets_dropped(self):
        told = json.loads(self.do("nft", "-j", "list", "counter", "inet", "faults", "dropped"))
        return next(each["counter"]["packets"] for each in told["nftables"] if "counter" in each)


class Network:
    def __init__(self, hosts):
        command("ip", "link", "add", "bridge", "type", "bridge")
        command("ip", "addr", "add", f"{CLIENTS}/24", "dev", "bridge")
        command("ip", "link", "set", "bridge", "up")
        self.hosts = {number: Host(number) for number in range(1, hosts + 1)}

    def close(self):
        for host in self.hosts.values():
            command("ip", "link", "del", host.name)  # the kernel takes its time for that by itself
            command("ip", "netns", "del", host.name)
        command("ip", "link", "del", "bridge")

    # --- cuts

    def cut_one_way(self, source, target):
        self.hosts[target].add_rule("arriving", f"ip saddr {address(source)}")

    def cut(self, one, other):
        self.cut_one_way(one, other)
        self.cut_one_way(other, one)

    def isolate(self, number):
        """From all other nodes, not from its clients."""
        self.hosts[number].add_rule("arriving", f"ip saddr {HOSTS} ip saddr != {address(number)}")
        self.hosts[number].add_rule("leaving", f"ip daddr {HOSTS} ip daddr != {address(number)}")

    def silence(self, number):
        """As if its power had gone: from nodes and clients."""
        self.hosts[number].add_rule("arriving", f"ip saddr != {address(number)}")
        self.hosts[number].add_rule("leaving", f"ip daddr != {address(number)}")

    def lose(self, number, percent):
        """Of all packets between it and other nodes."""
        draw = f"numgen random mod 100 < {percent}"
        self.hosts[number].add_rule("arriving",
                                    f"ip saddr {HOSTS} ip saddr != {address(number)} {draw}")
        self.hosts[number].add_rule("leaving",
                                    f"ip daddr {HOSTS} ip daddr != {address(number)} {draw}")

    def heal(self):
        for host in self.hosts.values():
            host.heal()

    def packets_dropped(self):
        return sum(host.packets_dropped() for host in self.hosts.values())

    # --- bandwidth

    def limit(self, source, target, rate):
        """What `source` sends to `target`, and nothing else of it: `rate` as tc has it."""
        host = self.hosts[source]
        for words in (
                "qdisc add dev eth0 root handle 1: htb default 1",
                "class add dev eth0 parent 1: classid 1:1 htb rate 10gbit quantum 60000",
                "class add dev eth0 parent 1: classid 1:2 htb rate 10gbit quantum 60000",
                f"qdisc add dev eth0 parent 1:2 handle 2: tbf rate {rate} burst 16kb latency 300ms",
                "filter add dev eth0 parent 1: protocol ip prio 1 u32 "
                f"match ip dst {address(target)}/32 flowid 1:2"):
            host.do("tc", *words.split())

    def limited(self, source):
        """(bytes that passed the limit, times that packets had to wait or were dropped)"""
        told = json.loads(self.hosts[source].do("tc", "-s", "-j", "qdisc", "show", "dev", "eth0"))
        slow = next(each for each in told if each["kind"] == "tbf")
        return slow["bytes"], slow["overlimits"] + slow["drops"]

    def lift(self, source):
        self.hosts[source].do("tc", "qdisc", "del", "dev", "eth0", "root")
