# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, and the tables of RESULTS.md, between markers, so that what people wrote around
them stays."""

import re
import statistics

from .scenarios import FAULTS, SCENARIOS


def values_of(runs, figure):
    return [run[figure.name] for run in runs if run.get(figure.name) is not None]


def number(value):
    """Three significant digits, thousands as they are read."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values):
    """Median, and in parentheses the least and the greatest."""
    if not values:
        return "–"
    if min(values) == max(values):
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def faults_of(scenario, runs):
    """What went wrong in runs that must be free of loss, as a remark."""
    if not scenario.lossless:
        return ""
    sums = {name: sum(run.get(name, 0) for run in runs) for name in FAULTS}
    remarks = [f"{name} {count:,}" for name, count in sums.items() if count]
    if any(run.get("stalled") or run.get("store_complete") is False for run in runs):
        remarks.append("stalled")
    return " **" + ", ".join(remarks) + "**" if remarks else ""


def ratio_of(left, right):
    if not left or not right or statistics.median(right) == 0:
        return None
    return statistics.median(left) / statistics.median(right)


def verdict(figure, ours, ratio, faults):
    """Whether the aims hold: of the figure, and of the ratio. Speed with losses is none."""
    if not ours:
        return ""
    if faults:
        return "no"
    checks = []
    if figure.ratio is not None and ratio is not None:
        checks.append(ratio >= figure.ratio)
    if figure.aim is not None:
        checks.append(statistics.median(ours) <= figure.aim)
    if not checks:
        return ""
    return "yes" if all(checks) else "no" if not any(checks) else "in part"


def comparison_row(scenario, figure, runs):
    """`runs`: candidate name → list of runs."""
    ours_runs = runs.get("grapevine", [])
    other_runs = runs.get("mosquitto", [])
    ours, other = values_of(ours_runs, figure), values_of(other_runs, figure)
    ratio = ratio_of(other, ours)
    faults = faults_of(scenario, ours_runs)
    generator = [run[figure.generator] for run in ours_runs if run.get(figure.generator)]
    cells = [
        scenario.title, f"{figure.name}, {figure.unit}",
        "" if figure.aim is None else number(figure.aim),
        spread(ours) + faults,
        spread(other) + faults_of(scenario, other_runs),
        "–" if ratio is None else number(ratio),
        "" if figure.ratio is None else number(figure.ratio),
        verdict(figure, ours, ratio, faults),
        spread(generator),
        commit_of(ours_runs or other_runs),
    ]
    return "| " + " | ".join(cells) + " |"


def commit_of(runs):
    return runs[-1].get("commit", "") if runs else ""


def comparison_table(results):
    """`results`: scenario key → candidate name → list of runs."""
    lines = [
        "| scenario | figure | aim | Grapevine | mosquitto | mosquitto ÷ ours | at least | met "
        "| generator µs | commit |",
        "|---|---|--:|--:|--:|--:|--:|---|--:|---|",
    ]
    for scenario in SCENARIOS:
        for figure in scenario.figures if scenario.key in results else ():
            lines.append(comparison_row(scenario, figure, results[scenario.key]))
    return "\n".join(lines)


def shards_table(results, shards, limit=1.3):
    """One shard against several, of the figure CPU per message."""
    lines = [
        f"| scenario | one shard, µs | {shards} shards, µs | {shards} ÷ one | at most | met "
        "| commit |",
        "|---|--:|--:|--:|--:|---|---|",
    ]
    many_name = f"grapevine-{shards}"
    for scenario in SCENARIOS:
        figure = scenario.figures[0]
        runs = results.get(scenario.key, {})
        if many_name not in runs or figure.name != "cpu_us_per_message":
            continue
        one, many = (values_of(runs.get(name, []), figure) for name in ("grapevine-1", many_name))
        ratio = ratio_of(many, one)
        bound = limit if scenario.saturated else None
        met = "" if bound is None or ratio is None else "yes" if ratio <= bound else "no"
        cells = [scenario.title, spread(one), spread(many) + faults_of(scenario, runs[many_name]),
                 "–" if ratio is None else number(ratio), "" if bound is None else number(bound),
                 met, commit_of(runs[many_name])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(head, rows):
    """The first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def replace_section(document, name, text):
    """The document with what stands between the markers of `name` replaced, or appended."""
    begin, end = f"<!-- compare:{name} -->", f"<!-- /compare:{name} -->"
    section = f"{begin}\n{text}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(document):
        return pattern.sub(lambda _: section, document, count=1)
    return document.rstrip("\n") + "\n\n" + section + "\n"
