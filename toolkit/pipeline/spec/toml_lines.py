"""On which line of a TOML text a key stands: tomllib parses but does not say.

A scan by line is enough, because a spec is tables, arrays of tables and one-line values;
a key inside a multi-line string could be mistaken, which costs only a wrong line number
in an error message.
"""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_.-]+))\s*=""")


def key_lines(text: str) -> dict[str, int]:
    """Line numbers, from 1, of tables and keys: ``lake``, ``lake.path``, ``source[0].id``, …"""
    lines: dict[str, int] = {}
    seen: Counter[str] = Counter()
    table = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _place(header.group(2).replace(" ", ""), header.group(1) == "[[", seen)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            name = next(group for group in key.groups() if group)
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines


def _place(name: str, repeated: bool, seen: Counter[str]) -> str:
    if repeated:
        seen[name] += 1
        return f"{name}[{seen[name] - 1}]"
    parent, _, last = name.rpartition(".")
    return f"{parent}[{seen[parent] - 1}].{last}" if seen[parent] else name
