# SPDX-License-Identifier: Apache-2.0
"""A Docker engine and one Compose project on it, by their command lines."""

import json
import os
import pathlib
import shutil
import subprocess

from tests.compose import facts

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = ("deploy/compose/compose.yaml", "tests/compose/override.yaml")
PATIENCE_S = 120


class EngineError(Exception):
    """A command failed that must not."""


def compose_command():
    """The plugin, or the program that came before it."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def why_impossible():
    """None where there is all that is needed."""
    for program, package in (("docker", "docker.io"), ("mosquitto_pub", "mosquitto-clients")):
        if not shutil.which(program):
            return f"there is no {program}: install {package}"
    if compose_command() is None:
        return "there is neither docker compose nor docker-compose"
    probe = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return None if probe.returncode == 0 else f"no Docker engine answers: {probe.stderr.strip()}"


class Engine:
    def __init__(self, project, image):
        # Any free ports, so that it disturbs no broker of this machine.
        self.environment = {**os.environ, "GRAPEVINE_IMAGE": image, "N1_PORT": "0", "N2_PORT": "0",
                            "N3_PORT": "0", "PROMETHEUS_PORT": "0"}
        self.project = project
        self.compose_line = [*compose_command(), "-p", project]
        for file in FILES:
            self.compose_line += ["-f", str(ROOT / file)]

    def run(self, command, **options):
        """What subprocess.run() gives, whatever the exit code."""
        return subprocess.run([str(each) for each in command], env=self.environment, check=False,
                              text=True, capture_output=True, **{"timeout": PATIENCE_S, **options})

    def must(self, command, **options):
        done = self.run(command, **options)
        if done.returncode != 0:
            raise EngineError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done.stdout

    def docker(self, *arguments, **options):
        return self.must(["docker", *arguments], **options)

    def compose(self, *arguments, **options):
        return self.must([*self.compose_line, *arguments], **options)

    def build(self, folder, dockerfile, tag, *arguments):
        """Shows what it does: it may take long."""
        command = ["docker", "build", "-f", str(ROOT / dockerfile), "-t", tag, *arguments,
                   str(ROOT / folder)]
        if subprocess.run(command, env=self.environment, check=False).returncode != 0:
            raise EngineError(f"{' '.join(command)} failed")

    def container(self, service):
        """Its id, whether it runs or not."""
        found = self.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
                            "--filter", f"label=com.docker.compose.service={service}").split()
        if len(found) != 1:
            raise EngineError(f"{len(found)} containers of {service}, not one")
        return found[0]

    def inspect(self, thing):
        return json.loads(self.docker("inspect", thing))[0]

    def image_size(self, image):
        return self.inspect(image)["Size"]

    def port(self, service, inside):
        """Where it is published on this machine."""
        return facts.port_of(self.docker("port", self.container(service), inside).splitlines()[0])

    def inside(self, service, *command):
        """A command in the container of the service; what subprocess.run() gives."""
        return self.run(["docker", "exec", self.container(service), *command])
