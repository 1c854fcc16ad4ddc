#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on what the style forbids and a compiler lets pass: an include against the arrows of
tools/layers.txt, a third party outside its home, production code that asks whether it is tested, a
file without its licence line, and the form of co_await that GCC 12 compiles wrongly."""

import pathlib
import re
import sys

SKIPPED = {".git", "build", "node_modules", "__pycache__", "corpus", ".cache"}
SOURCES = {".hpp", ".cpp"}
LICENSED = SOURCES | {".py", ".sh", ".js", ".cmake"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
ASKS_FOR_TESTS = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(?:TESTING|UNIT_TESTS?)\b",
                            re.MULTILINE)
# GCC 12 destroys such a temporary twice: name it first and move it.
AGGREGATE = re.compile(r"[A-Za-z_][\w:]*\s*\{[^{}]*\}")


class Layers:
    def __init__(self, path):
        self.may_include, self.homes, self.exceptions, self.problems = {}, {}, {}, []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, _, rest = line.partition(" ")
            name, _, value = rest.partition(":")
            if kind == "layer":
                self.may_include[name] = value.split()
            elif kind == "home":
                self.homes[name] = value.split()
            elif kind == "except" and value.strip():
                self.exceptions[tuple(name.replace('"', "").split())] = value.strip()
            else:
                self.problems.append(f"{path.name}:{number}: neither layer, home nor exception "
                                     "with a reason")

    def row_of(self, folder):
        """The row for a folder: its own, or that of the nearest folder above."""
        while folder not in self.may_include and "/" in folder:
            folder = folder.rpartition("/")[0]
        return folder if folder in self.may_include else None


def is_within(name, beginning):
    """bench is within bench and bench/load within bench; files begin with a part of a name."""
    return name == beginning or name.startswith(beginning + "/")


def may_include(layers, file, header):
    folder, wanted = file.rpartition("/")[0], header.rpartition("/")[0]
    row = layers.row_of(folder)
    if folder == wanted or (row and is_within(row, "tests")):
        return True
    # A row that stands for the folders below it lets these include each other.
    if row and layers.row_of(wanted) == row:
        return True
    return row is not None and any(
        wanted == each or (each in ("broker", "bench") and is_within(wanted, each))
        for each in layers.may_include[row])


def check_include(layers, file, text, found):
    quote, header = found.groups()
    place = f"{file}:{text.count(chr(10), 0, found.start()) + 1}"
    if (file, header) in layers.exceptions:
        return None
    if quote == "<":
        for prefix, homes in layers.homes.items():
            if f"<{header}>".startswith(prefix) and not any(file.startswith(h) for h in homes):
                return f"{place}: <{header}> may be included only in: {' '.join(homes)}"
        return None
    if "/" not in header:
        return f'{place}: "{header}" is not a full path from the root'
    if not may_include(layers, file, header):
        return f'{place}: {file.rpartition("/")[0]} may not include "{header}"'
    return None


def check_source(layers, file, text):
    folder = file.rpartition("/")[0]
    if layers.row_of(folder) is None:
        yield f"{file}: folder {folder} has no row in tools/layers.txt"
    for found in INCLUDE.finditer(text):
        problem = check_include(layers, file, text, found)
        if problem:
            yield problem
    if not file.startswith("tests/") and ASKS_FOR_TESTS.search(text):
        yield f"{file}: asks the preprocessor for tests; pass the test double as a parameter"
    if "co_await" in text:
        for statement in re.split(r";|\n\s*\n", text):
            if "co_await" in statement and AGGREGATE.search(statement.split("co_await", 1)[1]):
                line = text.count("\n", 0, text.index(statement)) + 1
                yield (f"{file}:{line}: an aggregate temporary in an expression with co_await is "
                       "destroyed twice by GCC 12; name it and move it")


def check_file(layers, root, path):
    file = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:2]):
        yield f"{file}:1: the line SPDX-License-Identifier: Apache-2.0 is missing"
    if path.suffix in SOURCES:
        yield from check_source(layers, file, text)


def files_of(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or SKIPPED & set(parts):
            continue
        if path.suffix in LICENSED or path.name == "CMakeLists.txt" or (
                parts[0] in ("tools", ".ci") and not path.suffix):
            yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    layers = Layers(root / "tools" / "layers.txt")
    problems = layers.problems
    for path in files_of(root):
        problems += check_file(layers, root, path)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
