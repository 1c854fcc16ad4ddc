# SPDX-License-Identifier: Apache-2.0
"""Tests of what bench/compare makes of its runs."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from comparison import results, scenarios, session_tables  # noqa: E402  (path first)


def runs(*values, **more):
    return [{"cpu_us_per_message": value, "commit": "abc"} | more for value in values]


def row(ours, other):
    table = results.comparison_table({"pairs-q0": {"grapevine": ours, "mosquitto": other}})
    return [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]


class ComparisonTable(unittest.TestCase):
    def test_medians_spread_and_ratio(self):
        cells = row(runs(0.12, 0.1, 0.11), runs(6, 6.6, 7))
        self.assertEqual(cells[3:8], ["0.11 (0.1–0.12)", "6.6 (6–7)", "60", "50", "yes"])

    def test_a_figure_above_its_aim_is_not_met(self):
        self.assertEqual(row(runs(0.2), runs(6))[7], "no")
        self.assertEqual(row(runs(0.1), runs(4))[7], "in part")
        self.assertEqual(row([], runs(4))[7], "")

    def test_losses_are_shown(self):
        cells = row(runs(0.1, lost=3, duplicates=1), runs(6))
        self.assertIn("**lost 3, duplicates 1**", cells[3])
        self.assertEqual(cells[7], "no")
        self.assertIn("**stalled**", row(runs(0.1), runs(6, stalled=True))[4])

    def test_a_run_without_messages_has_no_figure(self):
        self.assertEqual(row(runs(None), runs(6))[3:8], ["–", "6", "–", "50", ""])

    def test_the_generators_own_cost_is_shown(self):
        self.assertEqual(row(runs(0.1, generator_us_per_message=0.03), runs(6))[8], "0.03")

    def test_every_figure_has_a_row(self):
        everything = {s.key: {"mosquitto": []} for s in scenarios.SCENARIOS}
        lines = results.comparison_table(everything).splitlines()
        self.assertEqual(len(lines) - 2, sum(len(s.figures) for s in scenarios.SCENARIOS))


class ShardsTable(unittest.TestCase):
    def test_several_shards_are_held_against_one(self):
        table = results.shards_table(
            {"pairs-q0": {"grapevine-1": runs(0.1), "grapevine-2": runs(0.14)},
             "paced-50k": {"grapevine-1": runs(8), "grapevine-2": runs(16)}}, 2)
        saturated, paced = [line.split("|") for line in table.splitlines()[2:]]
        self.assertEqual([cell.strip() for cell in saturated[4:7]], ["1.4", "1.3", "no"])
        self.assertEqual([cell.strip() for cell in paced[4:7]], ["2", "", ""])


class SessionTables(unittest.TestCase):
    @staticmethod
    def cells(table, row):
        return [cell.strip() for cell in table.replace("\\|", "").splitlines()[row].split("|")[1:-1]]

    def test_a_connect_is_held_against_one_node_and_against_its_home(self):
        def measured(time, **cpu):
            return [{"latency_p50_us": time, "latency_p99_us": time} | cpu]
        found = {kind.key: {"alone": measured(50, cpu_us_per_message=1),
                            "at-home": measured(100, cpu_us_per_message=2),
                            "elsewhere": measured(400, cpu_us_per_message=2,
                                                  home_cpu_us_per_message=3),
                            "mosquitto": measured(60, cpu_us_per_message=4)}
                 for kind in session_tables.CONNECT_KINDS}
        table = session_tables.connect_table(found)
        self.assertEqual(self.cells(table, 2)[1:], ["50", "100", "400", "8", "4", "60"])
        self.assertEqual(self.cells(table, 4)[1:], ["1", "2", "5", "5", "2.5", "4"])

    def test_the_cpu_of_each_node_is_shown_once_and_added_up(self):
        found = {place.key: runs(2) for place in session_tables.MESSAGES}
        found["three"] = runs(2, publish_cpu_us_per_message=1, home_cpu_us_per_message=5)
        found["session-apart"] = runs(3, publish_cpu_us_per_message=1, lost=7)
        found["home-apart"] = runs(4, home_cpu_us_per_message=2)
        rows = {cells[0]: cells[2:7] for cells in (
            self.cells(session_tables.message_table(session_tables.LOADS[2], found), row)
            for row in range(2, 2 + len(session_tables.MESSAGES)))}
        self.assertEqual(rows["one node alone"], ["2", "", "", "2", "1"])
        self.assertEqual(rows["publisher  front  home"], ["1", "2", "5", "8", "4"])
        self.assertEqual(rows["publisher  front and home **lost 7**"], ["1", "3", "", "4", "2"])
        self.assertEqual(rows["publisher and front  home"], ["4", "", "2", "6", "3"])


class Sections(unittest.TestCase):
    def test_text_around_a_section_stays(self):
        page = "# Results\n\n<!-- compare:table -->\nold\n<!-- /compare:table -->\n\nWhy so: …\n"
        self.assertEqual(results.replace_section(page, "table", "new \\1"),
                         page.replace("old", "new \\1"))

    def test_a_missing_section_is_appended(self):
        self.assertEqual(results.replace_section("# Results\n", "table", "new"),
                         "# Results\n\n<!-- compare:table -->\nnew\n<!-- /compare:table -->\n")


if __name__ == "__main__":
    unittest.main()
