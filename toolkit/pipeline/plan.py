"""Before anything is written: which files there are, what is in them, and what the run will do.

Everything a run can refuse is refused here: a missing file, an unreadable folder, a lake path
that holds something else. The plan is a pure function of the spec and of the bytes it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.ingest import Census, Door, expand, take_census
from toolkit.pipeline.spec.tables import Source, Spec, as_data
from toolkit.storage import digest_json, sha256_file
from toolkit.storage.atomic import PREFIX as LEFTOVER

EVAL_ITEMS = "eval_items.parquet"
LAYERS = ("bronze", "silver", "gold", "quarantine", "evidence")


@dataclass(frozen=True)
class RawFile:
    """A raw file: where it is, its census, and the earlier name its bytes were delivered under."""

    path: Path
    census: Census
    same_as: str | None


@dataclass(frozen=True)
class PlannedSource:
    """A source with its files."""

    source: Source
    files: tuple[RawFile, ...]

    def door(self, logical_date: str) -> Door:
        """What its records carry; ``run_id`` is the hash of just that, so it needs no clock."""
        data = as_data(self.source)
        facts = [data[key] for key in ("id", "type", "rank", "license", "consent", "pii")]
        return Door(*facts, logical_date, digest_json([*facts, logical_date])[:16])


@dataclass(frozen=True)
class Plan:
    """Sources in the order of the spec, evaluation files by set, and the tokenizer's hash."""

    sources: tuple[PlannedSource, ...]
    eval_files: Mapping[str, tuple[tuple[str, Path, str], ...]]
    tokenizer_sha256: str | None

    def eval_sha256(self) -> dict[str, list[list[str]]]:
        """Name and sha256 of every evaluation file, by set."""
        return {name: [[file, sha] for file, _, sha in files] for name, files in self.eval_files.items()}

    def listing(self) -> list[dict[str, Any]]:
        """The sources and their files, as the root manifest lists them."""
        return [
            {"id": item.source.id, "files": [_listed(file) for file in item.files]} for item in self.sources
        ]


def _listed(file: RawFile) -> dict[str, Any]:
    census = file.census
    return {
        "name": census.name,
        "sha256": census.sha256,
        "size": census.size,
        "lines": census.lines,
        "codec": census.codec,
        "same_as": file.same_as,
    }


def make_plan(spec: Spec, forgotten_sources: frozenset[str]) -> Plan:
    """Census every file the spec names; RequestError for anything that is not there."""
    _check_lake(spec)
    kept = [source for source in spec.source if source.id not in forgotten_sources]
    with ThreadPoolExecutor() as pool:
        sources = tuple(_plan_source(spec, source, pool) for source in kept)
    sets = {item.id: _eval_files(spec.base, item.path, item.id) for item in spec.decontaminate.set}
    return Plan(sources, sets, _tokenizer_digest(spec))


def _plan_source(spec: Spec, source: Source, pool: ThreadPoolExecutor) -> PlannedSource:
    folder = (spec.base / source.path).resolve()
    if spec.lake_path.is_relative_to(folder):
        raise RequestError(
            f"source {source.id!r}: the lake {spec.lake_path} lies inside {folder}, so its files would "
            "be read as raw ones. Give the lake a folder outside the source's."
        )
    named = expand(spec.base, source.path, source.id)
    inside = [item for item in named if item[1].resolve().is_relative_to(spec.lake_path)]
    # A glob may reach into the lake once it exists: the second run must read what the first read.
    if inside and (inside == named or not set(source.path) & set("*?[")):
        raise RequestError(f"source {source.id!r}: {inside[0][1]} lies inside the lake {spec.lake_path}.")
    named = [item for item in named if item[1] not in {path for _, path in inside}] if inside else named
    size = spec.ingest.shard_bytes
    censuses = list(pool.map(lambda item: take_census(*item, size), named))
    if not any(census.size for census in censuses):
        empty = ", ".join(str(path) for _, path in named)
        raise RequestError(f"source {source.id!r} is empty: no byte in {empty}. Leave it out of the spec.")
    files: list[RawFile] = []
    first: dict[str, str] = {}
    for (_, path), census in zip(named, censuses, strict=True):
        files.append(RawFile(path, census, first.get(census.sha256)))
        first.setdefault(census.sha256, census.name)
    return PlannedSource(source, tuple(files))


def _eval_files(base: Path, pattern: str, name: str) -> tuple[tuple[str, Path, str], ...]:
    return tuple((file, path, sha256_file(path)) for file, path in expand(base, pattern, name))


def _tokenizer_digest(spec: Spec) -> str | None:
    if spec.packing.tokenizer is None:
        return None
    path = spec.base / spec.packing.tokenizer
    if not path.is_file():
        advice = "Expected a tokenizer.json; leave the key out to train one."
        raise RequestError(f"packing.tokenizer: no file at {path}. {advice}")
    return sha256_file(path)


def _foreign(lake: Path) -> Iterator[Path]:
    """What is in a folder besides what a killed first run left there."""
    return (path for path in lake.iterdir() if not path.name.startswith(LEFTOVER))


def _check_lake(spec: Spec) -> None:
    lake = spec.lake_path
    if lake.exists() and not lake.is_dir():
        raise RequestError(f"lake.path: {lake} is a file; expected a folder.")
    if lake == spec.base.resolve() or spec.base.resolve().is_relative_to(lake):
        raise RequestError(f"lake.path: {lake} holds the spec itself; give the lake a folder of its own.")
    if lake.is_dir() and not (lake / "spec.toml").exists() and any(_foreign(lake)):
        raise RequestError(f"lake.path: {lake} is not empty and is not a lake; choose another folder.")
