"""The main job: a spec to a lake.

    plan -> ingest -> refine -> bands -> verify -> silver -> tokenizer -> tokens -> gold -> publish

Everything that can be refused is refused before the lake is touched. From then on the lake is
unfinished (it has no root manifest) until the last step, and the same command goes on from
whatever parts are finished.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.clean_bronze import apply_tombstones, read_bronze
from toolkit.pipeline.deliveries import listing_of, read_deliveries, without_changed
from toolkit.pipeline.plan import EVAL_ITEMS, Plan, make_plan
from toolkit.pipeline.processes import ENOUGH_TO_REFINE, start_early
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.publish import REPORT, drop_work, publish, published, run_key, unpublish
from toolkit.pipeline.result import Run
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.reader import load_spec
from toolkit.pipeline.spec.tables import Spec
from toolkit.pipeline.spec.writer import to_toml
from toolkit.pipeline.stages.eval_items import read_eval_items
from toolkit.pipeline.tombstones import Tombstones
from toolkit.pipeline.watermarks import read_marks, write_marks
from toolkit.pipeline.workers import Workers, device_of
from toolkit.storage import PartManifest, clean_leftovers, locked, mark_scratch, write_atomic, write_parquet
from toolkit.storage.atomic import storage_error

if TYPE_CHECKING:
    from toolkit.pipeline.stages.ingest import IngestJob


def run(
    spec: str | Path | Spec,
    workers: int | None = None,
    device: str | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    gpu_memory: str | int | None = None,
) -> Run:
    """Build the lake that ``spec`` describes; skip whatever is already done.

    ``workers`` processes (default: the cores), or a Dask ``cluster`` (``local:N`` or an address).
    ``device``: see ``kernels.pick``; ``gpu_memory`` is what all of them may use of a card.
    Raises RequestError for a wrong request, GateError when a gate or the books fail, and leaves
    the lake as it was or resumable.
    """
    started = time.perf_counter()
    spec = spec if isinstance(spec, Spec) else load_spec(Path(spec))
    picked = device_of(device, gpu_memory, workers, cluster)
    given = [[s.path] if isinstance(s.path, str) else s.path for s in spec.source]
    start_early((spec.base / path for paths in given for path in paths), workers, cluster, ENOUGH_TO_REFINE)
    if spec.lake.layer == "bronze":
        from toolkit.pipeline.ingest import ingest_spec

        return ingest_spec(spec, workers, cluster, progress)
    with Workers(workers, cluster, device=picked) as pool:
        lake = spec.lake_path
        dead = Tombstones.read(lake)
        plan = make_plan(spec, frozenset(dead.sources))
        spec = dated(spec)
        make_folder(lake)
        with locked(lake):
            if Tombstones.read(lake) != dead:
                raise ToolkitError(f"{lake} changed while its sources were read: run the same command again.")
            plan.check_still_true()
            return _run_locked(spec, plan, dead, Runner(pool, progress or Silent()), started)


def _run_locked(spec: Spec, plan: Plan, dead: Tombstones, runner: Runner, started: float) -> Run:
    lake = spec.lake_path
    clean_leftovers(lake)
    manifest = published(lake, _key(spec, plan, dead)) if dead.applied else None
    worked = manifest is None
    if manifest is None:
        _refuse_early(spec, plan, dead)
        mark_scratch(lake)
        unpublish(lake)
        write_atomic(lake / "spec.toml", to_toml(spec).encode())
        manifest = _make(spec, plan, runner, started)
    if not worked and read_marks(lake) != plan.marks():
        write_marks(lake, plan.marks())
    with ThreadPoolExecutor(1) as aside:  # giving back a lake's worth of pages takes as long as a report
        dropped = aside.submit(drop_work, lake)
        if worked or not (lake / REPORT).exists():
            from toolkit.pipeline.report.page import report

            report(lake)
        dropped.result()
    return Run(lake, manifest, time.perf_counter() - started, worked)


def _refuse_early(spec: Spec, plan: Plan, dead: Tombstones) -> None:
    """RequestError for what can be known to fail, while the lake is still as it was."""
    from toolkit import dedup
    from toolkit.pipeline.stages.tokens import load_named

    dedup.plan_bands(spec.dedup.threshold, spec.dedup.recall)
    dedup.exact_threshold(str(spec.dedup.threshold))
    load_named(spec.base, spec.packing)
    read_eval_items(spec.decontaminate.set, plan.eval_files)
    check_sources(spec, dead)
    check_kept(planned_jobs(spec, plan, dead))


def check_sources(spec: Spec, dead: Tombstones) -> None:
    """RequestError when the lake was given a source that the spec does not name and nobody forgot."""
    held = set(read_deliveries(spec.lake_path))
    if lost := sorted(held - set(dead.sources) - {source.id for source in spec.source}):
        drop = f"toolkit forget {spec.lake_path} --source {lost[0]}"
        raise RequestError(
            f"the lake holds source {lost[0]!r}, which the spec no longer names. To drop it: {drop}. "
            "To keep it, name it again, or give this spec a lake of its own."
        )


def _make(spec: Spec, plan: Plan, runner: Runner, started: float) -> dict[str, Any]:
    # Imported here: a run with nothing to do must not wait for the kernels to load.
    from toolkit.pipeline.bronze_layer import Bronze
    from toolkit.pipeline.build import build

    lake, evaluation = spec.lake_path, plan.eval_sha256()
    apply_tombstones(lake, spec)
    dead = Tombstones.read(lake)
    parts = land(spec, plan, dead, runner)
    if spec.decontaminate.set:
        write_parquet(lake / EVAL_ITEMS, read_eval_items(spec.decontaminate.set, plan.eval_files))
    else:
        (lake / EVAL_ITEMS).unlink(missing_ok=True)
    given = {name: without_changed(found, parts[name]) for name, found in plan.deliveries().items()}
    listing = listing_of(given)
    built = build(spec, Bronze(listing, parts), plan.pins, runner)
    runner.timings["total"] = {"seconds": round(time.perf_counter() - started, 3)}
    key = _key(spec, plan, dead)
    manifest = publish(spec, key, built, listing, given, evaluation, plan.pins, runner.timings)
    write_marks(lake, plan.marks())
    return manifest


def _key(spec: Spec, plan: Plan, dead: Tombstones) -> str:
    return run_key(spec, plan.listing(), plan.eval_sha256(), plan.pins, dead)


def land(spec: Spec, plan: Plan, dead: Tombstones, runner: Runner) -> dict[str, list[PartManifest]]:
    """Land what is planned: the manifests of all bronze parts. GateError when too much is rejected."""
    from toolkit.pipeline.bronze_layer import check_rejects

    jobs = planned_jobs(spec, plan, dead)
    runner.stage("ingest", jobs)
    names: dict[str, list[str]] = {item.source.id: [] for item in plan.sources}
    for job in jobs:
        names[job.door.source_id] += [job.part(i) for i in range(len(job.parts))]
    parts = read_bronze(spec.lake_path, names)
    check_rejects(spec, plan.listing(), parts)
    return parts


def planned_jobs(spec: Spec, plan: Plan, dead: Tombstones) -> list[IngestJob]:
    """The jobs that land what is planned."""
    from toolkit.pipeline.stages.ingest import ingest_jobs

    assert spec.lake.logical_date is not None
    return ingest_jobs(spec, plan, spec.lake.logical_date, dead)


def check_kept(jobs: Sequence[IngestJob]) -> None:
    """RequestError when a part must be made anew whose raw bytes are gone."""
    for job in jobs:
        if any(piece.file not in job.paths for part in job.parts for piece in part):
            job.done()


def dated(spec: Spec) -> Spec:
    """The spec with its date: its own, else the one its lake remembers, else today's."""
    remembered = spec.lake_path / "spec.toml"
    date = spec.lake.logical_date
    if date is None and remembered.exists():
        date = load_spec(remembered).lake.logical_date
    return replace(spec, lake=replace(spec.lake, logical_date=date or datetime.date.today().isoformat()))


def make_folder(lake: Path) -> None:
    """Create the lake's folder; ToolkitError says why it cannot be."""
    try:
        lake.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, lake) from error
