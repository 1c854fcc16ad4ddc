# SPDX-License-Identifier: Apache-2.0
"""Builds the image, brings three nodes and a Prometheus up, and shows what a cluster of containers
must do. It takes away what it made, but for what the builder keeps as its cache."""

import argparse
import os
import signal
import subprocess
import sys

from tests.compose import steps
from tests.compose.engine import ROOT, Engine, EngineError, why_impossible
from tests.compose.scene import NODES, Scene
from tests.faults.report import Report

PROMETHEUS = "grapevine-test-prometheus"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/compose/run", description=__doc__)
    parser.add_argument("--image", help="an image that is there, instead of building one")
    parser.add_argument("--jobs", default="", help="compilers at one time; default: one a core")
    parser.add_argument("--build-network", default="default", metavar="NETWORK",
                        help="network of the builds: host, where only the host reaches a mirror")
    parser.add_argument("--keep", action="store_true", help="leave containers, volumes and images")
    return parser.parse_args(arguments)


def revision():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True,
                          text=True, check=False)
    return done.stdout.strip() or "unknown"


def build(engine, options, image):
    network = ("--network", options.build_network)
    engine.build("tests/compose/prometheus", "tests/compose/prometheus/Dockerfile", PROMETHEUS,
                 *network)
    if not options.image:
        engine.build(".", "docker/Dockerfile", image, *network, "--build-arg",
                     f"JOBS={options.jobs}", "--build-arg", f"REVISION={revision()}")


def show_logs(engine):
    for each in NODES:
        print(f"--- last lines of {each}", flush=True)
        print(engine.run([*engine.compose_line, "logs", "--no-color", "--tail", "30", each]).stdout)


def clean_up(engine, options, image):
    engine.compose("down", "-v", "--remove-orphans")
    engine.docker("rmi", PROMETHEUS, *([] if options.image else [image]))


def main(arguments):
    options = parse(arguments)
    impossible = why_impossible()
    if impossible:
        print(impossible, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    project = f"grapevine-test-{os.getpid()}"
    image = options.image or project
    engine, report = Engine(project, image), Report(is_quick=False)
    report.name = "compose"
    try:
        build(engine, options, image)
        steps.perform(Scene(engine, report, image))
        if report.failed:
            show_logs(engine)
    except EngineError as error:
        report.criterion("was built", str(error), "no error", False)
    finally:
        if not options.keep:
            clean_up(engine, options, image)
    return report.end()
