# SPDX-License-Identifier: Apache-2.0
"""A client that knows several servers and keeps itself connected to one of them."""

import asyncio
import dataclasses
import time

from tests.faults.roamer import Roamer

ANSWER_WITHIN_S = 5  # for CONNACK; then it tries another one
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 1.0
SERVER_BUSY, USE_ANOTHER_SERVER, SERVER_MOVED = 0x89, 0x9C, 0x9D  # busy: the session moves, come again


def reason_text(reason):
    return "without a word" if reason is None else f"{reason:#x}"


@dataclasses.dataclass
class Loss:
    """Of a connection that the client did not end itself, until it had another one."""
    at: float
    node: object
    goodbye: int | None  # reason of the DISCONNECT that came before
    back: float | None = None
    refused: list = dataclasses.field(default_factory=list)  # what its tries ended with

    def waited(self, since=None):
        return self.back - (self.at if since is None else min(self.at, since))


class Regular(Roamer):
    """It prefers one of its servers, and goes there first whenever it has lost a connection, unless
    it was told to use another one."""

    def __init__(self, name, history, chance, version, servers, preferred):
        super().__init__(name, history, version)
        self.chance = chance
        self.servers, self.preferred = servers, preferred
        self.front = None
        self.home = None
        self.losses = []
        self.is_away = self.has_left = False

    async def live(self, stays_s=None, away_s=None):
        """Until it is cancelled. With bounds: now and then it is away by its own will."""
        while True:
            stay = self.chance.uniform(*stays_s) if stays_s else None
            await asyncio.wait([self.link.closed], timeout=stay)
            if self.link.transport.is_closing():
                await self.link.closed
            if self.is_connected():
                await self.be_away(self.chance.uniform(*away_s))
            elif self.has_left:
                await self.come(Loss(time.monotonic(), self.front, None))
            else:
                await self.come_back()

    async def be_away(self, seconds):
        self.is_away = True
        await self.link.disconnect()
        await asyncio.sleep(seconds)
        await self.come(Loss(time.monotonic(), self.front, None))
        self.is_away = False

    async def come_back(self):
        lost = Loss(self.link.lost_at, self.front, self.link.goodbye)
        self.losses.append(lost)
        await self.come(lost)

    async def come(self, lost):
        """Until a server lets it in."""
        first = self.servers.index(self.preferred)
        if lost.goodbye in (USE_ANOTHER_SERVER, SERVER_MOVED) and lost.node is self.preferred:
            first += 1
        self.has_left = False
        while True:
            tries = len(lost.refused)
            node = self.servers[(first + tries) % len(self.servers)]
            try:
                await asyncio.wait_for(self.connect(node.address), ANSWER_WITHIN_S)
            except (OSError, TimeoutError) as refused:
                lost.refused.append(f"{node.name}: {refused or 'no answer'}")
                await asyncio.sleep(self.chance.uniform(0.5, 1)
                                    * min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** tries))
            else:
                lost.back = time.monotonic()
                self.front = node
                return

    def is_in_place(self):
        return self.is_away or (self.is_connected() and self.front is self.preferred)

    def is_connected(self):
        return not self.link.transport.is_closing()

    def go_home(self):
        """To the server that it prefers, in good order."""
        if self.is_connected() and self.front is not self.preferred:
            self.has_left = True
            self.link.leave()
