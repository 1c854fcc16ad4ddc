# SPDX-License-Identifier: Apache-2.0
"""A broker on a store that is damaged: it listens, tells what it met, and has the rest."""

import subprocess
import urllib.request

from tests.integration.broker import PROGRAM, BrokerTest
from tests.integration.clients import Subscriber, publish, run_sub

NAMES = [f"sleeper {number}" for number in range(4)]


class Damage(BrokerTest):
    def sleepers(self, port):
        for name in NAMES:
            Subscriber(self, port, "-t", "kept/#", "-c", "-q", "1", "-i", name).stop()

    def fill(self, port, first, count):
        for number in range(first, first + count):
            publish(port, f"kept/{number}", f"message {number}", "-q", str(1 + number % 2))

    def expect_all(self, port, count):
        for name in NAMES:
            agent = Subscriber(self, port, "-t", "kept/#", "-c", "-q", "1", "-i", name)
            self.assertEqual(agent.take(count), [f"message {n}" for n in range(count)])
            agent.stop()

    def killed_store(self):
        """Twenty messages wait for each sleeper: half in tables, half in the log alone."""
        broker = self.broker()
        self.sleepers(broker.port)
        publish(broker.port, "old/news", "retained", "-r", "-q", "1")
        self.fill(broker.port, 0, 10)
        broker.stop()
        again = self.broker("--storage.folder", broker.folder / "store")
        self.fill(again.port, 10, 10)
        again.kill()
        return broker.folder / "store"

    def metrics(self, broker):
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.ports['admin']}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in lines if line.startswith("grapevine_store_"))}

    def table_of(self, store, content):
        """The file of the database in which something is kept."""
        return next(path for path in sorted((store / "db").glob("*.sst"))
                    if content in path.read_bytes())

    def quarantine(self, store):
        return next(store.glob("quarantine-*"))

    def test_a_lost_table_costs_what_was_in_it(self):
        store = self.killed_store()
        table = self.table_of(store, b"old/news")
        table.write_bytes(bytes(table.stat().st_size))
        broker = self.broker("--storage.folder", store)
        broker.wait_for_log("store_file_damaged")
        broker.wait_for_log(table.name)
        broker.wait_for_log("store_salvaged")
        kept = self.quarantine(store)
        broker.wait_for_log(str(kept))
        self.assertEqual((kept / table.name).read_bytes().strip(b"\0"), b"")
        found = self.metrics(broker)
        self.assertEqual(found["grapevine_store_damaged_files"], 1)
        self.assertGreaterEqual(found["grapevine_store_lost_rows"], 1)
        self.assertEqual(found["grapevine_store_lost_operations"], 0)
        self.assertEqual(run_sub(broker.port, "-t", "old/#", "-W", "1").stdout, "")
        self.expect_all(broker.port, 20)

    def test_without_current_nothing_is_missing(self):
        store = self.killed_store()
        (store / "db" / "CURRENT").unlink()
        broker = self.broker("--storage.folder", store)
        broker.wait_for_log("file=CURRENT")
        found = self.metrics(broker)
        self.assertEqual(found["grapevine_store_damaged_files"], 1)
        self.assertEqual(found["grapevine_store_lost_rows"], 0)
        self.assertEqual(found["grapevine_store_lost_operations"], 0)
        self.assertEqual(run_sub(broker.port, "-t", "old/#", "-C", "1").stdout, "retained\n")
        self.expect_all(broker.port, 20)
        broker.stop()
        again = self.broker("--storage.folder", store)
        self.assertEqual(self.metrics(again)["grapevine_store_damaged_files"], 0)
        self.assertNotIn("store_salvaged", again.log())

    def test_a_log_that_is_cut_short_is_counted(self):
        store = self.killed_store()
        log = max((store / "db").glob("*.log"), key=lambda path: path.stat().st_size)
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size // 2)
        broker = self.broker("--storage.folder", store)
        self.assertGreater(self.metrics(broker)["grapevine_store_lost_operations"], 0)
        for name in NAMES:
            agent = Subscriber(self, broker.port, "-t", "kept/#", "-c", "-q", "1", "-i", name)
            self.assertEqual(agent.take(10), [f"message {n}" for n in range(10)])
            agent.stop()

    def test_who_wants_to_decide_is_asked(self):
        store = self.killed_store()
        (store / "db" / "CURRENT").unlink()
        done = subprocess.run([PROGRAM, "-p", "0", "--admin.port", "0", "--storage.folder", store,
                               "--storage.salvage", "false"],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the store is damaged: CURRENT: is missing", done.stderr)
        self.assertIn("storage.salvage = true", done.stderr)
        self.assertEqual(list(store.glob("quarantine-*")), [])
