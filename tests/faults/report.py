# SPDX-License-Identifier: Apache-2.0
"""What an experiment shows: a line a criterion, with what was measured and what is allowed."""

import time


def text_of(value):
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else (
        f"{value:,}" if isinstance(value, int) else str(value))


class Report:
    def __init__(self, is_quick):
        self.is_quick = is_quick
        self.passed = self.failed = 0
        self.name = ""
        self.begun = time.monotonic()

    def begin(self, name, seed):
        self.name = name
        self.begun = time.monotonic()
        print(f"--- {name}, seed {seed}{', quick' if self.is_quick else ''}", flush=True)

    def event(self, text):
        """A line of the schedule, with the time since the experiment began."""
        print(f"{self.name} {time.monotonic() - self.begun:7.1f} s  {text}", flush=True)

    def note(self, text):
        print(f"{self.name} {text}", flush=True)

    def criterion(self, what, measured, limit, is_met):
        print(f"{self.name} {what} … {text_of(measured)} ({limit}) "
              f"{'met' if is_met else 'NOT MET'}", flush=True)
        if is_met:
            self.passed += 1
        else:
            self.failed += 1

    def at_most(self, what, measured, limit, unit=""):
        """None is what never happened."""
        self.criterion(what, self.with_unit(measured, unit), f"≤ {self.with_unit(limit, unit)}",
                       measured is not None and measured <= limit)

    def at_least(self, what, measured, limit, unit=""):
        self.criterion(what, self.with_unit(measured, unit), f"≥ {self.with_unit(limit, unit)}",
                       measured is not None and measured >= limit)

    def bit(self, what, measured):
        """Proof that the fault was there."""
        self.criterion(f"the fault bit: {what}", measured, "> 0", measured > 0)

    @staticmethod
    def with_unit(value, unit):
        return "never" if value is None else f"{text_of(value)}{' ' if unit else ''}{unit}"

    def end(self):
        """The exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 and self.passed > 0 else 1
