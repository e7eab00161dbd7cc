"""Runs a stage's jobs: skips what is done, measures the rest, keeps results in the order of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from toolkit.pipeline.jobs import Job, Outcome, peak_memory
from toolkit.pipeline.progress import Progress
from toolkit.pipeline.workers import Workers
from toolkit.storage import PartManifest

DOOR = "ingest"  # the one stage that reads raw bytes: its speed is kept by part and by source
_Result = TypeVar("_Result")


@dataclass
class Runner:
    """The workers, what shows their progress, and the time and memory each stage took."""

    workers: Workers
    progress: Progress
    timings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.workers.device is not None:
            self.progress.note(f"device: {self.workers.device.name} ({self.workers.device.reason})")

    def stage(self, name: str, jobs: Sequence[Job]) -> list[PartManifest]:
        """Run the jobs that are not done; return all manifests, in the order of the jobs."""
        started = time.perf_counter()
        found = [job.done() for job in jobs]
        missing = [number for number, manifests in enumerate(found) if manifests is None]
        peak = peak_memory()
        self.workers.ready(len(missing))
        with self.progress.stage(name, len(jobs), len(jobs) - len(missing)) as advance:

            def ended(outcome: Outcome | None = None) -> None:
                read = outcome.manifests if outcome is not None and name == DOOR else ()
                advance(1, **_summed(amounts(manifest) for manifest in read))

            outcomes = self.workers.run([jobs[number] for number in missing], ended)
        for number, outcome in zip(missing, outcomes, strict=True):
            found[number] = list(outcome.manifests)
            peak = max(peak, outcome.peak_bytes)
        self._took(name, started, outcomes, len(jobs), peak)
        return [manifest for manifests in found for manifest in manifests or ()]

    def flow(self, name: str, jobs: Iterable[Job]) -> None:
        """Run jobs of the door as they come, a few at a time."""
        started, outcomes, peak = time.perf_counter(), [], peak_memory()
        self.workers.ready(2, self.workers.count)  # this process only reads
        with self.progress.stage(name, 0, 0) as advance:
            for outcome in self.workers.flow(jobs):
                advance(1, **_summed(amounts(manifest) for manifest in outcome.manifests))
                outcomes.append(outcome)
                peak = max(peak, outcome.peak_bytes)
        self._took(name, started, outcomes, len(outcomes), peak)

    def _took(self, name: str, started: float, outcomes: Sequence[Outcome], tasks: int, peak: int) -> None:
        self.timings[name] = {
            "seconds": round(time.perf_counter() - started, 3),
            "work_seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
            "tasks": tasks,
            "done_before": tasks - len(outcomes),
            "peak_mb": round(peak / 2**20, 1),
        }
        if name == DOOR:
            self.timings[name] |= speeds(outcomes)

    def alone(self, name: str, work: Callable[[], _Result]) -> _Result:
        """Do a stage that is one task of this process, and note what it took."""
        started = time.perf_counter()
        with self.progress.stage(name, 1, 0) as advance:
            result = work()
            advance()
        seconds = round(time.perf_counter() - started, 3)
        took = {"seconds": seconds, "work_seconds": seconds, "tasks": 1, "done_before": 0}
        self.timings[name] = {**took, "peak_mb": round(peak_memory() / 2**20, 1)}
        return result


def amounts(manifest: PartManifest) -> dict[str, int]:
    """Records and bytes that came into a part of bronze, and how many records were set aside."""
    books = manifest.ledgers[0]
    return {
        "records": books.records_in.records,
        "bytes": books.records_in.size + sum(books.overhead.values()),
        "quarantined": sum(group.records for group in books.quarantined.values()),
    }


def speeds(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Seconds, records and bytes of the parts that these jobs made, by part and by source.

    ``seconds`` are those of work, summed over processes; of a job that makes several parts each
    gets what its bytes are of the whole.
    """
    parts: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        read = {manifest.task.removeprefix("ingest "): amounts(manifest) for manifest in outcome.manifests}
        whole = sum(amount["bytes"] for amount in read.values())
        for part, amount in read.items():
            share = amount["bytes"] / whole if whole else 1 / len(read)
            parts[part] = {"seconds": round(outcome.seconds * share, 4), **amount}
            source = sources.setdefault(part.rpartition("/")[0], {})
            source |= _summed([source, {"seconds": outcome.seconds * share, **amount}])
    for source in sources.values():
        source["seconds"] = round(source["seconds"], 4)
    return {"parts": parts, "sources": sources}


def _summed(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            total[name] = total.get(name, 0) + value
    return total
