# SPDX-License-Identifier: Apache-2.0
"""A machine of its own for a run: process ids, mounts and networks that nobody else sees, and that
the kernel removes when the run ends, however it ends. Several runs do not see each other."""

import os
import pathlib
import shutil
import subprocess
import sys

TOOLS = {"unshare": "util-linux", "ip": "iproute2", "tc": "iproute2", "nft": "nftables"}
MARK = "GRAPEVINE_FAULTS_INSIDE"


def enter(arguments, seed):
    """Returns inside; where the process is not there yet, it begins again in there."""
    if os.environ.get(MARK) == str(os.getpid()):
        prepare()
        return
    missing = {f"{tool} (package {package})" for tool, package in TOOLS.items()
               if not shutil.which(tool)}
    if missing:
        sys.exit(f"missing: {', '.join(sorted(missing))}; tools/install_packages test")
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.environ[MARK] = "1"  # the first process in there has this id
    program = str(pathlib.Path(sys.argv[0]).resolve())
    os.execvp("unshare", ["unshare", *as_root, "--net", "--mount", "--pid", "--fork",
                          "--kill-child", "--mount-proc", sys.executable, "-B", program,
                          *arguments, "--seed", str(seed)])


def prepare():
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    command("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    command("ip", "link", "set", "lo", "up")


def command(*arguments, given=None, namespace=None):
    """What it printed. Errors: RuntimeError with what it complained of."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run([*inside, *arguments], input=given, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
