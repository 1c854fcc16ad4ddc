# SPDX-License-Identifier: Apache-2.0
"""What is shown, step by step; each goes on where the one before ended."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

from tests.compose import facts
from tests.compose.engine import ROOT, EngineError
from tests.compose.scene import NODES

USER = 1883
ADDED_MEGABYTES_MAX = 60
WHOLE_WITHIN_S = 30
HEALTHY_WITHIN_S = 30
# So many sessions have their homes on all nodes, but for one time in some hundred thousand.
AWAY = [f"away-{number}" for number in range(30)]


def the_image(scene):
    """What it is made of, and who it runs as."""
    engine, image = scene.engine, scene.image
    made = engine.inspect(image)
    base = engine.image_size("debian:bookworm-slim")
    scene.report.note(f"image {facts.megabytes(made['Size'])} MB, of which the base image "
                      f"{facts.megabytes(base)} MB")
    scene.report.at_most("what the image adds to its base",
                         facts.megabytes(made["Size"] - base), ADDED_MEGABYTES_MAX, "MB")
    config = made["Config"]
    scene.equal("user", config["User"], f"{USER}:{USER}")
    scene.equal("volumes", list(config["Volumes"]), ["/var/lib/grapevine"])
    scene.equal("signal to stop", config["StopSignal"], "SIGTERM")
    version = engine.docker("run", "--rm", image, "--version").split()[-1]
    scene.equal("version in its label", config["Labels"]["org.opencontainers.image.version"],
                version)


def the_configuration(scene):
    """It comes in nobody unasked; file and environment are read."""
    engine, image = scene.engine, scene.image
    refused = engine.run(["docker", "run", "--rm", image])
    scene.equal("exit code of a start that was not told who may come in", refused.returncode, 1)
    scene.report.note(refused.stderr.strip())
    with tempfile.TemporaryDirectory(prefix="grapevine-compose-") as folder:
        file = pathlib.Path(folder) / "grapevine.toml"
        file.write_text('[mqtt]\nqos_max = 1\nretain_available = false\n')
        os.chmod(folder, 0o755)
        printed = engine.docker(
            "run", "--rm", "-v", f"{file}:/etc/grapevine/grapevine.toml:ro",
            "-e", "GRAPEVINE_MQTT__QOS_MAX=2", image, "--print-config").splitlines()
    for wanted in ("qos_max = 2  # GRAPEVINE_MQTT__QOS_MAX",
                   "retain_available = false  # /etc/grapevine/grapevine.toml:3"):
        scene.equal("in effect", next((each for each in printed if each.startswith(
            wanted.split(" ")[0] + " ")), None), wanted)


def comes_back(scene, who):
    """The engine looks at the health every 10 s, and waits as long before the first time."""
    whole = scene.wait_for("a whole cluster", scene.is_whole)
    scene.within(f"{who} is there and the cluster whole after", whole, WHOLE_WITHIN_S)
    healthy = scene.wait_for("health", scene.all_are_healthy)
    scene.within("and by the next look all are healthy, after", healthy, HEALTHY_WITHIN_S)


def a_cluster_comes_up(scene):
    engine = scene.engine
    engine.compose("up", "-d", "--no-build")
    comes_back(scene, "every node")
    scene.report.note(engine.inside("n1", "grapevine", "cluster", "status").stdout.rstrip())
    process = engine.inside("n1", "cat", "/proc/1/status").stdout
    scene.equal("first process", facts.field_of(process, "Name"), "grapevine")
    scene.equal("its user", facts.user_of(process), USER)
    scene.equal("its capabilities", facts.capabilities_of(process), 0)


def messages_go_everywhere(scene):
    for source, target in (("n1", "n3"), ("n3", "n2"), ("n2", "n1")):
        ear = scene.listener(target, "hall/#")
        scene.publish(source, "hall/door", f"from-{source}")
        scene.equal(f"published on {source}, heard on {target}", scene.heard(ear),
                    [f"from-{source}"])


def a_session_goes_along(scene):
    """Made on one node, spoken to on another, heard on the third."""
    scene.keep("n1", "wanderer", "news")
    for text in ("1", "2", "3"):
        scene.publish("n2", "news", text)
    scene.equal("what waited for a session of n1, heard on n3", scene.resume("n3", "wanderer", 3),
                ["1", "2", "3"])


def a_node_is_killed(scene):
    """What was acknowledged before and while it was away is there, at once where another node is
    home of the session, else when it is back."""
    engine = scene.engine
    scene.publish("n3", "lamp/before", "on", "-r")
    for each in AWAY:
        scene.keep("n3", each, "post/#")
    scene.publish("n1", "post/1", "first")
    engine.docker("kill", "-s", "KILL", engine.container("n3"))
    scene.within("n1 knows that n3 is away after", scene.wait_for(
        "n1 to miss n3", lambda: scene.misses("n1", "n3")), 30)
    scene.publish("n1", "post/2", "second")
    scene.publish("n2", "lamp/meanwhile", "off", "-r")
    heard = {each: scene.resume("n2", each, 2) for each in AWAY}
    elsewhere = [each for each in AWAY if heard[each]]
    scene.report.criterion("sessions made on n3 and resumed on n2 while n3 is away",
                           f"{len(elsewhere)} of {len(AWAY)}", "some, and not all",
                           0 < len(elsewhere) < len(AWAY))
    engine.docker("start", engine.container("n3"))
    comes_back(scene, "n3")
    for each in set(AWAY) - set(elsewhere):
        heard[each] = scene.resume("n1", each, 2)
    scene.equal("what waited for them, there and then on n1",
                [heard[each] for each in AWAY if heard[each] != ["first", "second"]], [])
    scene.equal("retained messages on n3", sorted(scene.hear("n3", "lamp/+", 2, "-F", "%t=%p")),
                ["lamp/before=on", "lamp/meanwhile=off"])


def a_process_dies(scene):
    """The restart policy brings it back. `docker kill` would count as wanted."""
    engine = scene.engine
    container = engine.container("n2")
    process = engine.inspect(container)["State"]["Pid"]
    try:
        os.kill(process, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        scene.report.note("not shown: its processes are not ours to kill (another machine, or no root)")
        return
    scene.wait_for("a restart", lambda: engine.inspect(container)["RestartCount"] > 0)
    comes_back(scene, "n2")
    scene.equal("times that the engine started it again", engine.inspect(container)["RestartCount"],
                1)


def a_container_is_replaced(scene):
    """Another container, another address, the same volume."""
    engine = scene.engine
    before = engine.container("n1")
    scene.publish("n1", "lamp/replaced", "dim", "-r")
    engine.compose("up", "-d", "--no-build", "--no-deps", "--force-recreate", "n1")
    scene.equal("the container is another one", engine.container("n1") != before, True)
    comes_back(scene, "n1")
    scene.equal("retained messages on n1", sorted(scene.hear("n1", "lamp/+", 3, "-F", "%t")),
                ["lamp/before", "lamp/meanwhile", "lamp/replaced"])


def prometheus_sees_all(scene):
    wanted = [f"{each}:9883" for each in NODES]

    def all_are_up():
        answer = scene.ask_prometheus("/api/v1/targets?state=active")
        return answer is not None and facts.targets_up(answer) == wanted

    scene.within("Prometheus reaches all nodes after", scene.wait_for("targets", all_are_up), 60)
    rules = facts.rule_names(scene.ask_prometheus("/api/v1/rules"))
    text = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    scene.equal("rules that it has", len(rules), text.count("- alert: "))


def it_stops_in_order(scene):
    engine = scene.engine
    scene.publish("n2", "post/3", "third")
    begun = time.monotonic()
    engine.compose("stop")
    scene.within("all have stopped after", time.monotonic() - begun, 30)
    scene.equal("exit codes", [engine.inspect(engine.container(each))["State"]["ExitCode"]
                               for each in NODES], [0, 0, 0])


def all_of_it_is_on_the_volumes(scene):
    """Other containers, and none that could have told the others."""
    scene.engine.compose("down")
    scene.engine.compose("up", "-d", "--no-build")
    comes_back(scene, "every node")
    scene.equal("what waited for the kept sessions",
                [each for each in AWAY if scene.resume("n3", each, 1) != ["third"]], [])
    scene.equal("retained messages on n2", sorted(scene.hear("n2", "lamp/+", 3, "-F", "%t=%p")),
                ["lamp/before=on", "lamp/meanwhile=off", "lamp/replaced=dim"])


STEPS = (the_image, the_configuration, a_cluster_comes_up, messages_go_everywhere,
         a_session_goes_along, a_node_is_killed, a_process_dies, a_container_is_replaced, prometheus_sees_all,
         it_stops_in_order, all_of_it_is_on_the_volumes)


def perform(scene):
    """One step that cannot go on ends the run."""
    for step in STEPS:
        scene.report.event(step.__name__.replace("_", " "))
        try:
            step(scene)
        except (EngineError, subprocess.TimeoutExpired) as error:
            scene.report.criterion(f"{step.__name__} went to its end", str(error), "no error", False)
            return
