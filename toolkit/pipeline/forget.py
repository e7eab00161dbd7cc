"""Remove a source, a licence or single lines from every layer, and keep only their hashes.

    tombstones -> bronze filtered in place -> everything that depended on it built again

A tombstone is written first, so a request that is killed half way is finished by whatever runs
next, and a later run of the old spec cannot bring the lines back. Raw files are not needed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.bronze_layer import Bronze, build_bronze
from toolkit.pipeline.build import build
from toolkit.pipeline.clean_bronze import (
    apply_tombstones,
    bronze_lines,
    bronze_parts,
    listing_without,
    quarantined_lines,
    read_bronze,
)
from toolkit.pipeline.deliveries import read_deliveries
from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.plan import Pins
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.publish import BEFORE, MANIFEST, drop_work, publish, read_root, run_key, unpublish
from toolkit.pipeline.report.page import report
from toolkit.pipeline.result import Run
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.reader import load_spec
from toolkit.pipeline.spec.tables import Spec
from toolkit.pipeline.tombstones import Tombstones
from toolkit.pipeline.watermarks import read_marks, write_marks
from toolkit.pipeline.workers import Workers, device_of
from toolkit.storage import clean_leftovers, locked, mark_scratch, read_json, write_json


def forget(
    lake: str | Path,
    source: str | None = None,
    license: str | None = None,
    ids: str | Sequence[str] = (),
    workers: int | None = None,
    device: str | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Forget a ``source``, everything under a ``license``, or the records with these ``ids``, one or more.

    Raises RequestError when nothing matches. Returns the lake as it is afterwards.
    """
    started = time.perf_counter()
    lake = Path(lake).resolve()
    ids = (ids,) if isinstance(ids, str) else tuple(ids)
    if sum((source is not None, license is not None, bool(ids))) != 1:
        raise RequestError("forget takes one of --source, --license and --ids.")
    picked = device_of(device, None, workers, cluster)
    with Workers(workers, cluster, device=picked) as pool, locked(_existing(lake)):
        clean_leftovers(lake)
        root, spec = _root(lake), _spec_of(lake)
        dead, runner = Tombstones.read(lake), Runner(pool, progress or Silent())
        asked = _asked_before(dead, source, license, ids)
        if not (lake / MANIFEST).exists() and not asked:
            root = _rebuild(lake, spec, root, runner, started)  # another request, killed: first that one
        if (lake / MANIFEST).exists() and (dead.applied or not asked):
            _check_bronze(lake, root)
            dead = _request(lake, spec, dead, source, license, ids)
            write_json(lake / WORK / BEFORE, root)
            replace(dead, applied=False).write(lake)
        unpublish(lake)
        manifest = _rebuild(lake, spec, root, runner, started)
        return Run(lake, manifest, time.perf_counter() - started, True)


def _existing(lake: Path) -> Path:
    if not (lake / "spec.toml").exists():
        raise RequestError(f"{lake} is not a lake (no spec.toml).")
    return lake


def _root(lake: Path) -> dict[str, Any]:
    """The root manifest, or the one that a killed request to forget had put aside."""
    aside = lake / WORK / BEFORE
    return read_json(aside) if aside.exists() and not (lake / MANIFEST).exists() else read_root(lake)


def _asked_before(dead: Tombstones, source: str | None, license: str | None, ids: Sequence[str]) -> bool:
    """Whether this very request was written down and then killed."""
    return source in dead.sources or license in dead.licenses or (bool(ids) and set(ids) <= set(dead.ids))


def _check_bronze(lake: Path, root: Mapping[str, Any]) -> None:
    """ToolkitError, before anything is changed, unless bronze is as the root manifest says."""
    for file in root["files"]:
        path = lake / file["path"]
        if file["path"].startswith("bronze/") and not (path.exists() and path.stat().st_size == file["size"]):
            raise ToolkitError(f"{path} is missing or damaged: run the lake's spec again, then forget.")


def _rebuild(
    lake: Path, spec: Spec, root: Mapping[str, Any], runner: Runner, started: float
) -> dict[str, Any]:
    mark_scratch(lake)
    apply_tombstones(lake, spec)
    dead = Tombstones.read(lake)
    listing = listing_without(root, dead.sources)
    kept = {item["id"] for item in listing}
    given = {name: found for name, found in read_deliveries(lake).items() if name in kept}
    names = {name: found.part_names(name) for name, found in given.items()}
    bronze = Bronze(listing, read_bronze(lake, names))
    pins = Pins(**root["given_sha256"])
    only_bronze = spec.lake.layer == "bronze"
    built = build_bronze(spec, bronze, runner) if only_bronze else build(spec, bronze, pins, runner)
    runner.timings["total"] = {"seconds": round(time.perf_counter() - started, 3)}
    key = run_key(spec, listing, root["evaluation"], pins, dead)
    manifest = publish(spec, key, built, listing, given, root["evaluation"], pins, runner.timings)
    write_marks(lake, {name: marks for name, marks in read_marks(lake).items() if name in kept})
    if not only_bronze:
        report(lake)
    drop_work(lake)
    return manifest


def _request(
    lake: Path, spec: Spec, dead: Tombstones, source: str | None, license: str | None, ids: Sequence[str]
) -> Tombstones:
    """The tombstones with this request added; RequestError when it matches no line."""
    if source is not None:
        if source not in {item.id for item in spec.source} - set(dead.sources):
            known = ", ".join(item.id for item in spec.source if item.id not in dead.sources)
            raise RequestError(f"no source {source!r} in {lake}; it has {known or 'none'}.")
        if len(spec.source) - len(dead.sources) == 1:
            raise RequestError(f"{source!r} is the only source of {lake}: delete the folder instead.")
        return dead.with_source(source, [line[0] for line in _lines(lake, spec, source)])
    wanted = {record_id.strip().lower() for record_id in ids} - {""}
    lines = [
        line for item in spec.source if item.id not in dead.sources for line in _lines(lake, spec, item.id)
    ]
    if license is not None:
        found = {line[0] for line in lines if line[1] == license}
        if not found:
            known = ", ".join(sorted({line[1] for line in lines if line[1] is not None}))
            has = f"there are: {known}" if known else "none of its records has a licence"
            raise RequestError(f"no record under licence {license!r} in {lake}; {has}.")
        return dead.with_license(license, sorted(found))
    missing = wanted - {line[0] for line in lines}
    if missing:
        raise RequestError(f"{len(missing)} of {len(wanted)} ids are not in {lake}, first {min(missing)!r}.")
    return dead.with_ids(sorted(wanted))


def _lines(lake: Path, spec: Spec, source: str) -> list[tuple[str, str | None]]:
    license = next(item.license for item in spec.source if item.id == source)
    found = []
    for part in bronze_parts(lake, source):
        found += [line[:2] for line in bronze_lines(lake, part)]
        found += [line[:2] for line in quarantined_lines(lake, part, license)]
    return found


def _spec_of(lake: Path) -> Spec:
    spec = load_spec(lake / "spec.toml")
    if spec.lake_path != lake:
        return replace(spec, base=lake.parent, lake=replace(spec.lake, path=lake.name))
    return spec
