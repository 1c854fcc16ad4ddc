# SPDX-License-Identifier: Apache-2.0
"""Shared subscriptions whose members are on several nodes: each message to one of them all."""

import collections
import socket
import threading
import time

from tests.integration.broker import wait_for
from tests.integration.clients import Subscriber
from tests.integration.cluster import ClusterTest
from tests.integration.wire import PUBACK, PUBLISH, Wire, packet

NO_MATCHING_SUBSCRIBERS = 0x10
GROUP = "$share/workers/job/#"
# Numbers of members, other than that there are some, are told after two seconds.
WEIGHTS_KNOWN_S = 2.5


class Member:
    """Acknowledges what it gets, and remembers the payloads, until it is closed or cut off."""

    def __init__(self, test, node, name, topic_filter=GROUP, qos=1, clean=True):
        self.got = []
        self.wire = Wire(node.port).connect(name, clean=clean)
        if topic_filter:  # else it has it from before
            self.wire.subscribe(topic_filter, qos)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def read(self):
        try:
            while True:
                kind, body, first = self.wire.receive_with_flags()
                if kind is None:
                    return
                if kind != PUBLISH:
                    continue
                topic_bytes = 2 + int.from_bytes(body[:2], "big")
                if first & 6:
                    self.got.append(body[topic_bytes + 2:])
                    self.acknowledge(body[topic_bytes:topic_bytes + 2])
                else:
                    self.got.append(body[topic_bytes:])
        except OSError:
            return

    def acknowledge(self, packet_id):
        try:
            self.wire.send(packet(0x40, packet_id))
        except OSError:
            pass  # the node is dead; what it has sent is still to be read

    def close(self):
        try:
            self.wire.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.wire.socket.close()

    def leave(self):
        """Says goodbye, and reads to the end."""
        self.wire.send(packet(0xe0, b""))
        self.thread.join()


