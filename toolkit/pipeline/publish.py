"""The last step of a run: the root manifest, and nothing in the lake that it does not name.

Two files say how the run went rather than what the lake holds, so they alone may differ between
two runs of one spec: ``timings.json`` and ``report.html``. The root manifest is written after
everything it names; a lake without one is unfinished.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.deliveries import NAME as DELIVERIES
from toolkit.pipeline.deliveries import Deliveries, write_deliveries
from toolkit.pipeline.jobs import WORK, library_versions, run_digest
from toolkit.pipeline.plan import LAYERS, Pins
from toolkit.pipeline.processes import usable_cores
from toolkit.pipeline.repairs import repair_files
from toolkit.pipeline.spec.tables import Spec, as_data
from toolkit.pipeline.tombstones import NAME as TOMBSTONES
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import Output, digest_json, drop_scratch, read_json, write_json

if TYPE_CHECKING:
    from toolkit.pipeline.bronze_layer import Built

_OWN = (TOMBSTONES, DELIVERIES)

MANIFEST = "MANIFEST.json"
TIMINGS = "timings.json"
REPORT = "report.html"
BEFORE = "MANIFEST.before.json"  # the root manifest that a request to forget put aside in the work folder


def run_key(
    spec: Spec, listing: Sequence[Mapping[str, Any]], evaluation: Any, pins: Pins, dead: Tombstones
) -> str:
    """The identity of a whole run: its spec, inputs, tombstones, code and libraries."""
    inputs = [listing, evaluation, vars(pins), dead.to_dict()]
    return digest_json([_bare(spec), inputs, run_digest(), _versions()])


def read_root(lake: Path) -> dict[str, Any]:
    """The root manifest; ToolkitError when the lake is unfinished."""
    if not (lake / MANIFEST).exists():
        what = "is unfinished: run its spec again" if (lake / "spec.toml").exists() else "is not a lake"
        raise RequestError(f"{lake} {what} (no {MANIFEST}).")
    return read_json(lake / MANIFEST)


def published(lake: Path, key: str) -> dict[str, Any] | None:
    """The root manifest if the lake is finished under ``key`` and its files are there, else None."""
    if not (lake / MANIFEST).exists():
        return None
    try:
        manifest = read_json(lake / MANIFEST)
    except ToolkitError:
        return None
    if manifest.get("key") != key:
        return None
    for file in manifest["files"]:
        try:
            if (lake / file["path"]).stat().st_size != file["size"]:
                return None
        except OSError:
            return None
    return manifest


def publish(
    spec: Spec,
    key: str,
    built: Built,
    listing: Sequence[Mapping[str, Any]],
    given: Mapping[str, Deliveries],
    evaluation: Mapping[str, Any],
    pins: Pins,
    timings: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the root manifest and sweep out what it does not name; return it."""
    lake = spec.lake_path
    outputs = {output.path: output for output in built.outputs}
    write_deliveries(lake, given)
    for path in (*_part_manifests(lake), lake / TOMBSTONES, lake / DELIVERIES):
        if path.exists() and ((path.parent == lake and path.name in _OWN) or _names_listed(path, outputs)):
            outputs[path.relative_to(lake).as_posix()] = Output.of(lake, path, 0)
    for path in (path for source in given for path in repair_files(lake, source)):
        outputs[path.relative_to(lake).as_posix()] = Output.of(lake, path, 0)
    _sweep(lake, set(outputs))
    manifest = {
        "format": 1,
        "key": key,
        "logical_date": spec.lake.logical_date,
        "spec_sha256": spec_digest(spec),
        "versions": _versions(),
        "sources": list(listing),
        "evaluation": dict(evaluation),
        "given_sha256": vars(pins),
        "ledgers": [ledger.to_dict() for ledger in built.ledgers],
        **built.facts,
        "files": [vars(outputs[path]) for path in sorted(outputs)],
    }
    manifest["sha256"] = digest_json(manifest)
    write_json(lake / TIMINGS, timings)
    write_json(lake / MANIFEST, manifest)
    (lake / WORK / BEFORE).unlink(missing_ok=True)
    return manifest


def spec_digest(spec: Spec) -> str:
    """The hash of a spec without the folder it stands in."""
    return digest_json(_bare(spec))


def _bare(spec: Spec) -> dict[str, Any]:
    return as_data(spec) | {"lake": [spec.lake.logical_date, spec.lake.layer]}


def unpublish(lake: Path) -> None:
    """From here to ``publish`` the lake is unfinished, and no old report speaks for it."""
    for name in (MANIFEST, REPORT, TIMINGS):
        (lake / name).unlink(missing_ok=True)


def drop_work(lake: Path) -> None:
    """Remove the work folder; several files at once, as to give back their pages takes the system time."""
    with ThreadPoolExecutor(usable_cores()) as several:
        for path in (lake / WORK).rglob("*.arrow"):
            several.submit(path.unlink, missing_ok=True)
    drop_scratch(lake)


def _part_manifests(lake: Path) -> list[Path]:
    layers = ("bronze", "silver", "gold", "evidence", "index")
    found = [path for layer in layers for path in (lake / layer).rglob("*.manifest.json")]
    return [*found, lake / "tokenizer.manifest.json"]


def _names_listed(path: Path, outputs: Mapping[str, Output]) -> bool:
    return all(output["path"] in outputs for output in read_json(path)["outputs"])


def _sweep(lake: Path, listed: set[str]) -> None:
    for layer in LAYERS:
        for path in sorted((lake / layer).rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif path.is_file() and path.relative_to(lake).as_posix() not in listed:
                path.unlink()
    for layer in LAYERS:
        if (lake / layer).is_dir() and not any((lake / layer).rglob("*")):
            (lake / layer).rmdir()


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **library_versions()}
