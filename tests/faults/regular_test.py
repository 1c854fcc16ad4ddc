# SPDX-License-Identifier: Apache-2.0
"""The client that keeps itself connected, with servers that are names."""

import random
import unittest

from tests.faults.history import History
from tests.faults.regular import Loss, Regular, SERVER_BUSY, USE_ANOTHER_SERVER


class Server:
    def __init__(self, name):
        self.name = self.address = name


class Scripted(Regular):
    """`refusals`: of the next tries."""

    def __init__(self, servers, refusals=0):
        super().__init__("c", History(), random.Random(1), 5, servers, servers[0])
        self.refusals = refusals
        self.tried = []

    async def connect(self, address):
        self.tried.append(address)
        if len(self.tried) <= self.refusals:
            raise ConnectionError("refused")


class RegularTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.servers = [Server(name) for name in "abc"]

    async def lose(self, goodbye, refusals=0):
        client = Scripted(self.servers, refusals)
        lost = Loss(1.0, self.servers[0], goodbye)
        await client.come(lost)
        return client, lost

    async def test_comes_back_to_the_server_that_it_prefers(self):
        for goodbye in (None, SERVER_BUSY):
            client, lost = await self.lose(goodbye)
            self.assertEqual(client.tried, ["a"])
            self.assertIs(client.front, self.servers[0])
            self.assertGreater(lost.back, 1.0)

    async def test_tries_one_after_the_other(self):
        client, lost = await self.lose(None, refusals=3)
        self.assertEqual(client.tried, ["a", "b", "c", "a"])
        self.assertEqual(lost.refused, ["a: refused", "b: refused", "c: refused"])

    async def test_goes_elsewhere_first_if_it_is_told_to(self):
        client, _ = await self.lose(USE_ANOTHER_SERVER, refusals=1)
        self.assertEqual(client.tried, ["b", "c"])

    def test_a_wait_counts_from_the_end_of_the_home_if_that_was_before(self):
        lost = Loss(5.0, self.servers[0], None, back=8.0)
        self.assertEqual(lost.waited(), 3.0)
        self.assertEqual(lost.waited(4.0), 4.0)
        self.assertEqual(lost.waited(6.0), 3.0)


if __name__ == "__main__":
    unittest.main()
