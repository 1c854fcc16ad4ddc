# SPDX-License-Identifier: Apache-2.0
"""Many clients, and those who misbehave among them."""

import select
import threading
import time

from tests.integration.broker import BrokerTest
from tests.integration.wire import PUBLISH, Wire, packet


class Crowd(BrokerTest):
    def test_a_reader_that_stops_does_not_slow_the_others(self):
        """Twenty read, one does not; 200 MB later the twenty have all, in order."""
        broker = self.broker()
        payload = bytes(10_000)
        count = 1000
        readers = [Wire(broker.port).connect().subscribe("t") for _ in range(20)]
        stuck = Wire(broker.port, receive_bytes=4096).connect("stuck").subscribe("t")
        received = [0] * len(readers)

        def read(index):
            while received[index] < count:
                kind, body = readers[index].receive()
                if kind != PUBLISH or int(body[3:11]) != received[index]:
                    return
                received[index] += 1

        threads = [threading.Thread(target=read, args=(each,)) for each in range(len(readers))]
        for each in threads:
            each.start()
        began = time.monotonic()
        with Wire(broker.port).connect("writer") as writer:
            for number in range(count):
                writer.publish_and_wait("t", b"%08d" % number + payload)
        for each in threads:
            each.join(60)
        self.assertEqual(received, [count] * len(readers))
        self.assertLess(time.monotonic() - began, 60)
        broker.wait_for_log("slow_reader")
        for each in (*readers, stuck):
            each.socket.close()

    def test_a_publisher_is_held_while_its_readers_are_full_and_nothing_is_lost(self):
        """A reader slower than its writer, but reading: each message comes, in order."""
        port = self.broker().port
        count = 3000
        with Wire(port, receive_bytes=65536).connect().subscribe("t") as reader, \
                Wire(port).connect() as writer:
            def write():
                for number in range(count):
                    writer.publish("t", b"%08d" % number + bytes(5000))
            thread = threading.Thread(target=write)
            thread.start()
            for number in range(count):
                if number % 100 == 0:
                    time.sleep(0.01)
                kind, body = reader.receive()
                self.assertEqual((kind, int(body[3:11])), (PUBLISH, number))
            thread.join()

    def test_garbage_disturbs_nobody(self):
        broker = self.broker()
        with Wire(broker.port).connect("good").subscribe("t") as good:
            for start in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", b"\0" * 100,
                          b"\x16\x03\x01\x02\x00", packet(0x30, b"\0\1t"),
                          packet(0x10, b"\0\4MQTT\x09\x02\0\0\0\0")):
                with Wire(broker.port) as bad:
                    bad.send(start)
                    # Some are answered with a CONNACK before the end.
                    while bad.receive()[0] is not None:
                        pass
            good.publish("t", b"x")
            self.assertEqual(good.receive(), (PUBLISH, b"\0\1tx"))

    def test_strangers_are_told_apart_in_the_log(self):
        broker = self.broker()
        for start, word in ((b"GET / HTTP/1.1\r\n\r\n", "this looks like HTTP"),
                            (b"\x16\x03\x01\x02\x00", "TLS came to a listener without"),
                            (packet(0x30, b"\0\1t"), "the first packet is not CONNECT")):
            with Wire(broker.port) as stranger:
                stranger.send(start)
                self.assertEqual(stranger.receive(), (None, b""))
            broker.wait_for_log(word)

    def test_little_is_read_of_a_client_that_is_not_known(self):
        """By length alone: the packets are announced, and never come whole."""
        broker = self.broker()
        for start in (b"\x10\x80\x80\x40", b"\x30\x80\x80\x40"):
            with Wire(broker.port) as stranger:
                stranger.send(start)
                self.assertEqual(stranger.receive(), (None, b""))
        broker.wait_for_log("mqtt.connect_size_max")

    def test_connections_never_take_what_the_store_needs(self):
        """All descriptors that connections may have are taken, and files are opened meanwhile."""
        limit = 300
        broker = self.broker("--storage.write_buffer", "1MiB", "--storage.log_max", "1MiB",
                             descriptors=limit)
        with Wire(broker.port).connect("sleeper", clean=False) as sleeper:
            sleeper.subscribe("t", qos=1)
        with Wire(broker.port).connect("writer") as writer:
            flood = [Wire(broker.port) for _ in range(limit)]
            broker.wait_for_log("connection_refused")
            for number in range(3000):
                writer.publish_and_wait("t", bytes(5000))
                if number % 100 == 0:
                    flood.append(Wire(broker.port))
            for each in flood:
                each.socket.close()
        self.assertNotIn("store_lost", broker.log())
        self.assertNotIn("store_frozen", broker.log())

    def test_five_hundred_come_at_once(self):
        port = self.broker().port
        crowd = [Wire(port) for _ in range(500)]
        for number, each in enumerate(crowd):
            each.connect(f"client {number}").subscribe(f"to/{number % 7}")
        with Wire(port).connect() as writer:
            writer.publish_and_wait("to/3", b"hello")
        takers = [each for number, each in enumerate(crowd) if number % 7 == 3]
        for each in takers:
            self.assertEqual(each.receive(), (PUBLISH, b"\0\4to/3hello"))
        others = [each.socket for number, each in enumerate(crowd) if number % 7 != 3]
        self.assertEqual(select_readable(others), [])
        for each in crowd:
            each.socket.close()


def select_readable(sockets):
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return poll.poll(100)
