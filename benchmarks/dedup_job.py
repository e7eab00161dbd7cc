"""Parquet in, survivors out: the whole job of every tool on the same files, and who is right.

Each run is a fresh process held to its cores; reading, hashing, matching, verifying and writing count,
starting too. Where our time goes is measured in runs of their own, stage by stage (``steps``). What the
tools kept is then judged row by row (``dedup_agreement``).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import launch
from benchmarks.dedup_agreement import agreement
from benchmarks.dedup_agreement import table as agreement_table
from benchmarks.dedup_job_peers import JOBS, THRESHOLD, WORDS, kept
from benchmarks.dedup_texts import plant, write

FILES = 4
Row = dict[str, Any]


def job(sizes: tuple[int, ...], cores: int, repeat: int, tools: list[str]) -> list[Row]:
    """One entry a size: a row a tool, our steps, and the agreement of what was kept."""
    found = []
    for texts in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found.append(_size(Path(folder), texts, cores, repeat, tools))
        print(tables(found[-1:]), file=sys.stderr)
    return found


def _size(folder: Path, texts: int, cores: int, repeat: int, tools: list[str]) -> Row:
    corpus = plant(texts)
    write(corpus, folder / "in", FILES)
    there = [name for name in tools if find_spec(JOBS[name].package)]
    ids: dict[str, set[str]] = {}

    def run(name: str) -> launch.Run:
        out = folder / "out"
        arguments = [name, str(folder / "in"), str(out), str(cores)]
        cost = launch.launch([sys.executable, "-m", "benchmarks.dedup_job_peers", *arguments], cores)
        if "error" not in cost:
            ids.setdefault(name, kept(name, out))
        shutil.rmtree(out, ignore_errors=True)
        return cost

    runs = launch.take_turns(there, run, repeat)
    rows = [_row(name, runs.get(name, []), ids.get(name)) for name in tools]
    return {
        "texts": texts,
        "bytes": corpus["text"].nbytes,
        "planted": len(corpus) - corpus["kind"].to_pylist().count("original"),
        "cores": cores,
        "rows": rows,
        "steps": [_steps(folder, cores) for _ in range(repeat)],
        "agreement": agreement(corpus, ids, THRESHOLD, f"word:{WORDS}"),
    }


def _row(name: str, runs: list[launch.Run], ids: set[str] | None) -> Row:
    row: Row = {"name": name, "does": JOBS[name].does, "runs": runs}
    seconds = launch.middle(runs)
    if seconds is None or ids is None:
        return row | {"missing": launch.failure(runs)}
    middles = {key: launch.middle(runs, key) for key in ("seconds", "cpu", "peak_mb")}
    return row | middles | {"kept": len(ids)}


def _steps(folder: Path, cores: int) -> dict[str, float]:
    """Seconds of each of our stages, and of what lies between them, in a process of its own."""
    out = folder / "steps.json"
    arguments = [str(folder / "in"), str(folder / "stepped"), str(cores), str(out)]
    cost = launch.launch([sys.executable, "-m", "benchmarks.dedup_job", *arguments], cores)
    shutil.rmtree(folder / "stepped", ignore_errors=True)
    return {"failed": 0.0} if "error" in cost else json.loads(out.read_text())


class Stopwatch:
    """Progress that is shown to nobody: the seconds of each stage, and of what follows it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last, self._name = time.perf_counter(), "begin"

    @contextmanager
    def stage(self, name: str, tasks: int, done: int) -> Iterator[Callable[..., None]]:
        """See toolkit.pipeline.progress."""
        self._note(f"after {self._name}")
        yield lambda _count=1, **_counts: None
        self._note(name)
        self._name = name

    def note(self, text: str) -> None:
        """See toolkit.pipeline.progress; nobody reads it here."""

    def end(self) -> dict[str, float]:
        """All seconds, the last ones included."""
        self._note(f"after {self._name}")
        return self.seconds

    def _note(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def tables(found: list[Row]) -> str:
    """Every size: times, where ours goes, agreement."""
    return "\n\n".join(
        part
        for entry in found
        for part in (_times(entry), _split(entry), agreement_table(entry["agreement"]))
    )


def _times(entry: Row) -> str:
    ours = next((row.get("seconds") for row in entry["rows"] if row["name"] == "toolkit"), None)
    lines = [("tool", "s", "theirs : ours", "MB/s", "CPU s", "peak MB of the largest", "kept", "does")]
    for row in entry["rows"]:
        if "missing" in row:
            lines.append((row["name"], row["missing"], "", "", "", "", "", row["does"]))
            continue
        lines.append(
            (row["name"], f"{row['seconds']:.1f}", launch.ratio(row["seconds"], ours),
             f"{entry['bytes'] / 1e6 / row['seconds']:.1f}", f"{row['cpu']:.1f}", f"{row['peak_mb']:.0f}",
             f"{row['kept']:,}", row["does"])
        )  # fmt: skip
    head = (
        f"{entry['texts']:,} texts, {entry['bytes'] / 1e6:.0f} MB, {entry['planted']:,} of them planted, "
        f"threshold {THRESHOLD}, word:{WORDS}, {entry['cores']} core(s)"
    )
    return f"{head}\n\n{launch.markdown(lines)}"


def _split(entry: Row) -> str:
    best = min(entry["steps"], key=lambda steps: sum(steps.values()))
    whole = sum(best.values()) or 1.0
    lines = [("step of ours", "s", "share"),
             *((name, f"{seconds:.2f}", f"{seconds / whole:.0%}") for name, seconds in best.items()
               if seconds >= 0.005)]  # fmt: skip
    told = ""
    if best.get("sketch"):
        told = f"\n\nVerifying took {best['verify'] / best['sketch']:.2f} of what sketching took."
    return launch.markdown(lines) + told


def main() -> None:
    """Dedup one folder with a stopwatch."""
    import toolkit

    folder, out, cores, path = sys.argv[1:]
    watch = Stopwatch()
    files = sorted(map(str, Path(folder).glob("*.parquet")))
    toolkit.dedup(files, out, threshold=float(THRESHOLD), workers=int(cores), progress=watch)
    Path(path).write_text(json.dumps(watch.end()))


if __name__ == "__main__":
    main()
