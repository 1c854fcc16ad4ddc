# SPDX-License-Identifier: Apache-2.0
"""Mosquitto itself, with its persistence on: to move away from, or to bridge."""

import getpass
import pathlib
import shutil
import socket
import subprocess

from tests.integration.broker import wait_for
from tests.integration.patience import PATIENCE_S

PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """Cannot choose a port itself, so that of a socket just closed is taken."""

    def __init__(self, folder, further=""):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "mosquitto.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                          f"user {getpass.getuser()}\npersistence true\n"
                          f"persistence_location {self.folder}/\nautosave_interval 0\n"
                          "max_queued_messages 0\n" + further)
        with (self.folder / "mosquitto.log").open("w") as log:
            self.process = subprocess.Popen([PROGRAM, "-c", config], stdout=log, stderr=log)
        wait_for("mosquitto", lambda: accepts(self.port))

    def stop(self):
        """SIGTERM: it writes its file."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)
