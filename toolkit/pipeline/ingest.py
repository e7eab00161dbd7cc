"""The door alone: raw files, or what comes through a pipe, to bronze shards with their books.

For people with a pipeline of their own. What is written is a lake that has only its first
layer: audit, trace, quarantine and forget work on it, and ``run`` can go on from it. Without a
folder to write to, the same records come as a stream.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, overload

from toolkit.errors import RequestError
from toolkit.ingest import expand
from toolkit.pipeline.arrivals import cut_settings
from toolkit.pipeline.clean_bronze import apply_tombstones, read_bronze
from toolkit.pipeline.deliveries import Deliveries, listing_of, read_deliveries, without_changed
from toolkit.pipeline.land_stream import STDIN, land_stream
from toolkit.pipeline.plan import Pins, make_plan
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.publish import drop_work, publish, published, run_key, unpublish
from toolkit.pipeline.result import Run
from toolkit.pipeline.run import check_kept, check_sources, dated, land, make_folder, planned_jobs
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.reader import check_spec, load_spec
from toolkit.pipeline.spec.tables import Ingest, LakeTable, Source, Spec
from toolkit.pipeline.spec.writer import to_toml
from toolkit.pipeline.tombstones import Tombstones
from toolkit.pipeline.watermarks import read_marks, write_marks
from toolkit.pipeline.workers import Workers
from toolkit.storage import clean_leftovers, locked, write_atomic

if TYPE_CHECKING:
    from toolkit.pipeline.streamed import Streamed

Paths = str | Path | Sequence[str | Path]


@overload
def ingest(
    paths: Paths,
    out: None = None,
    source: str = ...,
    type: str = ...,
    license: str | None = ...,
    format: str = ...,
    document: str = ...,
    require: str | Sequence[str] = ...,
    declared_id: str | None = ...,
    settings: Ingest | None = ...,
    logical_date: str | None = ...,
    workers: None = ...,
    cluster: None = ...,
    executor: Executor | None = ...,
    progress: Progress | None = ...,
    stdin: BinaryIO | None = ...,
) -> Streamed: ...
@overload
def ingest(
    paths: Paths,
    out: str | Path,
    source: str = ...,
    type: str = ...,
    license: str | None = ...,
    format: str = ...,
    document: str = ...,
    require: str | Sequence[str] = ...,
    declared_id: str | None = ...,
    settings: Ingest | None = ...,
    logical_date: str | None = ...,
    workers: int | None = ...,
    cluster: str | None = ...,
    executor: Executor | None = ...,
    progress: Progress | None = ...,
    stdin: BinaryIO | None = ...,
) -> Run: ...


def ingest(
    paths: Paths,
    out: str | Path | None = None,
    source: str = "files",
    type: str = "public_dataset",
    license: str | None = None,
    format: str = "auto",
    document: str = "blank-line",
    require: str | Sequence[str] = (),
    declared_id: str | None = None,
    settings: Ingest | None = None,
    logical_date: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> Run | Streamed:
    """Land ``paths`` (files, folders, globs; ``-`` alone is standard input) as bronze shards in ``out``.

    Of ``paths`` and of ``require`` there may be one or a list. A second call lands only what is new.
    ``settings`` are those of a spec's ``[ingest]``; ``executor`` is any of ``concurrent.futures``.
    Raises RequestError for a wrong request, and GateError when more is rejected than
    ``settings.max_reject_share`` or the books do not balance.

    Read back what has landed with ``toolkit.ingest.records(run.lake)`` or ``.batches(run.lake)``.
    Without ``out`` nothing is written: the records come from the Streamed that is returned.
    """
    started = time.perf_counter()
    named = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    one = Source(
        source,
        type,
        tuple(named),
        license=license,
        format=format,
        document=document,
        require=(require,) if isinstance(require, str) else tuple(require),
        declared_id=declared_id,
    )
    table = LakeTable("" if out is None else str(out), logical_date, "bronze")
    spec = Spec(Path.cwd(), table, (one,), settings or Ingest())
    check_spec(spec)
    if STDIN in named and len(named) > 1:
        raise RequestError("- is standard input and must be the only path.")
    if out is None:
        if workers is not None or cluster is not None:
            raise RequestError("workers and cluster need out; without it, give an executor.")
        return _streamed(spec, stdin if stdin or named != [STDIN] else _stdin(), executor)
    spec = _with_others(spec, settings is None)
    if source in Tombstones.read(spec.lake_path).sources:
        raise RequestError(
            f"{source!r} was forgotten in {spec.lake_path}: it stays out. Name another source."
        )
    with Workers(workers, cluster, executor) as pool:
        runner = Runner(pool, progress or Silent())
        if named == [STDIN]:
            return _from_stream(spec, one, stdin or _stdin(), runner, started)
        return _from_files(spec, runner, started, frozenset([source]))


def ingest_spec(
    spec: Spec, workers: int | None = None, cluster: str | None = None, progress: Progress | None = None
) -> Run:
    """Land what a spec whose lake ends with bronze names."""
    with Workers(workers, cluster) as pool:
        return _from_files(spec, Runner(pool, progress or Silent()), time.perf_counter())


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise RequestError("standard input is closed: there is nothing to read.")
    return sys.stdin.buffer


def _streamed(spec: Spec, stdin: BinaryIO | None, executor: Executor | None) -> Streamed:
    from toolkit.pipeline.streamed import Streamed

    date = spec.lake.logical_date or datetime.date.today().isoformat()
    spec, source = replace(spec, lake=replace(spec.lake, logical_date=date)), spec.source[0]
    if source.path == (STDIN,) and stdin is not None:
        return Streamed(spec, [("stdin", stdin)], executor)
    try:
        found = [expand(spec.base, pattern, source.id, source.format) for pattern in source.path]
    except FileNotFoundError as error:
        raise RequestError(str(error)) from None
    named = dict(item for files in found for item in files)
    return Streamed(spec, sorted(named.items(), key=lambda item: item[0].encode()), executor)


def _with_others(spec: Spec, same_settings: bool) -> Spec:
    """The spec with the sources that its lake holds besides, and if wanted the lake's ``[ingest]``.

    RequestError when the lake is one of ``run``.
    """
    path = spec.lake_path / "spec.toml"
    if not path.exists():
        return spec
    old = load_spec(path)
    if old.lake.layer != spec.lake.layer:
        raise RequestError(
            f"{spec.lake_path} is a lake of `toolkit run`: name the files as a source of its spec and run "
            "that, or choose another folder."
        )
    sources = {source.id: _moved(source, old.base, spec.base) for source in old.source}
    spec = replace(spec, ingest=old.ingest) if same_settings else spec
    return replace(spec, source=tuple((sources | {spec.source[0].id: spec.source[0]}).values()))


def _moved(source: Source, old: Path, new: Path) -> Source:
    """The source with its paths relative to another folder."""
    paths = [source.path] if isinstance(source.path, str) else source.path
    if old.resolve() == new.resolve() or STDIN in paths:
        return source
    return replace(source, path=tuple(os.path.relpath(old / path, new) for path in paths))


def _from_files(spec: Spec, runner: Runner, started: float, reading: frozenset[str] | None = None) -> Run:
    dead = Tombstones.read(spec.lake_path)
    plan = make_plan(spec, frozenset(dead.sources), reading)
    spec = dated(spec)
    check_sources(spec, dead)
    make_folder(spec.lake_path)
    with locked(spec.lake_path):
        plan.check_still_true()
        clean_leftovers(spec.lake_path)
        found = published(spec.lake_path, _key(spec, plan.listing(), dead)) if dead.applied else None
        if found is not None:
            if read_marks(spec.lake_path) != plan.marks():
                write_marks(spec.lake_path, plan.marks())
            return Run(spec.lake_path, found, time.perf_counter() - started, False)
        check_kept(planned_jobs(spec, plan, dead))
        _begin(spec)
        parts = land(spec, plan, Tombstones.read(spec.lake_path), runner)
        return _publish(spec, plan.deliveries(), parts, plan.marks(), runner, started)


def _from_stream(spec: Spec, source: Source, stdin: BinaryIO, runner: Runner, started: float) -> Run:
    spec, dead = dated(spec), Tombstones.read(spec.lake_path)
    known = read_deliveries(spec.lake_path).get(source.id)
    _check_cut(spec, source, known)
    there = tuple(item for item in spec.source if item.id != source.id or known is not None)
    resting = replace(spec, source=there)
    plan = make_plan(resting, frozenset(dead.sources), frozenset())
    make_folder(spec.lake_path)
    with locked(spec.lake_path):
        plan.check_still_true()
        clean_leftovers(spec.lake_path)
        check_kept(planned_jobs(resting, plan, dead))
        _begin(spec)
        parts = land(resting, plan, dead, runner)
        given = plan.deliveries()
        given[source.id] = land_stream(spec, source, given.get(source.id), stdin, runner)
        parts |= read_bronze(spec.lake_path, {source.id: given[source.id].part_names(source.id)})
        return _publish(spec, given, parts, plan.marks(), runner, started)


def _check_cut(spec: Spec, source: Source, known: Deliveries | None) -> None:
    """RequestError when a source cannot be cut as the stream would be, because it cannot be read again."""
    if known is not None and known.cut != cut_settings(spec.ingest, source):
        raise RequestError(
            f"source {source.id!r} of {spec.lake_path} was cut with another format, document, shard size or "
            "record size. Use the same, or name another source."
        )


def _begin(spec: Spec) -> None:
    unpublish(spec.lake_path)
    apply_tombstones(spec.lake_path, spec)
    write_atomic(spec.lake_path / "spec.toml", to_toml(spec).encode())


def _publish(
    spec: Spec,
    given: Mapping[str, Deliveries],
    parts: Mapping[str, Any],
    marks: Mapping[str, Any],
    runner: Runner,
    started: float,
) -> Run:
    from toolkit.pipeline.bronze_layer import Bronze, build_bronze

    order = [source.id for source in spec.source if source.id in given]
    given = {name: without_changed(given[name], parts[name]) for name in order}
    listing = listing_of(given)
    built = build_bronze(spec, Bronze(listing, {name: parts[name] for name in order}), runner)
    runner.timings["total"] = {"seconds": round(time.perf_counter() - started, 3)}
    key = _key(spec, listing, Tombstones.read(spec.lake_path))
    manifest = publish(spec, key, built, listing, given, {}, Pins(), runner.timings)
    write_marks(spec.lake_path, marks)
    drop_work(spec.lake_path)
    return Run(spec.lake_path, manifest, time.perf_counter() - started, True)


def _key(spec: Spec, listing: Sequence[Mapping[str, Any]], dead: Tombstones) -> str:
    return run_key(spec, listing, None, Pins(), dead)
