# SPDX-License-Identifier: Apache-2.0
"""Where publisher, front and home of a session are, what is measured there, and the tables of it."""

from dataclasses import dataclass

from .results import number, ratio_of, spread, table


@dataclass(frozen=True)
class Place:
    """`publisher`, `front` and `home` are nodes of the cluster, as indexes; None: there is none."""

    key: str
    title: str
    publisher: int | None = None
    front: int | None = None
    home: int | None = None


ALONE = Place("alone", "one node alone")
MOSQUITTO = Place("mosquitto", "Mosquitto alone")

CONNECTS = (
    ALONE,
    Place("at-home", "front is home", None, 1, 1),
    Place("elsewhere", "front is not home", None, 0, 1),
    MOSQUITTO,
)

MESSAGES = (
    ALONE,
    Place("together", "publisher, front and home on one node", 0, 0, 0),
    Place("session-apart", "publisher \\| front and home", 0, 1, 1),
    Place("home-apart", "publisher and front \\| home", 0, 0, 1),
    Place("front-apart", "publisher and home \\| front", 0, 1, 0),
    Place("three", "publisher \\| front \\| home", 0, 1, 2),
    MOSQUITTO,
)


@dataclass(frozen=True)
class Connect:
    """A way to connect, one after the other for the same client identifiers: each leaves the
    session that the next one needs."""

    key: str
    title: str
    persistent: int
    finds_session: bool = False


CONNECT_KINDS = (
    Connect("volatile", "volatile", 0),
    Connect("new", "persistent, new session", 1),
    Connect("resumed", "persistent, session resumed", 1, True),
    Connect("ended", "volatile, ends a persistent session", 0),
)


@dataclass(frozen=True)
class Load:
    key: str
    title: str
    arguments: tuple[str, ...]
    is_timed: bool


PAIRS = 10
LOADS = tuple(
    Load(f"{kind}-q{qos}", f"QoS {qos}, {title}",
         (scenario, "--qos", str(qos), "--publishers", str(PAIRS), *more), scenario == "paced")
    for kind, scenario, title, more in (
        ("paced", "paced", "250 messages/s", ("--rate", "250")),
        ("full", "pairs", "window 100", ("--window", "100")))
    for qos in (1, 2))

COUNTERS = {  # of Grapevine, for each message that was sent
    "frames": "grapevine_cluster_frames_sent_total",
    "rows": "grapevine_store_operations_total",
}
FAULTS = ("lost", "duplicates", "out_of_order", "misrouted", "ack_disorder")
NODES = ("publish_", "", "home_")  # as grapevine-load names them; the front is the one it connects to


def values(runs, name):
    return [run[name] for run in runs if run.get(name) is not None]


def cpu_sum(run):
    return sum(run.get(node + "cpu_us_per_message") or 0 for node in NODES)


def cpu_sums(runs):
    return [cpu_sum(run) for run in runs]


def ratio(runs, others):
    found = ratio_of(runs, others)
    return "–" if found is None else number(found)


def connect_table(found):
    """`found`: key of a kind → key of a place → runs."""
    head = ["CONNECT to CONNACK"] + [place.title for place in CONNECTS[:3]] \
        + ["÷ alone", "÷ home", CONNECTS[3].title]
    figures = (("p50, µs", lambda runs: values(runs, "latency_p50_us")),
               ("p99, µs", lambda runs: values(runs, "latency_p99_us")),
               ("CPU of all brokers, µs", cpu_sums))
    rows = []
    for kind in CONNECT_KINDS:
        for name, figure in figures:
            alone, near, far, other = (figure(found[kind.key][place.key]) for place in CONNECTS)
            rows.append([f"{kind.title}: {name}", spread(alone), spread(near), spread(far),
                         ratio(far, alone), ratio(far, near), spread(other)])
    return table(head, rows)


def faults_of(runs):
    sums = {name: sum(run.get(name, 0) for run in runs) for name in FAULTS}
    remarks = [f"{name} {count:,}" for name, count in sums.items() if count]
    if any(run.get("stalled") for run in runs):
        remarks.append("stalled")
    return " **" + ", ".join(remarks) + "**" if remarks else ""


def cpu_cells(place, runs):
    """Publisher's node, front, home, sum. A node that has two parts is named once."""
    own = [spread(values(runs, node + "cpu_us_per_message")) for node in NODES]
    if place.front is None:
        return [own[1], "", "", own[1]]
    if place.front == place.publisher:
        own[0], own[1] = own[1], ""
    if place.home in (place.publisher, place.front):
        own[2] = ""
    return [*own, spread(cpu_sums(runs))]


def message_table(load, found):
    """`found`: key of a place → runs of that load."""
    if load.is_timed:
        end = "PUBCOMP" if load.key.endswith("2") else "PUBACK"
        figures = (("delivery p50, µs", "latency_p50_us"), ("p99", "latency_p99_us"),
                   (f"{end} p50, µs", "ack_latency_p50_us"), ("p99", "ack_latency_p99_us"))
    else:
        figures = (("messages/s", "messages_per_second"),)
    head = [load.title, *(title for title, _ in figures),
            "CPU µs: publisher's node", "front", "home", "sum", "÷ alone", "frames", "rows"]
    rows = []
    for place in MESSAGES:
        runs = found[place.key]
        rows.append([place.title + faults_of(runs),
                     *(spread(values(runs, name)) for _, name in figures),
                     *cpu_cells(place, runs),
                     ratio(cpu_sums(runs), cpu_sums(found[ALONE.key])),
                     *(spread(values(runs, name)) for name in COUNTERS)])
    return table(head, rows)
