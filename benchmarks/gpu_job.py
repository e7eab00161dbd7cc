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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import gpu_corpus, launch
from toolkit.pipeline.processes import usable_cores

Row = dict[str, Any]
TIMINGS = "timings.json"  # the one file that differs from run to run
MEASURE = "the measure"


def job(folder: Path, size: int, device: str, repeat: int, until: float) -> Row:
    """The corpus, what reading it takes, and a row for the processor and for a device.

    The device serves as many processes as there are cores, and four. The first row's bytes are the measure.
    """
    given, cores = gpu_corpus.corpus(folder / "in", size), usable_cores()
    few = sorted({min(4, cores), cores})
    runs = [("cpu", cores), *((device, workers) for workers in reversed(few))]
    rows = [_row(folder, given, {"device": name, "workers": w}, (), repeat, until) for name, w in runs]
    return {
        "bytes": given,
        "files": len(list((folder / "in").iterdir())),
        "reading": _reading(folder),
        "rows": rows,
        "frame": _frame(folder, until) if device == "cuda" else {"missing": "no card"},
    }


def budget(
    folder: Path, size: int, memory: int, device: str, until: float, free: Callable[[], int] | None = None
) -> Row:
    """The same on a card of which ``memory`` bytes may be used: CuPy's pool refuses what is beyond.

    ``free`` says how much of the card is free, asked while the job runs; what it used besides its arrays is
    CUDA's own.
    """
    given, workers = gpu_corpus.corpus(folder / "in", size, seed=1), min(4, usable_cores())
    on_cpu = _row(folder, given, {"device": "cpu", "workers": usable_cores()}, (), 1, until)
    with _watched(free) as seen:
        what = {"device": device, "workers": workers, "memory": memory}
        on_card = _row(folder, given, what, ("--gpu-memory", f"{memory}B"), 1, until)
    return {"bytes": given, "memory": memory, "rows": [on_cpu, on_card], "used_at_most": seen}


@contextmanager
def _watched(free: Callable[[], int] | None) -> Iterator[list[int]]:
    """A list that holds, at the end, by how much the card's free memory shrank at most."""
    seen: list[int] = []
    if free is None:
        yield seen
        return
    before, least, over = free(), [free()], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            least[0] = min(least[0], free())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.append(before - least[0])


def _row(folder: Path, size: int, what: Row, options: tuple[str, ...], repeat: int, until: float) -> Row:
    runs, out, same = [], folder / "out", None
    how = ("--device", what["device"], "--workers", str(what["workers"]), *options, "-q")
    command = [sys.executable, "-m", "toolkit", "dedup", str(folder / "in"), "--out", str(out), *how]
    for _ in range(repeat):
        if time.perf_counter() > until:
            break
        shutil.rmtree(out, ignore_errors=True)
        run = launch.launch(command, usable_cores())
        runs.append(run)
        if "error" in run:
            return what | {"runs": runs, "missing": why(run["error"])}
        run["stages"] = json.loads((out / TIMINGS).read_text())
        run["found"] = json.loads((out / "MANIFEST.json").read_text())["dedup"]
        now = compared(out, folder / "first")
        same = now if not same or same == MEASURE else same
    if not runs:
        return what | {"missing": "no time left"}
    return what | {"runs": runs, "same bytes": same, "GB/s": size / 1e9 / launch.middle(runs)}


def why(error: str) -> str:
    """What a failed run is to say in a table."""
    missing = [option for option in ("--device", "--gpu-memory") if f"No such option: {option}" in error]
    return (
        f"not there yet: dedup does not take {missing[0]}" if missing else launch.failure([{"error": error}])
    )


def compared(out: Path, first: Path) -> list[str] | str:
    """Which files differ from the first run's; that run is moved to ``first`` and says so."""
    if not first.exists():
        out.rename(first)
        return MEASURE
    return differences(out, first)


def differences(one: Path, other: Path) -> list[str]:
    """The files that one of two folders lacks, or that are not the same bytes; seconds may differ."""
    digests = [
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != TIMINGS
        }
        for folder in (one, other)
    ]
    return sorted(
        name for name in digests[0].keys() | digests[1].keys() if digests[0].get(name) != digests[1].get(name)
    )


def _frame(folder: Path, until: float) -> Row:
    """The same files as one cuDF frame, in a process of its own."""
    if find_spec("cudf") is None:
        return {"missing": "cuDF is not installed"}
    if time.perf_counter() > until:
        return {"missing": "no time left"}
    out = folder / "frame.json"
    command = [sys.executable, "-m", "benchmarks.gpu_frames", str(folder / "in"), str(out)]
    run = launch.launch(command, usable_cores())
    return {"missing": launch.failure([run])} if "error" in run else run | json.loads(out.read_text())


def _reading(folder: Path) -> Row:
    """Seconds to read the files, and to have their texts as Arrow on all cores; both from the cache."""
    files = sorted((folder / "in").iterdir())
    start = time.perf_counter()
    size = sum(len(path.read_bytes()) for path in files)
    middle = time.perf_counter()
    for path in files:
        pq.read_table(path, columns=["text"], use_threads=True)
    return {
        "file_bytes": size,
        "bytes_seconds": middle - start,
        "parquet_seconds": time.perf_counter() - middle,
    }


def table(found: Row) -> str:
    """Markdown."""
    lines = [("dedup of Parquet", "s", "GB/s of text", "found", "same bytes", "longest stages")]
    for row in found["rows"]:
        name = f"--device {row['device']} --workers {row['workers']}" + (
            f" --gpu-memory {row['memory'] / 1e9:g}GB" if "memory" in row else ""
        )
        if "missing" in row:
            lines.append((name, row["missing"], "", "", "", ""))
            continue
        stages = row["runs"][-1]["stages"]
        longest = sorted(((s["seconds"], stage) for stage, s in stages.items()), reverse=True)[:4]
        same = row["same bytes"]
        lines.append(
            (name, f"{launch.middle(row['runs']):.1f}", f"{row['GB/s']:.2f}",
             f"{row['runs'][-1]['found']['texts_removed']:,} removed",
             same if isinstance(same, str) else "yes" if not same else f"NO: {', '.join(same[:3])}",
             ", ".join(f"{stage} {seconds:.1f}" for seconds, stage in longest))
        )  # fmt: skip
    head = f"{found['bytes'] / 1e9:.3g} GB of text"
    if reading := found.get("reading"):
        size = found["bytes"] / 1e9
        head += (
            f" in {found['files']} files; reading them {size / reading['bytes_seconds']:.1f} GB/s "
            f"of text, Parquet to Arrow {size / reading['parquet_seconds']:.1f} GB/s"
        )
    if used := found.get("used_at_most"):
        head += f"; of the card's memory {used[0] / 1e9:.1f} GB more were used at most, CUDA's own with them"
    if (frame := found.get("frame")) is not None:
        head += f"; as a cuDF frame: {_told(frame, found['bytes'] / 1e9)}"
    return f"{head}\n\n{launch.markdown(lines)}"


def _told(frame: Row, size: float) -> str:
    if "missing" in frame:
        return frame["missing"]
    return (
        f"read at {size / frame['read']:.1f} GB/s of text, deduplicated at {size / frame['dedup']:.1f}, "
        f"{frame['removed']:,} of {frame['rows']:,} rows removed"
    )
