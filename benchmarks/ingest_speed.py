"""How fast JSON lines are read and written again: every contestant on the same files.

Each run is a fresh process that starts, reads two files of JSON lines and writes what it read, held to
as many cores as it has workers; repetitions are interleaved, so that a slow minute hits all alike. Wall
and processor seconds and the largest process are the kernel's account of the whole tree. What starting
costs is measured by itself, on one record, and the rates are given with it and without it.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.ingest_peers import WRITERS
from benchmarks.launch import Run, launch

SIZES = (200, 2_000, 20_000)


def speed(
    megabytes: int,
    repeat: int,
    compressions: tuple[str, ...],
    counts: tuple[int, ...],
    sizes: tuple[int, ...] = SIZES,
) -> list[dict[str, Any]]:
    """One row a contestant, record size, compression and number of workers, every repetition included."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        inputs = {size: write_input(Path(folder) / str(size), size, megabytes) for size in sizes}
        single = write_input(Path(folder) / "one", SIZES[0], 0)
        for workers, compression, (size, made) in product(counts, compressions, inputs.items()):
            one, runs = _runs((single, made), compression, workers, repeat)
            case = {"record_bytes": size, "compression": compression, "workers": workers}
            rows += [case | _row(name, made, runs[name], one[name]) for name in WRITERS]
            print(table(rows[-len(WRITERS) :]), file=sys.stderr)
    return rows


def write_input(folder: Path, record_bytes: int, megabytes: int) -> dict[str, Any]:
    """Two files of chat records, the same ones every time; one record in one file for 0 megabytes."""
    folder.mkdir(parents=True)
    records = size = 0
    for number in range(2 if megabytes else 1):
        target = megabytes * 500_000
        with (folder / f"part{number}.jsonl").open("wb") as file:
            written = 0
            for line in chat_lines(record_bytes, seed=number):
                written += file.write(line)
                records += 1
                if written >= target:
                    break
        size += written
    return {"folder": folder, "records": records, "bytes": size}