class ClusterShared(ClusterTest):
    def send(self, node, numbers, qos=1):
        """Publishes, and waits for all acknowledgements. Returns the reasons that are no success."""
        reasons = []
        with Wire(node.port, version=5).connect(f"from-{node.name}-{qos}") as mouth:
            for number in numbers:
                mouth.publish(f"job/{number % 7}", b"%d" % number, qos=qos,
                              packet_id=number % 60_000 + 1)
                if qos:
                    kind, body = mouth.receive()
                    self.assertEqual(kind, PUBACK)
                    reasons += [body[2]] if len(body) > 2 and body[2] else []
        return reasons

    def expect_once(self, members, numbers):
        """Every number came, and to one member alone."""
        wanted = collections.Counter(b"%d" % number for number in numbers)
        wait_for(f"{len(numbers)} messages",
                 lambda: sum(len(member.got) for member in members) >= len(numbers))
        time.sleep(0.2)  # what comes twice, comes by then
        self.assertEqual(collections.Counter(sum((member.got for member in members), [])), wanted)

    def test_each_message_goes_to_one_member_of_all_nodes(self):
        nodes = self.nodes(3)
        members = [Member(self, node, f"m-{node.name}") for node in nodes]
        time.sleep(WEIGHTS_KNOWN_S)
        sent = 0
        for qos in (0, 1):
            for node in nodes:
                self.assertEqual(self.send(node, range(sent, sent + 150), qos), [])
                sent += 150
        self.expect_once(members, range(sent))
        for member in members:
            self.assertAlmostEqual(len(member.got), sent / 3, delta=0.2 * sent / 3)

    def test_nodes_get_as_much_as_they_have_members(self):
        nodes = self.nodes(2)
        many = [Member(self, nodes[0], f"many-{number}") for number in range(3)]
        one = Member(self, nodes[1], "one")
        time.sleep(WEIGHTS_KNOWN_S)
        for at, node in enumerate(nodes):
            self.send(node, range(at * 200, at * 200 + 200))
        self.expect_once(many + [one], range(400))
        for member in many + [one]:
            self.assertAlmostEqual(len(member.got), 100, delta=20)

    def test_members_only_on_another_node(self):
        hearing, speaking = self.nodes(2)
        member = Member(self, hearing, "m")
        for qos in (0, 1):
            member.got.clear()
            self.assertEqual(self.send(speaking, range(50), qos), [])
            self.expect_once([member], range(50))
            by_topic = collections.defaultdict(list)
            for number in map(int, member.got):
                by_topic[number % 7].append(number)
            self.assertTrue(all(each == sorted(each) for each in by_topic.values()))

    def test_a_subscriber_and_a_member_on_one_node_get_a_copy_each(self):
        hearing, speaking = self.nodes(2)
        member = Member(self, hearing, "m")
        other = Member(self, hearing, "other-group", "$share/others/job/+")
        plain = Member(self, hearing, "plain", "job/#")
        for node in (speaking, hearing):
            for each in (member, other, plain):
                each.got.clear()
            self.assertEqual(self.send(node, range(60)), [])
            for each in (member, other, plain):
                self.expect_once([each], range(60))

    def test_a_subscriber_after_a_member_is_heard_of(self):
        """The filter of a group is known to the node before; its subscriber is news for others."""
        hearing, speaking = self.nodes(2)
        member = Member(self, hearing, "m", "$share/g/job/+")
        plain = Member(self, hearing, "plain", "job/+")
        self.send(speaking, range(20))
        self.expect_once([plain], range(20))
        plain.leave()
        self.send(speaking, range(20, 40))
        self.expect_once([member], range(40))

    def test_who_leaves_gets_nothing_more_and_nothing_is_lost(self):
        nodes = self.nodes(3)
        members = [Member(self, node, f"m-{node.name}") for node in nodes]
        sent = [0] * 3
        stop = threading.Event()

        def keep_sending(at):
            with Wire(nodes[at].port).connect(f"mouth-{at}") as mouth:
                while not stop.is_set():
                    mouth.publish("job/x", b"%d-%d" % (at, sent[at]), qos=1)
                    self.assertEqual(mouth.receive()[0], PUBACK)
                    sent[at] += 1
        senders = [threading.Thread(target=keep_sending, args=(at,)) for at in range(3)]
        for each in senders:
            each.start()
        wait_for("some messages", lambda: min(sent) > 50)
        members[2].wire.send(packet(0xa2, b"\0\2" + len(GROUP).to_bytes(2, "big") + GROUP.encode()))
        at_leaving = list(sent)
        wait_for("more messages", lambda: min(a - b for a, b in zip(sent, at_leaving)) > 100)
        count = len(members[2].got)
        wait_for("still more", lambda: min(a - b for a, b in zip(sent, at_leaving)) > 200)
        self.assertEqual(len(members[2].got), count)
        stop.set()
        for each in senders:
            each.join()
        wanted = {b"%d-%d" % (at, number) for at in range(3) for number in range(sent[at])}
        wait_for("all", lambda: sum(len(each.got) for each in members) >= len(wanted))
        got = collections.Counter(sum((each.got for each in members), []))
        self.assertEqual(set(got), wanted)
        self.assertEqual(set(got.values()), {1})

    def test_what_a_dead_node_had_not_taken_goes_to_another(self):
        nodes = self.nodes(3)
        members = [Member(self, node, f"m-{node.name}") for node in nodes]
        sent = [0]
        stop = threading.Event()

        def keep_sending():
            with Wire(nodes[0].port).connect("mouth") as mouth:
                while not stop.is_set():
                    mouth.publish("job/x", b"%d" % sent[0], qos=1)
                    self.assertEqual(mouth.receive()[0], PUBACK)
                    sent[0] += 1
        sender = threading.Thread(target=keep_sending)
        sender.start()
        wait_for("some messages", lambda: sent[0] > 100)
        nodes[2].kill()
        nodes[0].wait_for_log_match("member_changed .*node=node3 became=died")
        after = sent[0]
        wait_for("more messages", lambda: sent[0] > after + 100)
        stop.set()
        sender.join()
        wanted = {b"%d" % number for number in range(sent[0])}
        wait_for("all", lambda: wanted <= set(sum((each.got for each in members), [])))
        got = collections.Counter(sum((each.got for each in members), []))
        self.assertEqual(set(got), wanted)
        twice = [each for each, count in got.items() if count > 1]
        self.assertLessEqual(len(twice), 1, "only what was under way may have come twice")

    def test_an_offline_member_is_passed_over_as_long_as_another_is_online(self):
        nodes = self.nodes(3)
        away = Member(self, nodes[1], "away", clean=False)
        here = Member(self, nodes[2], "here")
        away.leave()
        wait_for("the member to be known as offline",
                 lambda: self.all_to(here, nodes[0], 20))
        here.leave()
        wait_for("the end of the other", lambda: self.send(nodes[0], [9_000]) == [])
        self.send(nodes[0], range(10_000, 10_020))
        back = Wire(nodes[1].port).connect("away", clean=False)
        got = set()
        while len(got & set(range(10_000, 10_020))) < 20:
            kind, body = back.receive()
            if kind == PUBLISH:
                at = 2 + int.from_bytes(body[:2], "big")
                got.add(int(body[at + 2:]))
                back.send(packet(0x40, body[at:at + 2]))
        back.socket.close()

    def all_to(self, member, node, count):
        before = len(member.got)
        self.send(node, range(count))
        time.sleep(0.1)
        return len(member.got) - before == count

    def test_an_acknowledgement_tells_of_members_anywhere(self):
        hearing, speaking = self.nodes(2)
        self.assertEqual(self.send(speaking, [1]), [NO_MATCHING_SUBSCRIBERS])
        member = Member(self, hearing, "m")
        self.assertEqual(self.send(speaking, [2]), [])
        member.leave()
        wait_for("the end of interest",
                 lambda: self.send(speaking, [3]) == [NO_MATCHING_SUBSCRIBERS])

    def test_one_member_has_all_of_a_publisher_where_the_hash_says_so(self):
        nodes = self.nodes(3, "--mqtt.shared_strategy", "hash")
        members = [Member(self, node, f"m-{node.name}") for node in nodes]
        time.sleep(WEIGHTS_KNOWN_S)
        for at, node in enumerate(nodes):
            self.send(node, range(at * 70, at * 70 + 70))
        self.expect_once(members, range(210))
        for topic in range(7):
            takers = [member for member in members
                      if any(int(number) % 7 == topic for number in member.got)]
            self.assertEqual(len(takers), 1, f"job/{topic} has one member in the cluster")

    def test_what_waits_for_kept_members_goes_to_whoever_is_back_first(self):
        nodes = self.nodes(3)
        self.spread(nodes)
        names = [f"kept-{number}" for number in range(4)]
        for name, node in zip(names, nodes + nodes):
            with Wire(node.port).connect(name, clean=False) as wire:
                wire.subscribe(GROUP, 1)
        self.assertEqual(self.send(nodes[0], range(40)), [])
        for node in nodes:  # the queue of the group is on one of their disks
            node.kill()
        again = [self.node(each.name, before=each) for each in nodes]
        self.wait_until_joined(*again)
        self.assertEqual(self.send(again[1], range(40, 60)), [])
        first = Member(self, again[2], names[0], None, clean=False)
        self.expect_once([first], range(60))

    def test_what_comes_while_the_home_of_the_queue_is_down_waits_for_it(self):
        nodes = list(self.nodes(3))
        self.spread(nodes)
        with Wire(nodes[0].port).connect("kept", clean=False) as wire:
            wire.subscribe(GROUP, 1)
        for turn in range(3):  # one of them has it
            nodes[turn].kill()
            messages = range(turn * 20, turn * 20 + 20)
            self.assertEqual(self.send(nodes[(turn + 1) % 3], messages), [])
            nodes[turn] = self.node(nodes[turn].name, before=nodes[turn])
            self.wait_until_joined(*nodes)
        self.expect_once([Member(self, nodes[0], "kept", None, clean=False)], range(60))

    def test_a_kept_member_that_is_cut_off_holds_nothing_back(self):
        nodes = self.nodes(2)
        self.spread(nodes)
        lazy = Wire(nodes[0].port).connect("lazy", clean=False)
        lazy.subscribe(GROUP, 1)
        self.assertEqual(self.send(nodes[1], range(10)), [])
        for _ in range(10):
            self.assertEqual(lazy.receive()[0], PUBLISH)
        busy = Member(self, nodes[1], "busy", clean=False)
        lazy.socket.close()  # it has acknowledged none of them
        self.expect_once([busy], range(10))
