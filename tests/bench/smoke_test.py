# SPDX-License-Identifier: Apache-2.0
"""Runs every scenario of grapevine-load against Mosquitto for a moment: closed loops must lose
nothing. No assertion about time.

Usage: smoke_test.py <path of grapevine-load>
"""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from comparison import brokers  # noqa: E402  (path first)
from faulty_broker import FaultyBroker  # noqa: E402

LOAD = sys.argv.pop(1)


def load(port, *arguments):
    done = subprocess.run([LOAD, *arguments, "--port", str(port)], capture_output=True, text=True,
                          timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class EveryScenario(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cores = frozenset(os.sched_getaffinity(0))
        cls.broker = brokers.RunningBroker(brokers.mosquitto("mosquitto", cores, cores))
        cls.broker.__enter__()
        cls.addClassCleanup(cls.broker.__exit__)

    def run_once(self, *arguments):
        return load(self.broker.port, *arguments, "--broker-pid", str(self.broker.pid))

    def run_load(self, *arguments):
        """Measures longer if a busy machine has let nothing happen in the time asked for."""
        run = {}
        for seconds in ("0.2", "2", "20"):
            run = self.run_once(*arguments, "--warmup", "0.05", "--seconds", seconds)
            if run["messages"] > 0:
                break
        return run

    def expect_lossless(self, run, fan=1):
        for fault in ("lost", "duplicates", "out_of_order", "misrouted", "foreign", "ack_disorder"):
            self.assertEqual(run[fault], 0, fault)
        self.assertFalse(run["stalled"])
        self.assertGreater(run["messages"], 0)
        self.assertEqual(run["delivered"], run["sent"] * fan)
        self.assertGreater(run["cpu_us_per_message"], 0)
        self.assertGreater(run["resident_max"], 0)

    def test_pairs(self):
        for qos in "012":
            with self.subTest(qos=qos):
                self.expect_lossless(self.run_load("pairs", "--qos", qos))

    def test_large_payloads(self):
        for payload in ("20000", "65536", "1000000"):
            with self.subTest(payload=payload):
                self.expect_lossless(self.run_load("pairs", "--payload", payload,
                                                   "--publishers", "2", "--undelivered", "4"))

    def test_fanout(self):
        for qos in "012":
            with self.subTest(qos=qos):
                self.expect_lossless(self.run_load("fanout", "--qos", qos,
                                                   "--subscribers", "60"), fan=60)

    def test_fanin(self):
        for qos in "01":
            with self.subTest(qos=qos):
                self.expect_lossless(self.run_load("fanin", "--qos", qos,
                                                   "--publishers", "60"))

    def test_wildcards(self):
        for qos in "01":
            with self.subTest(qos=qos):
                self.expect_lossless(self.run_load("wildcards", "--qos", qos,
                                                   "--subscribers", "50", "--filters", "1000",
                                                   "--publishers", "5"), fan=10)

    def test_paced(self):
        run = self.run_load("paced", "--rate", "2000", "--publishers", "7")
        self.expect_lossless(run)
        self.assertGreater(run["latency_p50_us"], 0)
        self.assertLessEqual(run["latency_p50_us"], run["latency_p99_us"])
        self.assertLessEqual(run["latency_p99_us"], run["latency_max_us"])
        self.assertLessEqual(run["sent"], 2000 * (run["seconds"] + 0.05) * 2)

    def test_time_to_the_acknowledgement(self):
        for qos in "12":
            with self.subTest(qos=qos):
                run = self.run_load("paced", "--rate", "2000", "--publishers", "7", "--qos", qos)
                self.expect_lossless(run)
                self.assertGreater(run["ack_latency_p50_us"], 0)
                self.assertLess(run["ack_latency_max_us"], 60e6)

    def test_persistent_sessions(self):
        clients = ("--clients", "kept-a,kept-b")
        run = self.run_load("pairs", "--qos", "1", "--publishers", "2", *clients)
        self.expect_lossless(run)
        present = [self.run_once("connects", "--persistent", persistent, *clients)["sessions_present"]
                   for persistent in "1101"]
        self.assertEqual(present, [2, 2, 0, 0])

    def test_connects(self):
        run = self.run_once("connects", "--clients", ",".join(f"c{i}" for i in range(50)),
                            "--home-pid", str(self.broker.pid))
        self.assertEqual((run["messages"], run["sessions_present"]), (50, 0))
        self.assertGreater(run["latency_p50_us"], 0)
        self.assertGreater(run["home_cpu_us_per_message"], 0)

    def test_flood(self):
        run = self.run_once("flood", "--seconds", "0.2", "--publishers", "5")
        self.assertGreater(run["sent"], 0)
        self.assertEqual(run["delivered"] + run["lost"], run["sent"])

    def test_retained(self):
        for qos in "01":
            with self.subTest(qos=qos):
                run = self.run_once("retained", "--messages", "3000", "--qos", qos,
                                    "--replay-qos", qos)
                self.assertTrue(run["store_complete"])
                self.assertTrue(run["remove_complete"])
                self.assertEqual((run["lost"], run["duplicates"], run["foreign"]), (0, 0, 0))

    def test_idle(self):
        run = self.run_once("idle", "--connections", "300", "--burst", "50", "--hold", "0.05")
        self.assertEqual(run["connect_messages"], 300)
        self.assertEqual(run["burst"], 50)
        self.assertGreater(run["connect_cpu_us_per_message"], 0)


class Faults(unittest.TestCase):
    def test_losses_copies_and_disorder_are_counted(self):
        broker = FaultyBroker()
        self.addCleanup(broker.close)
        run = load(broker.port, "pairs", "--seconds", "0.2", "--warmup", "0.05", "--publishers", "1")
        self.assertGreater(broker.lost, 0)
        self.assertEqual(run["duplicates"], broker.duplicates)
        self.assertEqual(run["out_of_order"], broker.swapped)
        # One more if the run ends while a message is held back.
        self.assertIn(run["lost"] - broker.lost, (0, 1))

    def test_a_broker_that_is_not_there_is_an_error_that_says_so(self):
        done = subprocess.run([LOAD, "pairs", "--port", str(brokers.free_port())],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("connect to the broker", done.stderr)


if __name__ == "__main__":
    unittest.main()
