# SPDX-License-Identifier: Apache-2.0
"""What is compared: one row a scenario, one figure or more a row, each with its aim."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A field of what grapevine-load prints. Lower is better for all of them."""

    name: str
    unit: str
    aim: float | None = None  # Grapevine, at most
    ratio: float | None = None  # Mosquitto divided by Grapevine, at least

    @property
    def generator(self):
        """The field that says what the generator itself spent, if there is one."""
        return self.name.replace("cpu_us_per_message", "generator_us_per_message") \
            if self.name.endswith("cpu_us_per_message") else None


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    arguments: tuple[str, ...]
    figures: tuple[Figure, ...]
    quick: tuple[str, ...] = ("--seconds", "1", "--warmup", "0.3")
    saturated: bool = True  # the broker is busy all the time
    lossless: bool = True  # a lost message is a fault
    idle_beside: int = 0  # connections that are held open meanwhile
    keeps: bool = False  # Mosquitto has its persistence on; Grapevine always has


def cpu(aim=None, ratio=None):
    return Figure("cpu_us_per_message", "µs", aim, ratio)


P99 = Figure("latency_p99_us", "µs")

SCENARIOS = (
    Scenario("pairs-q0", "50 pairs, QoS 0, 500 undelivered a pair",
             ("pairs", "--qos", "0"), (cpu(0.12, 50),)),
    Scenario("pairs-q1", "50 pairs, QoS 1, window 100, 200 undelivered",
             ("pairs", "--qos", "1"), (cpu(0.30, 38),)),
    Scenario("pairs-q2", "50 pairs, QoS 2, window 100, 200 undelivered",
             ("pairs", "--qos", "2"), (cpu(0.55, 50),)),
    Scenario("fanout-q0", "1 publisher to 1,000 subscribers, QoS 0, 50 undelivered",
             ("fanout", "--qos", "0"), (cpu(0.18, 37),)),
    Scenario("fanout-q1", "1 publisher to 1,000 subscribers, QoS 1, 50 undelivered",
             ("fanout", "--qos", "1"), (cpu(0.28, 35),)),
    Scenario("fanin-q0", "1,000 publishers to 1 subscriber of `bench/#`, QoS 0, 20 undelivered",
             ("fanin", "--qos", "0"), (cpu(0.28, 19),)),
    Scenario("fanin-q1", "1,000 publishers to 1 subscriber of `bench/#`, QoS 1, 20 undelivered",
             ("fanin", "--qos", "1"), (cpu(0.75, 16),)),
    Scenario("wildcards", "100,000 wildcard filters over 1,000 clients, each publish matching 10",
             ("wildcards",), (cpu(0.22, 22),)),
    Scenario("large", "64 KiB payloads, 4 pairs, QoS 0, 4 undelivered",
             ("pairs", "--payload", "65536", "--publishers", "4", "--undelivered", "4"),
             (cpu(17.5, 1.39),)),
    Scenario("paced-50k", "paced 50,000 messages/s, QoS 0, 50 pairs",
             ("paced", "--rate", "50000"),
             (cpu(8.0, 1.15), Figure("latency_p50_us", "µs"), P99), saturated=False),
    Scenario("paced-5k-q1", "paced 5,000 messages/s, QoS 1, 50 pairs",
             ("paced", "--rate", "5000", "--qos", "1"),
             (cpu(23.5, 1.07), Figure("latency_p50_us", "µs", 53, 1.0), P99), saturated=False),
    Scenario("retained",
             "100,000 retained messages, stored (QoS 1) and replayed on one `#` (QoS 0)",
             ("retained", "--qos", "1"),
             (Figure("store_cpu_us_per_message", "µs", 0.6, 9.5),
              Figure("replay_cpu_us_per_message", "µs", 0.35, 10)),
             quick=("--messages", "20000"), saturated=False),
    Scenario("idle", "15,000 idle connections, then 200 handshakes at once",
             ("idle",),
             (Figure("resident_bytes_per_connection", "bytes", 1200),
              Figure("connect_cpu_us_per_message", "µs", 15, 1.3),
              Figure("listen_drops", "SYNs", 0),
              Figure("burst_slowest_ms", "ms")),
             quick=("--connections", "2000"), saturated=False, lossless=False),
    Scenario("crowd", "50 pairs, QoS 0, beside 19,000 idle connections",
             ("pairs", "--qos", "0"),
             (cpu(), Figure("idle_resident_bytes_per_connection", "bytes")), idle_beside=19000),
    Scenario("flood", "open-loop QoS 0 flood, 50 pairs, 10 s",
             ("flood",),
             (cpu(), Figure("lost", "messages"), Figure("resident_max", "bytes")),
             quick=("--seconds", "1"), saturated=False, lossless=False),
    Scenario("durable", "50 publishers, QoS 1, window 100, into one persistent session that is away; "
             "then it drains",
             ("durable", "--qos", "1"),
             (Figure("store_us_per_message", "µs", None, 2),
              Figure("store_cpu_us_per_message", "µs"),
              Figure("drain_us_per_message", "µs", 3.3),
              Figure("drain_cpu_us_per_message", "µs")),
             saturated=False, keeps=True),
    Scenario("start", "from empty state: listening, and resident memory then",
             (), (Figure("listening_ms", "ms", 100), Figure("resident_empty", "bytes", 25e6)),
             saturated=False, lossless=False),
)

FAULTS = ("lost", "duplicates", "out_of_order", "misrouted", "ack_disorder")


def by_key(key):
    """The scenario of that key. Errors: KeyError naming what there is."""
    for scenario in SCENARIOS:
        if scenario.key == key:
            return scenario
    raise KeyError(f"no scenario {key!r}; there are: " + ", ".join(s.key for s in SCENARIOS))
