"""Lengths to packs: every contestant on the same lengths, on one core, a fresh process each time.

The lengths are drawn log-normal and cut at the context: exp of N(6, 1) at C = 4,096, as instructions
are, and exp of N(8, 1) at C = 32,768, as long documents are, of which 0.8 % are as long as a pack.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import launch
from benchmarks.packing_peers import PACKERS
from toolkit import packing

CASES = {"exp(N(6, 1)), C = 4,096": (6.0, 4096), "exp(N(8, 1)), C = 32,768": (8.0, 32768)}
OURS = "toolkit"
Row = dict[str, Any]


def lengths(documents: int, repeat: int, limit: int, names: list[str]) -> list[Row]:
    """One row a distribution: its bounds, and one row a contestant with every repetition."""
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for case, (mean, capacity) in CASES.items():
            drawn = np.random.default_rng(0).lognormal(mean, 1.0, documents)
            given = np.clip(drawn, 1, capacity).astype(np.int64)
            np.save(path := Path(folder) / "lengths.npy", given)
            there = [name for name in names if _is_there(PACKERS[name].package)]
            run = {"path": path, "capacity": capacity, "limit": limit}
            runs = launch.take_turns(there, lambda name, run=run: _run(name, **run), repeat)
            cases.append(_case(case, given, capacity, {name: runs.get(name, []) for name in names}))
            print(table(cases[-1]), file=sys.stderr)
    return cases


def _is_there(package: str) -> bool:
    try:
        return package == "toolkit" or bool(version(package))
    except PackageNotFoundError:
        return False


_over: set[tuple[str, str]] = set()


def _run(name: str, path: Path, capacity: int, limit: int) -> launch.Run:
    """One fresh process: the seconds of packing, and of all. What was over the limit is not run again."""
    if (name, str(capacity)) in _over:
        return {"error": f"over {limit} s"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        arguments = [name, str(path), str(capacity), str(limit), str(out)]
        command = [sys.executable, "-m", "benchmarks.packing_peers", *arguments]
        try:
            cost = launch.launch(command, 1, {"HF_DATASETS_CACHE": folder, "HF_HOME": folder})
        except subprocess.CalledProcessError as killed:  # from outside: the other rows still count
            return {"error": f"its launcher ended with {killed.returncode}"}
        found = cost if "error" in cost else cost | json.loads(out.read_text())
    if "lacks" in found:
        _over.add((name, str(capacity)))
        return {"error": found["lacks"]}
    return found


def _case(case: str, given: np.ndarray, capacity: int, runs: dict[str, list[launch.Run]]) -> Row:
    bound = -(-int(given.sum()) // capacity)
    return {
        "case": case,
        "documents": given.size,
        "tokens": int(given.sum()),
        "fewest_packs": bound,
        "least_spread": packing.least_spread(given, capacity, bound),
        "rows": [
            {"name": name, "does": PACKERS[name].does, "command": " ".join(sys.argv[1:]), "runs": runs[name]}
            for name in runs
        ],
    }


def merged(before: list[Row], now: list[Row]) -> list[Row]:
    """The cases of now, with the rows of before that were not measured again on as many lengths."""
    told = {(case["case"], case["documents"]): case["rows"] for case in before}
    cases = []
    for case in now:
        rows = {row["name"]: row for row in told.get((case["case"], case["documents"]), []) + case["rows"]}
        cases.append(case | {"rows": [rows[name] for name in PACKERS if name in rows]})
    return cases


def table(case: Row) -> str:
    """One distribution as Markdown."""
    head = (
        f"{case['documents']:,} lengths, {case['case']}, one core; no fewer than {case['fewest_packs']:,} "
        f"packs, p99/p1 of the sum of squares no less than {case['least_spread']:.2f}"
    )
    ours = next((launch.middle(row["runs"], "packing") for row in case["rows"] if row["name"] == OURS), None)
    lines = [
        ("contestant", "s", "theirs : ours", "million/s", "packs over the bound", "fill", "p99/p1",
         "documents named", "MB", "does")
    ]  # fmt: skip
    return f"{head}\n\n{launch.markdown([*lines, *(_line(row, case, ours) for row in case['rows'])])}\n"


def _line(row: Row, case: Row, ours: float | None) -> tuple[str, ...]:
    seconds = launch.middle(row["runs"], "packing")
    if seconds is None:
        return (row["name"], launch.failure(row["runs"]), *[""] * 7, row["does"])
    run = next(run for run in row["runs"] if "error" not in run)
    faults = "" if run["whole"] and not run["over_capacity"] else " (NOT a packing)"
    over = run["packs"] / case["fewest_packs"] - 1
    return (
        row["name"],
        f"{seconds:.3f}",
        launch.ratio(seconds, ours),
        f"{case['documents'] / seconds / 1e6:.2f}",
        f"{over:.4%}{faults}",
        f"{1 / (1 + over):.3%}",
        f"{run['p99'] / run['p1']:.2f}",
        f"{run['named']:,}",
        f"{launch.middle(row['runs'], 'peak_mb'):,.0f}",
        row["does"],
    )


def tables(cases: list[Row]) -> str:
    """All distributions."""
    return "\n".join(table(case) for case in cases)
