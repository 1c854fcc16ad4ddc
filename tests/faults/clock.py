# SPDX-License-Identifier: Apache-2.0
"""The wall clock of a node, as false as wanted: false_clock.cpp, and the file that it reads."""

import mmap
import struct
import time


class Clock:
    """Nodes may share one."""

    def __init__(self, path, library):
        """Right, at first."""
        self.path, self.library = path, library
        path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            self.setting = mmap.mmap(file.fileno(), 24)

    def set(self, ahead_s=0.0, fast_ppm=0.0):
        """From now on: a jump to so many seconds ahead of the true time, and a drift from there."""
        struct.pack_into("d", self.setting, 8, 0.0)
        struct.pack_into("d", self.setting, 16, time.time())
        struct.pack_into("d", self.setting, 0, float(ahead_s))
        struct.pack_into("d", self.setting, 8, float(fast_ppm))

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "FALSE_CLOCK": str(self.path)}
