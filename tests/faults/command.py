# SPDX-License-Identifier: Apache-2.0
"""The command line of the fault experiments."""

import argparse
import asyncio
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import traceback

from tests.faults import (clocks, flapping, groups, links, machine, restarts, retained, routes,
                          slow_link, takeovers, wills)
from tests.faults.report import Report
from tests.faults.scene import Scene

EXPERIMENTS = {"F5": links.run, "F6": flapping.run, "F8": takeovers.run, "F11": retained.run, "F12": routes.run,
               "F13": slow_link.run, "F16": clocks.run, "F17": restarts.run, "F18": wills.run, "F19": groups.run}
ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/faults/run", description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT",
                        help=f"of {', '.join(EXPERIMENTS)}; none: all")
    parser.add_argument("--broker", default=str(ROOT / "build/release/broker/grapevine"))
    parser.add_argument("--clock", default=str(ROOT / "build/release/tests/faults/libfalse_clock.so"),
                        help="the false clock, where it is not in build/release")
    parser.add_argument("--future", default=str(ROOT / "build/release/tests/future/grapevine_future"),
                        help="the broker of a later release, where it is neither in build/release nor "
                             "beside the broker")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--quick", action="store_true", help="shorter, and fewer rounds")
    parser.add_argument("--keep", action="store_true", help="keep folders with logs and stores")
    options = parser.parse_args(arguments)
    unknown = set(options.experiments) - EXPERIMENTS.keys()
    if unknown:
        parser.error(f"no experiment {', '.join(sorted(unknown))}: there are "
                     + ", ".join(EXPERIMENTS))
    if not pathlib.Path(options.broker).exists():
        parser.error(f"no broker at {options.broker}: build it, or name another with --broker")
    options.broker = str(pathlib.Path(options.broker).resolve())
    options.experiments = options.experiments or list(EXPERIMENTS)
    return options


async def perform(name, options, folder, report):
    """One experiment; what goes wrong in it is a criterion that was not met."""
    report.begin(name, options.seed)
    scene = Scene(options, folder, report, random.Random(f"{options.seed} {name}"))
    try:
        await EXPERIMENTS[name](scene)
    except Exception as error:  # the others still run
        traceback.print_exc(file=sys.stdout)
        report.criterion("went to its end", repr(error), "no error", False)
    finally:
        await scene.close()


async def perform_all(options, report):
    for name in options.experiments:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"grapevine-{name}-"))
        try:
            await perform(name, options, folder, report)
        finally:
            if options.keep:
                report.note(f"kept: {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)


def main(arguments):
    options = parse(arguments)
    machine.enter(arguments, options.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report(options.quick)
    try:
        asyncio.run(perform_all(options, report))
    except KeyboardInterrupt:
        report.note("interrupted")
        report.criterion("was not interrupted", 1, 0, False)
    return report.end()
