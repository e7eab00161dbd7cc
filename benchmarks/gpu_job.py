"""Parquet on a local disk to survivors and evidence, with the card and without, byte for byte the same.

Every run is ``python -m toolkit dedup`` in a process of its own, starting included. A command line that
does not know an option says so in its row: not there yet. What the disk and Parquet's reader give by
themselves stands beside, since no job is faster than they are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import gpu_corpus, launch
from toolkit.pipeline.processes import usable_cores

Row = dict[str, Any]
TIMINGS = "timings.json"  # the one file that differs from run to run


def job(folder: Path, size: int, devices: tuple[str, ...], repeat: int, until: float) -> Row:
    """The corpus, what reading it takes, and a row for each device; the first one's bytes are the measure."""
    given = gpu_corpus.corpus(folder / "in", size)
    rows = []
    for device in devices:
        rows.append(_row(folder, given, {"device": device}, ("--device", device), repeat, until))
    return {"bytes": given, "files": len(list((folder / "in").iterdir())), "reading": _reading(folder), "rows": rows}


def budget(folder: Path, size: int, memory: int, device: str, until: float) -> Row:
    """The same on a card that gives ``memory`` bytes and no more: CuPy's pool refuses what is beyond.

    Held against a run on the processor.
    """
    given = gpu_corpus.corpus(folder / "in", size, seed=1)
    env = {"CUPY_GPU_MEMORY_LIMIT": str(memory)}
    rows = [
        _row(folder, given, {"device": "cpu"}, ("--device", "cpu"), 1, until),
        _row(
            folder, given, {"device": device, "memory": memory},
            ("--device", device, "--gpu-memory", f"{memory}B"), 1, until, env,
        ),
    ]  # fmt: skip
    return {"bytes": given, "memory": memory, "rows": rows}


def _row(
    folder: Path, size: int, what: Row, options: tuple[str, ...], repeat: int, until: float,
    env: dict[str, str] | None = None,
) -> Row:  # fmt: skip
    runs, out, same = [], folder / "out", None
    for _ in range(repeat):
        if time.perf_counter() > until:
            break
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "toolkit", "dedup", str(folder / "in"), "--out", str(out), *options, "-q"]
        run = launch.launch(command, usable_cores(), env)
        if "error" not in run:
            run["stages"] = json.loads((out / TIMINGS).read_text())
            run["counts"] = json.loads((out / "MANIFEST.json").read_text())["dedup"]
            same = compared(out, folder / "first")
        runs.append(run)
        if "error" in run:
            break
    row = what | {"runs": runs, "same bytes": same}
    if not runs:
        return row | {"missing": "no time left"}
    if "error" in runs[-1]:
        return row | {"missing": why(runs[-1]["error"])}
    return row | {"GB/s": size / 1e9 / launch.middle(runs)}


def why(error: str) -> str:
    """What a failed run is to say in a table."""
    missing = [option for option in ("--device", "--gpu-memory") if f"No such option: {option}" in error]
    return f"not there yet: dedup does not take {missing[0]}" if missing else launch.failure([{"error": error}])


def compared(out: Path, first: Path) -> list[str] | str:
    """Which files differ from the first run's; that run is moved to ``first`` and says so."""
    if not first.exists():
        out.rename(first)
        return "the measure"
    return differences(out, first)


def differences(one: Path, other: Path) -> list[str]:
    """The files that only one of two folders has, or that are not the same bytes; not the seconds they took."""
    digests = [
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != TIMINGS
        }
        for folder in (one, other)
    ]
    return sorted(name for name in digests[0].keys() | digests[1].keys() if digests[0].get(name) != digests[1].get(name))


def _reading(folder: Path) -> Row:
    """Seconds to read the files' bytes, and to have their texts as Arrow on all cores; both from the cache."""
    files = sorted((folder / "in").iterdir())
    start = time.perf_counter()
    size = sum(len(path.read_bytes()) for path in files)
    middle = time.perf_counter()
    for path in files:
        pq.read_table(path, columns=["text"], use_threads=True)
    return {"file_bytes": size, "bytes_seconds": middle - start, "parquet_seconds": time.perf_counter() - middle}


def table(found: Row) -> str:
    """Markdown."""
    lines = [("dedup of Parquet", "s", "GB/s of text", "kept", "same bytes", "longest stages")]
    for row in found["rows"]:
        name = f"--device {row['device']}" + (f" --gpu-memory {row['memory'] / 1e9:g}GB" if "memory" in row else "")
        if "missing" in row:
            lines.append((name, row["missing"], "", "", "", ""))
            continue
        stages = row["runs"][-1]["stages"]
        longest = sorted(((s["seconds"], stage) for stage, s in stages.items()), reverse=True)[:4]
        same = row["same bytes"]
        lines.append(
            (name, f"{launch.middle(row['runs']):.1f}", f"{row['GB/s']:.2f}",
             f"{row['runs'][-1]['counts']['texts_removed']:,} removed",
             same if isinstance(same, str) else "yes" if not same else f"NO: {', '.join(same[:3])}",
             ", ".join(f"{stage} {seconds:.1f}" for seconds, stage in longest))
        )  # fmt: skip
    head = f"{found['bytes'] / 1e9:.2f} GB of text"
    if reading := found.get("reading"):
        size = found["bytes"] / 1e9
        head += (
            f" in {found['files']} files; reading their bytes alone {size / reading['bytes_seconds']:.1f} GB/s of "
            f"text, Parquet to Arrow alone {size / reading['parquet_seconds']:.1f} GB/s"
        )
    return f"{head}\n\n{launch.markdown(lines)}"
