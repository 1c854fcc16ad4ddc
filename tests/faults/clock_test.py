# SPDX-License-Identifier: Apache-2.0
"""Whoever runs with the false clock sees another time, and its timers are as before."""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from tests.faults.clock import Clock

LIBRARY = os.environ["FALSE_CLOCK_LIBRARY"]


class ClockTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.clock = Clock(pathlib.Path(holder.name) / "clock", LIBRARY)

    def see(self, expression="time.time()"):
        told = subprocess.run(["/usr/bin/python3", "-c", f"import time; print({expression})"],
                              env=dict(os.environ) | self.clock.environment(), check=True,
                              capture_output=True, text=True)
        return float(told.stdout)

    def test_right_at_first(self):
        self.assertAlmostEqual(self.see(), time.time(), delta=2)

    def test_ahead_and_behind(self):
        for offset in (600, -600.5, 8 * 86400):
            self.clock.set(ahead_s=offset)
            self.assertAlmostEqual(self.see() - time.time(), offset, delta=2)

    def test_drift_begins_when_it_is_set(self):
        self.clock.set(fast_ppm=1e6)  # twice as fast
        time.sleep(0.5)
        self.assertGreater(self.see() - time.time(), 0.4)
        self.assertLess(self.see() - time.time(), 5)

    def test_the_monotonic_clock_is_right(self):
        self.clock.set(ahead_s=600)
        self.assertAlmostEqual(self.see("time.monotonic()"), time.monotonic(), delta=2)
