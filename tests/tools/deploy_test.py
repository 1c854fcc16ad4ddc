# SPDX-License-Identifier: Apache-2.0
"""The files of deploy/ name only metrics and label values that exist, and are well formed."""

import json
import pathlib
import re
import shutil
import subprocess
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
METRICS = "".join((REPOSITORY / part).read_text() for part in (
    "broker/server/metrics.hpp", "broker/server/cluster_metrics.hpp",
    "cluster/membership_metrics.hpp"))
PROMETHEUS = REPOSITORY / "deploy/prometheus"
DASHBOARD = REPOSITORY / "deploy/grafana/grapevine.json"
COMPOSE = REPOSITORY / "deploy/compose"
NAME = r"(?:grapevine|process)(?:_[a-z0-9]+)+"


def declared():
    """Each name that /metrics serves."""
    names = set(re.findall(r'<\s*(?:\w+, )?"(' + NAME + r')"', METRICS))
    histograms = re.findall(r'histogram<\w+, "(' + NAME + r')"', METRICS)
    return names | {name + suffix for name in histograms for suffix in ("_bucket", "_sum", "_count")}


def used(path):
    """Names in the expressions of a file, without its comments."""
    text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE)
    return set(re.findall(r"\b" + NAME + r"\b", text)) - {"grapevine"}


def variables():
    """Of the environment, one for each option that is in no list."""
    page = (REPOSITORY / "docs/configuration.md").read_text()
    found, section = set(), ""
    for line in page.splitlines():
        if line.startswith("## `["):
            section = line.strip("#` []")
        elif line.startswith("**`"):
            found.add(f"GRAPEVINE_{section}__{line.split('`')[1]}".upper())
    return found


class Deploy(unittest.TestCase):
    def test_every_metric_exists(self):
        self.assertGreater(len(declared()), 50)
        for path in (PROMETHEUS / "alerts.yml", PROMETHEUS / "prometheus.yml", DASHBOARD):
            self.assertLessEqual(used(path), declared(), path)

    def test_the_check_sees_metrics(self):
        self.assertIn("grapevine_held_seconds_total", used(PROMETHEUS / "alerts.yml"))
        self.assertIn("grapevine_connect_seconds_bucket", used(DASHBOARD))

    def test_every_label_value_exists(self):
        known = set(re.findall(r'"([a-z0-9_]+)"', METRICS))
        text = (PROMETHEUS / "alerts.yml").read_text()
        values = re.findall(r'(?:reason|outcome|action)=~?"([^"]+)"', text)
        self.assertTrue(values)
        for value in "|".join(values).split("|"):
            self.assertIn(value, known)

    def test_every_alert_is_explained(self):
        page = (REPOSITORY / "docs/operations.md").read_text()
        alerts = re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text())
        self.assertTrue(alerts)
        for alert in alerts:
            self.assertIn(f"`{alert}`", page)

    def test_the_dashboard_is_well_formed(self):
        dashboard = json.loads(DASHBOARD.read_text())
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            self.assertTrue(panel["targets"], panel["title"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])

    def test_every_option_of_the_compose_project_exists(self):
        given = re.findall(r"\b(GRAPEVINE_\w+__\w+):", (COMPOSE / "compose.yaml").read_text())
        self.assertGreater(len(given), 4)
        self.assertLessEqual(set(given), variables())

    def test_the_prometheus_of_the_compose_project_scrapes_its_nodes(self):
        project = (COMPOSE / "compose.yaml").read_text()
        nodes = re.findall(r"^    hostname: (\w+)$", project, flags=re.MULTILINE)
        seeds = re.search(r"GRAPEVINE_CLUSTER__SEEDS: (\S+)", project)[1]
        self.assertEqual(seeds.split(","), [f"{each}:7883" for each in nodes])
        config = (COMPOSE / "prometheus.yml").read_text()
        targets = json.loads(re.search(r"targets: (\[.*\])", config)[1])
        self.assertEqual(targets, [f"{each}:9883" for each in nodes])
        self.assertIn("job_name: grapevine\n", config, "the alerts ask for it by that name")

    def test_the_image_has_the_version_of_the_project(self):
        project = (REPOSITORY / "CMakeLists.txt").read_text()
        version = re.search(r"project\(grapevine VERSION (\S+)", project)[1]
        self.assertIn(f"\nARG VERSION={version}\n", (REPOSITORY / "docker/Dockerfile").read_text())

    def test_the_image_is_built_from_every_folder_that_is_needed(self):
        project = (REPOSITORY / "CMakeLists.txt").read_text().split("if(GRAPEVINE_TESTS)")[0]
        needed = set(re.findall(r"^add_subdirectory\((\w+)\)$", project, flags=re.MULTILINE))
        self.assertGreater(len(needed), 4)
        copied = re.findall(r"^COPY (\w+) \1$", (REPOSITORY / "docker/Dockerfile").read_text(),
                            flags=re.MULTILINE)
        self.assertEqual(set(copied), needed | {"cmake"})

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_agrees(self):
        for kind, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
            subprocess.run(["promtool", "check", kind, PROMETHEUS / file], check=True)
