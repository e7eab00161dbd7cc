"""How much memory an ingest of any size takes: JSON lines through a pipe, and from a file.

    python -m benchmarks.ingest_memory 1000000000 | head    writes the lines themselves

The peak is that of all processes of the ingest together, shared pages counted once (the sum of their
proportional set sizes, sampled every 20 ms), and beside it the resident peak of the largest one, as the
kernel keeps it. The generator is a process apart and is not counted.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.ingest_peers import toolkit_command
from benchmarks.ingest_speed import chat_lines
from benchmarks.launch import REPO, watch


def memory(gigabytes: tuple[float, ...], workers: int) -> list[dict[str, Any]]:
    """One row a size and a way in, a pipe or a file."""
    rows = []
    for size in gigabytes:
        for way in ("pipe", "file"):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(_measure(way, int(size * 1e9), workers, Path(folder)))
            print(table(rows[-1:]), file=sys.stderr)
    return rows


def write_lines(size: int, out: Any) -> None:
    """At least ``size`` bytes of JSON lines of 200 B, 2 kB and 20 kB, no two alike."""
    tails = [line[len(b'{"id":"') :] for bytes_, count in ((200, 4_000), (2_000, 1_000), (20_000, 100))
             for line in islice(chat_lines(bytes_), count)]  # fmt: skip
    written = turn = 0
    while written < size:
        block = b"".join(b'{"id":"%06d-%b' % (turn, tail) for tail in tails)
        out.write(block)
        written, turn = written + len(block), turn + 1


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| in | GB | workers | peak of all MB | peak of the largest MB | s | MB/s |", "|" + " --- |" * 7]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['way']} | {row['bytes'] / 1e9:g} | {row['error']} | | | | |")
            continue
        cells = (
            row["way"], f"{row['bytes'] / 1e9:.1f}", str(row["workers"]), f"{row['peak_mb']:.0f}",
            f"{row['largest_mb']:.0f}", f"{row['seconds']:.1f}", f"{row['bytes'] / 1e6 / row['seconds']:.0f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measure(way: str, size: int, workers: int, folder: Path) -> dict[str, Any]:
    maker = [sys.executable, "-m", "benchmarks.ingest_memory", str(size)]
    if way == "file":
        with (folder / "in.jsonl").open("wb") as file:
            subprocess.run(maker, stdout=file, cwd=REPO, check=True)
        feed = subprocess.Popen(["true"], stdout=subprocess.PIPE)
        command = toolkit_command([folder / "in.jsonl"], folder / "lake", workers)
    else:
        feed = subprocess.Popen(maker, stdout=subprocess.PIPE, cwd=REPO)
        select.select([feed.stdout], [], [])  # until the generator has something to say
        command = toolkit_command(["-"], folder / "lake", workers)
    start = time.perf_counter()
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, stdin=feed.stdout, stdout=subprocess.DEVNULL, stderr=errors)
        feed.stdout.close()
        peak, largest = watch(process)
    seconds = time.perf_counter() - start
    feed.terminate()
    feed.wait()
    row: dict[str, Any] = {"way": way, "bytes": size, "workers": workers}
    if process.returncode:
        return row | {"error": (folder / "errors").read_text()[-200:].replace("\n", " ")}
    return row | {"peak_mb": peak, "largest_mb": largest, "seconds": seconds}


if __name__ == "__main__":
    try:
        write_lines(int(sys.argv[1]), sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # nobody reads any more, and the interpreter must not complain of it at its end
