"""Runs a stage's jobs: skips what is done, measures the rest, keeps results in the order of jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.pipeline.jobs import Job, peak_memory
from toolkit.pipeline.progress import Progress
from toolkit.pipeline.workers import Workers
from toolkit.storage import PartManifest


@dataclass
class Runner:
    """The workers, what shows their progress, and the time and memory each stage took."""

    workers: Workers
    progress: Progress
    timings: dict[str, dict[str, float]] = field(default_factory=dict)

    def stage(self, name: str, jobs: Sequence[Job]) -> list[PartManifest]:
        """Run the jobs that are not done; return all manifests, in the order of the jobs."""
        started = time.perf_counter()
        found = [job.done() for job in jobs]
        missing = [number for number, manifests in enumerate(found) if manifests is None]
        peak = peak_memory()
        with self.progress.stage(name, len(jobs), len(jobs) - len(missing)) as advance:
            outcomes = self.workers.run([jobs[number] for number in missing], advance)
        for number, outcome in zip(missing, outcomes, strict=True):
            found[number] = list(outcome.manifests)
            peak = max(peak, outcome.peak_bytes)
        self.timings[name] = {
            "seconds": round(time.perf_counter() - started, 3),
            "work_seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
            "tasks": len(jobs),
            "done_before": len(jobs) - len(missing),
            "peak_mb": round(peak / 2**20, 1),
        }
        return [manifest for manifests in found for manifest in manifests or ()]
