"""Text to signatures: every contestant on the same texts, the same shingles and the same k.

The texts lie in memory as an Arrow column, normalised, words of eight scripts between single spaces, so
that every tool cuts the same words. What starting and compiling cost is paid before the clock starts,
and printed beside. The bound of affine-1 is what the vector units can do (see ``bound``).
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import launch
from benchmarks.dedup_bound import bound
from benchmarks.dedup_sketch_peers import SKETCHERS
from benchmarks.dedup_texts import plain

SHINGLES = ("word:5", "byte:24")
WORDS = (40, 200, 2_000)
OURS = "toolkit affine-1"
Row = dict[str, Any]


def sketch(
    megabytes: float, k: int, counts: tuple[int, ...], repeat: int, names: list[str]
) -> dict[str, Any]:
    """``rows``, one a contestant, shingle, length of text and number of cores, and the ``bound``."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for words in WORDS:
            texts = plain(words, int(megabytes * 1e6))
            made[words] = Path(folder) / f"{words}.parquet"
            pq.write_table(pa.table({"text": texts}), made[words])
        for shingle, cores, (words, path) in product(SHINGLES, counts, made.items()):
            case = {"shingle": shingle, "cores": cores, "words": words, "k": k}
            new = _case(case, path, repeat, names)
            rows += new
            print(table(new, None), file=sys.stderr)
    return {"rows": rows, "bound": bound(k)}


def _case(case: Row, path: Path, repeat: int, names: list[str]) -> list[Row]:
    there = [name for name in names if _is_there(SKETCHERS[name].package)]
    runs = launch.take_turns(there, lambda name: _run(name, case, path), repeat)
    return [case | _row(name, case, runs.get(name, [])) for name in names]


def _is_there(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None


def _run(name: str, case: Row, path: Path) -> launch.Run:
    """One fresh process: the seconds of sketching, and of all."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        arguments = [name, str(path), case["shingle"], str(case["k"]), str(case["cores"]), str(out)]
        command = [sys.executable, "-m", "benchmarks.dedup_sketch_peers", *arguments]
        threads = 1 if SKETCHERS[name].forked else case["cores"]
        cost = launch.launch(command, case["cores"], {"RAYON_NUM_THREADS": str(threads)})
        return cost if "error" in cost else cost | json.loads(out.read_text())


def _row(name: str, case: Row, runs: list[launch.Run]) -> Row:
    row: Row = {"name": name, "does": SKETCHERS[name].does, "runs": runs}
    lacks = [run["lacks"] for run in runs if "lacks" in run]
    if lacks:
        return row | {"missing": lacks[0]}
    seconds = launch.middle(runs, "sketching")
    if seconds is None:
        return row | {"missing": launch.failure(runs)}
    good = next(run for run in runs if "error" not in run)
    shingles = _shingles(case, good)
    return row | {
        "mb_per_s": good["bytes"] / 1e6 / seconds,
        "ns_per_shingle": seconds * case["cores"] / shingles * 1e9,
        "megabytes": good["bytes"] / 1e6,
        "start": launch.middle([run | {"start": run["seconds"] - run["sketching"]} for run in runs
                                if "error" not in run], "start"),
    }  # fmt: skip


def _shingles(case: Row, run: launch.Run) -> int:
    unit, _, size = case["shingle"].partition(":")
    if unit == "word":
        return run["texts"] * max(1, case["words"] - int(size) + 1)
    return max(run["texts"], run["bytes"] - run["texts"] * (int(size) - 1))


def table(rows: list[Row], limit: dict[str, float] | None) -> str:
    """One shingle, length and number of cores as Markdown; the ratio says how much faster ours is."""
    first = rows[0]
    ours = next((row["mb_per_s"] for row in rows if row["name"] == OURS and "missing" not in row), None)
    head = (
        f"{first['shingle']}, k = {first['k']}, texts of {first['words']:,} words, {first['cores']} core(s)"
    )
    if limit:
        head += f"; bound of affine-1 {limit['ns_per_shingle']:.1f} ns a shingle"
    lines = [("contestant", "MB/s", "ours : theirs", "core ns a shingle", "start s", "MB given", "does")]
    for row in rows:
        if "missing" in row:
            lines.append((row["name"], row["missing"], "", "", "", "", row["does"]))
            continue
        lines.append(
            (row["name"], f"{row['mb_per_s']:.1f}", launch.ratio(ours, row["mb_per_s"]),
             f"{row['ns_per_shingle']:.1f}", f"{row['start']:.1f}", f"{row['megabytes']:.1f}", row["does"])
        )  # fmt: skip
    return f"{head}\n\n{launch.markdown(lines)}\n"


def tables(found: dict[str, Any]) -> str:
    """All cases, and how the bound was found."""
    rows, limit = found["rows"], found["bound"]
    size = len({row["name"] for row in rows})
    told = (
        f"Bound of affine-1: {limit['operations']:.0f} vector operations a shingle (multiply, add, minimum "
        f"for each {limit['lanes']:.0f} of {limit['k']:.0f} permutations), {limit['slots']:.0f} a cycle at "
        f"{limit['gigahertz']:.2f} GHz as measured: {limit['ns_per_shingle']:.2f} ns. The minima alone, on "
        f"hashes that are there already (sketch_sets), take {limit['minima_ns']:.2f} ns."
    )
    pieces = [table(rows[start : start + size], limit) for start in range(0, len(rows), size)]
    return "\n".join([*pieces, told])