def chat_lines(record_bytes: int, seed: int = 0) -> Iterator[bytes]:
    """Endless chat records of about ``record_bytes`` each: words as often as words are, escapes, numbers."""
    draw = random.Random(seed)
    words = [_word(draw) for _ in range(8_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    encode = msgspec.json.encode
    number = 0
    while True:
        drawn = draw.choices(words, weights, k=20_000)
        place = 0
        while place + record_bytes // 3 + 40 < len(drawn):
            record, place = _chat(f"c{seed}-{number:08d}", record_bytes, drawn, place, number)
            yield encode(record) + b"\n"
            number += 1


def _chat(
    name: str, record_bytes: int, words: list[str], place: int, number: int
) -> tuple[dict[str, Any], int]:
    record: dict[str, Any] = {"id": name, "score": (number * 7919 % 10_007) / 10_007, "messages": []}
    room, turn = record_bytes - 70, 0
    while room > 0:
        wanted, start = min(room - 32, 1_500 if turn % 2 else 220), place
        length = 0
        while length < wanted:
            length += len(words[place]) + 1
            place += 1
        text = " ".join(words[start:place]).capitalize() + (".\n" if turn % 2 else "?")
        record["messages"].append({"role": ("user", "assistant")[turn % 2], "content": text})
        room -= length + 34
        turn += 1
    return record, place


def _word(draw: random.Random) -> str:
    parts = (
        "an",
        "be",
        "co",
        "de",
        "er",
        "fi",
        "ga",
        "in",
        "lo",
        "mu",
        "no",
        "ta",
        "ri",
        "so",
        "the",
        "é",
        "ка",
    )
    return "".join(draw.choices(parts, (*[9] * 15, 1, 1), k=draw.choice((1, 2, 2, 3, 3, 4)))) + draw.choice(
        ("", "", "", "", ",", ".", ' "so"')
    )


def _runs(
    inputs: tuple[dict[str, Any], ...], compression: str, workers: int, repeat: int
) -> list[dict[str, list[Run]]]:
    """For each input the runs of each contestant; all take turns, ``repeat`` times."""
    runs: list[dict[str, list[Run]]] = [{name: [] for name in WRITERS} for _ in inputs]
    for _ in range(repeat):
        for name, writer in WRITERS.items():
            if all(find_spec(package) for package in writer.packages):
                for made, found in zip(inputs, runs, strict=True):
                    found[name].append(_run(name, made["folder"], compression, workers))
    return runs


def _run(name: str, source: Path, compression: str, workers: int) -> Run:
    """One fresh process; its cost and what it wrote. An ``error`` instead where it failed."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        command = [sys.executable, "-m", "benchmarks.ingest_peers", name, str(source), folder, compression]
        threads = {"POLARS_MAX_THREADS": str(workers), "OMP_NUM_THREADS": str(workers)}
        cost = launch([*command, str(workers)], workers, threads)
        if "error" in cost:
            return cost
        shutil.rmtree(Path(folder, "logs"), ignore_errors=True)
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return cost | {"written": written}


def _row(name: str, made: dict[str, Any], runs: list[Run], startup: list[Run]) -> dict[str, Any]:
    row = {"name": name, "bytes": made["bytes"], "records": made["records"], "does": WRITERS[name].does}
    if not runs:
        return row | {"missing": "not installed"}
    good = [run for run in runs if "error" not in run]
    begun = [run["seconds"] for run in startup if "error" not in run]
    if not good or not begun:
        return row | {"missing": "failed", "runs": runs, "startup_runs": startup}
    middle = {key: statistics.median(run[key] for run in good) for key in good[0]}
    start = statistics.median(begun)
    return row | {
        "runs": runs,
        "startup_runs": startup,
        **{key: round(value, 4) for key, value in middle.items()},
        "startup": round(start, 4),
        "mb_per_s": made["bytes"] / 1e6 / middle["seconds"],
        "mb_per_s_without_startup": _rate(made["bytes"] / 1e6, middle["seconds"], start),
        "records_per_s": made["records"] / middle["seconds"],
        "mb_per_cpu_s": made["bytes"] / 1e6 / middle["cpu"],
    }


def _rate(megabytes: float, seconds: float, startup: float) -> float | None:
    """MB/s without the start; None where the work is too short beside it to tell."""
    return megabytes / (seconds - startup) if seconds > 1.25 * startup else None


def table(rows: list[dict[str, Any]]) -> str:
    """One record size, compression and number of workers as Markdown; ratios are ours to theirs."""
    first = rows[0]
    ours = next((row for row in rows if row["name"] == "toolkit" and "seconds" in row), None)
    lines = [
        f"{first['bytes'] / 1e6:.0f} MB, {first['records']:,} records of about {first['record_bytes']:,} "
        f"bytes, written as {first['compression']}, {first['workers']} worker(s)",
        "",
        "| contestant | MB/s | without start | records/s | s | start s | CPU s | MB/CPU s | peak MB | "
        "written MB | ours : theirs | without start | does |",
        "| --- |" + " ---: |" * 11 + " --- |",
    ]
    for row in rows:
        if "missing" in row:
            lines.append(f"| {row['name']} | {row['missing']} |" + " |" * 10 + f" {row['does']} |")
            continue
        ratios = ["", ""]
        if ours:
            ratios = [_ratio(ours[key], row[key]) for key in ("mb_per_s", "mb_per_s_without_startup")]
        cells = [
            row["name"], f"{row['mb_per_s']:.1f}", _shown(row["mb_per_s_without_startup"]),
            f"{row['records_per_s']:,.0f}", f"{row['seconds']:.2f}", f"{row['startup']:.2f}",
            f"{row['cpu']:.2f}", f"{row['mb_per_cpu_s']:.1f}", f"{row['peak_mb']:.0f}",
            f"{row['written'] / 1e6:.1f}", *ratios, row["does"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _shown(rate: float | None) -> str:
    return "too short" if rate is None else f"{rate:.1f}"


def _ratio(ours: float | None, theirs: float | None) -> str:
    return f"{ours / theirs:.2f}" if ours and theirs else "too short"
