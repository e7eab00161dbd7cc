"""The whole stage, text to gold Parquet: MB/s, tokens/s, seconds by step, and memory as the input grows."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import launch
from benchmarks.ingest_speed import chat_lines

RECORD_BYTES, CORES = 2_000, (1, 2)
Row = dict[str, Any]


def stage(sizes: tuple[int, ...], tokenizer: Path) -> list[Row]:
    """One row a size in MB and number of cores: ``toolkit pack`` as a command, starts included."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "chats.jsonl"
        for megabytes in sizes:
            with given.open("wb") as file:
                file.writelines(islice(chat_lines(RECORD_BYTES), megabytes * 1_000_000 // RECORD_BYTES))
            for cores in [count for count in CORES if count == max(CORES) or megabytes == min(sizes)]:
                out = Path(folder) / "out"
                command = [sys.executable, "-m", "toolkit", "pack", str(given), "--out", str(out), "-q"]
                command += ["--tokenizer", str(tokenizer.resolve()), "--workers", str(cores)]
                run = launch.launch(command, cores)
                if "error" not in run:
                    run["steps"] = json.loads((out / "timings.json").read_text())
                    manifest = json.loads((out / "MANIFEST.json").read_text())
                    run["tokens"] = manifest["ledgers"][1]["out"]["size"]
                rows.append({"bytes": given.stat().st_size, "cores": cores} | run)
                print(rows[-1], file=sys.stderr)
                shutil.rmtree(out, ignore_errors=True)
    return rows


def table(rows: list[Row]) -> str:
    """As Markdown."""
    head = (
        "MB of text",
        "cores",
        "s",
        "MB/s",
        "million tokens/s",
        "peak MB of the largest",
        "seconds by step",
    )
    lines = [head]
    for row in rows:
        size = row["bytes"] / 1e6
        if "error" in row:
            lines.append((f"{size:.0f}", str(row["cores"]), row["error"].splitlines()[-1], "", "", "", ""))
            continue
        steps = ", ".join(f"{name} {step['seconds']:.1f}" for name, step in row["steps"].items())
        rate, tokens = size / row["seconds"], row["tokens"] / 1e6 / row["seconds"]
        cells = (f"{row['seconds']:.1f}", f"{rate:.1f}", f"{tokens:.1f}", f"{row['peak_mb']:.0f}", steps)
        lines.append((f"{size:.0f}", str(row["cores"]), *cells))
    return launch.markdown(lines)
