"""Where our time goes: the steps of an ingest, one after another, in one process, on one core's work.

    read · census (hash of the file, cuts) · frame · validate · hash · construct · compress · write and fsync

The steps are those of ``toolkit.ingest`` called by hand on spans of a shard's size, so that each is
timed by itself; what joins them (books, manifests, processes) is not in it. Kernels are compiled first.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ingest_speed import SIZES, write_input

SHARD_BYTES = 16 << 20
LEVEL = 1  # the default of the toolkit
Seconds = dict[str, float]


def profile(megabytes: int, repeat: int) -> list[dict[str, Any]]:
    """One row a record size: seconds of each step, every repetition; the best is printed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        split_by_step(write_input(Path(folder) / "warm", 200, 1)["folder"])
        for size in SIZES:
            made = write_input(Path(folder) / str(size), size, megabytes)
            runs = [split_by_step(made["folder"]) for _ in range(repeat)]
            rows.append(
                {"record_bytes": size, "bytes": made["bytes"], "records": made["records"], "runs": runs}
            )
    return rows


def split_by_step(folder: Path) -> Seconds:
    """Seconds of each step over the files of ``folder``; here alone the room's own functions are called."""
    import hashlib

    import numpy as np
    import pyarrow as pa

    from toolkit.ingest import Door, Limits, Options, judge
    from toolkit.ingest.formats import jsonl
    from toolkit.kernels.json_lines import bronze_lines, digests

    spent: Seconds = defaultdict(float)
    door = Door("bench", "synthetic", 1, None, None, None, "2026-01-01", "run")
    options, limits = Options("part.jsonl"), Limits(SHARD_BYTES, 16 << 20)
    for path in sorted(folder.glob("*.jsonl")):
        with _step(spent, "read"):
            whole = path.read_bytes()
        with _step(spent, "census"):
            hashlib.sha256(whole).hexdigest()
            spans = list(jsonl.cut([whole], limits, options))
        for span in spans:
            data = whole[span.start : span.stop]
            with _step(spent, "frame"):
                frames = jsonl.frames(data, span, options)
            with _step(spent, "validate"):
                judged = judge(frames, limits.max_record_bytes)
            with _step(spent, "hash"):
                hashes = digests(frames.data, frames.start, frames.stop)
            with _step(spent, "construct"):
                facts, which = door.facts(frames, judged)
                place = frames.line, frames.offset, frames.length
                lines = bronze_lines(
                    frames.data,
                    frames.start,
                    frames.stop,
                    hashes,
                    *place,
                    b'"part.jsonl"',
                    facts.texts,
                    which,
                )
            with _step(spent, "compress"):
                packed = pa.Codec("zstd", compression_level=LEVEL).compress(np.ascontiguousarray(lines))
            with _step(spent, "write and fsync"), (folder / "out").open("wb") as file:
                file.write(packed)
                file.flush()
                os.fsync(file.fileno())
    return dict(spent)


@contextmanager
def _step(spent: Seconds, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    spent[name] += time.perf_counter() - start


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown: MB/s of each step, and its share of the whole."""
    steps = list(rows[0]["runs"][0])
    lines = ["| records | MB/s of all | " + " | ".join(steps) + " |", "|" + " ---: |" * (len(steps) + 2)]
    for row in rows:
        best = min(row["runs"], key=lambda run: sum(run.values()))
        whole, megabytes = sum(best.values()), row["bytes"] / 1e6
        cells = [f"{megabytes / best[s]:,.0f} MB/s, {best[s] / whole:.0%}" for s in steps]
        lines.append(f"| {row['record_bytes']:,} B | {megabytes / whole:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
