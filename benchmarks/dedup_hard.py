"""Inputs on which a dedup may run for ever or remove too much, each timed in a process of its own.

empty texts; one-word texts; one cluster of texts that differ by a word each; rows that share a template
of two thirds of their words, none of them similar enough to go.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import launch
from benchmarks.dedup_job_peers import toolkit_command
from benchmarks.dedup_texts import Words

Row = dict[str, Any]


def empty(rows: int) -> list[str]:
    """Nothing, or white space."""
    return ["" if row % 2 else " \n" for row in range(rows)]


def one_word(rows: int) -> list[str]:
    """A word each, every one of them twice."""
    return [f"word{row // 2}" for row in range(rows)]


def one_cluster(rows: int) -> list[str]:
    """A hundred words, of which another one is new in each."""
    words = Words(1).draw("latin", 100)
    return [" ".join([*words[: row % 100], f"new{row}", *words[row % 100 + 1 :]]) for row in range(rows)]


def template(rows: int) -> list[str]:
    """Eighty words that all share, and forty of each one's own."""
    supply = Words(2)
    shared = " ".join(supply.draw("latin", 80))
    return [f"{shared} {' '.join(supply.draw('latin', 40))}" for _ in range(rows)]


CASES: dict[str, tuple[Callable[[int], list[str]], int, str]] = {
    "empty texts": (empty, 100_000, "all stay: nothing resembles nothing"),
    "one-word texts": (one_word, 100_000, "half stay"),
    "one giant cluster": (one_cluster, 100_000, "few stay: each resembles most others"),
    "a shared template": (template, 1_000_000, "all stay"),
}


def hard(scale: float, cores: int) -> list[Row]:
    """A row a case, ``scale`` times its full size."""
    rows = []
    for name, (make, size, expected) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            count = max(100, int(size * scale))
            rows.append({"case": name, "rows": count, "cores": cores, "expected": expected}
                        | _run(make(count), Path(folder), cores))  # fmt: skip
        print(table(rows[-1:]), file=sys.stderr)
    return rows


def _run(texts: list[str], folder: Path, cores: int) -> Row:
    source, out = folder / "in", folder / "out"
    source.mkdir()
    names = [f"t{row:09d}" for row in range(len(texts))]
    pq.write_table(pa.table({"id": names, "text": texts}), source / "part-0.parquet", row_group_size=10_000)
    cost = launch.launch(toolkit_command(source, out, cores), cores)
    if "error" in cost:
        return cost
    manifest = json.loads((out / "MANIFEST.json").read_text())
    facts = manifest["dedup"]
    stayed = manifest["ledgers"][1]["out"]["records"]
    shutil.rmtree(out)
    names = ("candidate_pairs", "skipped_pairs", "overfull_buckets", "largest_bucket", "lost_to_chains")
    return cost | {"kept": stayed} | {name: facts[name] for name in names}


def table(rows: list[Row]) -> str:
    """As Markdown."""
    lines = [("case", "rows", "s", "peak MB", "kept", "candidate pairs", "pairs skipped", "largest bucket",
              "expected")]  # fmt: skip
    for row in rows:
        if "error" in row:
            lines.append((row["case"], f"{row['rows']:,}", launch.failure([row]), *[""] * 5, row["expected"]))
            continue
        numbers = (f"{row[n]:,}" for n in ("kept", "candidate_pairs", "skipped_pairs", "largest_bucket"))
        lines.append(
            (row["case"], f"{row['rows']:,}", f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f}", *numbers,
             row["expected"])
        )  # fmt: skip
    return launch.markdown(lines)
