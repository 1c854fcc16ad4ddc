# SPDX-License-Identifier: Apache-2.0
"""What a folder's disk takes for a sync, so that what a broker takes can be held against it."""

import os
import pathlib
import time


def sync_times(folder, count):
    """Seconds of each write of 4 KiB with fdatasync behind it."""
    times = []
    with open(pathlib.Path(folder) / "sync", "wb", buffering=0) as file:
        for _ in range(count):
            file.write(os.urandom(4096))
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return times


def file_system(folder):
    """Its type, as ext4 or tmpfs."""
    device = os.stat(folder).st_dev
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == f"{os.major(device)}:{os.minor(device)}":
                return fields[fields.index("-") + 1]
    return "unknown"
