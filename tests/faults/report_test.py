# SPDX-License-Identifier: Apache-2.0
"""What was not met is counted, and what never happened meets nothing."""

import contextlib
import io
import unittest

from tests.faults.report import Report


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.out = io.StringIO()
        self.report = Report(is_quick=True)

    def say(self, what, *arguments):
        with contextlib.redirect_stdout(self.out):
            return getattr(self.report, what)(*arguments)

    def test_limits(self):
        self.say("at_most", "lost", 0, 0)
        self.say("at_most", "took", 7.25, 7, "s")
        self.say("at_most", "resumed", None, 7, "s")
        self.say("at_least", "came", 5, 5)
        self.say("at_least", "came", 4, 5)
        self.say("bit", "packets", 0)
        self.assertEqual((self.report.passed, self.report.failed), (2, 4))
        self.assertIn("lost … 0 (≤ 0) met\n", self.out.getvalue())
        self.assertIn("took … 7.25 s (≤ 7 s) NOT MET\n", self.out.getvalue())
        self.assertIn("resumed … never (≤ 7 s) NOT MET\n", self.out.getvalue())

    def test_the_end(self):
        self.assertEqual(self.say("end"), 1, "nothing was shown")
        self.say("at_most", "lost", 0, 0)
        self.assertEqual(self.say("end"), 0)
        self.say("at_most", "lost", 1, 0)
        self.assertEqual(self.say("end"), 1)
        self.assertTrue(self.out.getvalue().endswith("1 passed, 1 failed\n"))
