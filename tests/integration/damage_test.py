# SPDX-License-Identifier: Apache-2.0
"""A broker on a store that is damaged: it listens, tells what it met, and has the rest."""

import json
import shutil
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

    def check(self, store, code):
        """What `store check` finds, by type, without the broker."""
        done = subprocess.run([PROGRAM, "store", "check", "--json", "--folder", str(store)],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["type"] for line in lines].count("check"), 1)
        self.assertEqual(lines[-1]["sound"], code == 0)
        return lines

    def of_type(self, lines, kind):
        return [line for line in lines if line["type"] == kind]

    def test_check_sees_damage_of_every_kind_and_changes_nothing(self):
        whole = self.killed_store()
        end = self.check(whole, 0)[-1]
        self.assertEqual((end["mark"], end["damaged_files"], end["lost_operations"]),
                         ("present", 0, 0))
        self.assertGreater(end["log_operations"], 0)

        def zero(path):
            path.write_bytes(bytes(path.stat().st_size))

        def cut(path):
            path.write_bytes(path.read_bytes()[:-20])

        def flip(path):
            data = bytearray(path.read_bytes())
            data[10] ^= 0x40
            path.write_bytes(data)

        cases = [("CURRENT", "current", lambda path: path.unlink()), ("MANIFEST-*", "manifest", cut),
                 ("MANIFEST-*", "manifest", zero), ("*.log", "log", zero), ("*.sst", "table", zero),
                 ("*.sst", "table", flip), ("*.sst", "table", lambda path: path.unlink()),
                 ("wal.mark", None, zero)]
        for number, (pattern, kind, damage) in enumerate(cases):
            with self.subTest(pattern, number=number):
                store = self.folder / f"copy-{number}"
                shutil.copytree(whole, store)
                damage(max((store / "db").glob(pattern), key=lambda path: path.stat().st_size))
                before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
                lines = self.check(store, 1)
                self.assertEqual([line["kind"] for line in self.of_type(lines, "damaged_file")],
                                 [kind] if kind else [])
                if kind is None:
                    self.assertEqual(lines[-1]["mark"], "missing")
                if kind == "log":
                    self.assertGreater(lines[-1]["lost_operations"], 0)
                for path, content in before.items():
                    self.assertEqual(path.read_bytes(), content, path)

    def test_check_lists_what_is_kept(self):
        store = self.killed_store()
        (store / "db/CURRENT").unlink()
        self.broker("--storage.folder", store).stop()
        lines = self.check(store, 0)
        kept = self.of_type(lines, "quarantine")
        self.assertEqual([line["name"] for line in kept], [self.quarantine(store).name])
        self.assertRegex(kept[0]["when"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(kept[0]["bytes"], sum(path.stat().st_size for path
                                               in self.quarantine(store).rglob("*")
                                               if path.is_file()))
        text = subprocess.run([PROGRAM, "store", "check", "--folder", str(store)],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn(f"kept: {kept[0]['name']}, damaged, set aside {kept[0]['when']}", text)
        self.assertIn("mark: synced up to operation", text)

    def test_check_beside_a_broker_says_what_it_did_not_look_at(self):
        broker = self.broker()
        self.sleepers(broker.port)
        end = self.check(broker.folder / "store", 0)[-1]
        self.assertEqual((end["in_use"], end["files_inspected"]), (True, False))
