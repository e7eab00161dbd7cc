"""Before anything is written: which files there are, what is new in them, and what the run will do.

Everything a run can refuse is refused here: a missing file, an unreadable folder, a lake path
that holds something else. The plan is a pure function of the spec, of the bytes it names, and of
what the lake was given before.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import RequestError, ToolkitError
from toolkit.ingest import expand
from toolkit.pipeline.arrivals import Arrivals, arrivals
from toolkit.pipeline.deliveries import NAME as DELIVERIES
from toolkit.pipeline.deliveries import Deliveries, listing_of, read_deliveries
from toolkit.pipeline.repairs import FOLDER as REPAIRS
from toolkit.pipeline.repairs import with_repairs
from toolkit.pipeline.spec.tables import TEMPLATES, EvalSet, Source, Spec, as_data
from toolkit.pipeline.tombstones import NAME as TOMBSTONES
from toolkit.pipeline.watermarks import read_marks
from toolkit.storage import digest_json, sha256_bytes, sha256_file
from toolkit.storage.atomic import PREFIX as LEFTOVER

if TYPE_CHECKING:
    from toolkit.ingest import Door

EVAL_ITEMS = "eval_items.parquet"
_READERS = 4  # files read at once; each holds a span
LAYERS = ("bronze", "silver", "gold", "quarantine", "evidence", "index", REPAIRS)


@dataclass(frozen=True)
class PlannedSource:
    """A source, all that it ever delivered, and where the bytes still lie (by place in the list)."""

    source: Source
    deliveries: Deliveries
    paths: Mapping[int, Path]
    marks: Mapping[str, Any] = field(default_factory=dict)

    def door(self, logical_date: str) -> Door:
        """What its records carry."""
        return door_of(self.source, logical_date)


@dataclass(frozen=True)
class Pins:
    """The sha256 of the tokenizer and of the chat template, where they are files that were given."""

    tokenizer: str | None = None
    template: str | None = None


@dataclass(frozen=True)
class Plan:
    """Sources in the order of the spec, evaluation files by set, and what packing is given."""

    sources: tuple[PlannedSource, ...]
    eval_files: Mapping[str, tuple[tuple[str, Path, str], ...]]
    pins: Pins
    lake: Path
    seen: str

    def check_still_true(self) -> None:
        """ToolkitError when the lake is no longer what the plan was made for; asked under its lock."""
        if state_of(self.lake) != self.seen:
            raise ToolkitError(
                f"{self.lake} changed while its sources were read: run the same command again."
            )

    def eval_sha256(self) -> dict[str, list[list[str]]]:
        """Name and sha256 of every evaluation file, by set."""
        return {name: [[file, sha] for file, _, sha in files] for name, files in self.eval_files.items()}

    def deliveries(self) -> dict[str, Deliveries]:
        """The deliveries of every source, the new ones included."""
        return {item.source.id: item.deliveries for item in self.sources}

    def marks(self) -> dict[str, Mapping[str, Any]]:
        """What the raw files are known by, of every source."""
        return {item.source.id: item.marks for item in self.sources}

    def listing(self) -> list[dict[str, Any]]:
        """The sources and their files, as the root manifest lists them."""
        return listing_of(self.deliveries())


def state_of(lake: Path) -> str:
    """A hash of what a plan depends on besides raw files: what the lake was given and must forget."""
    names = [lake / DELIVERIES, lake / TOMBSTONES, *sorted((lake / REPAIRS).rglob("*.jsonl"))]
    return digest_json([[str(path), sha256_file(path)] for path in names if path.exists()])


def door_of(source: Source, logical_date: str) -> Door:
    """What a source's records carry; ``run_id`` is the hash of just that, so it needs no clock."""
    from toolkit.ingest import Door

    data = as_data(source)
    facts = [data[key] for key in ("id", "type", "rank", "license", "consent", "pii")]
    return Door(*facts, logical_date, digest_json([*facts, logical_date])[:16])


def make_plan(spec: Spec, forgotten_sources: frozenset[str], reading: frozenset[str] | None = None) -> Plan:
    """Read every new file the spec names, once; RequestError for anything that is not there.

    With ``reading``, other sources that the lake knows are left as they are.
    """
    check_lake(spec)
    seen = state_of(spec.lake_path)
    kept = [source for source in spec.source if source.id not in forgotten_sources]
    known, marks = read_deliveries(spec.lake_path), read_marks(spec.lake_path)
    with ThreadPoolExecutor(_READERS) as pool:
        sources = tuple(
            _resting(spec, source, known[source.id], marks.get(source.id, {}))
            if reading is not None and source.id not in reading and source.id in known
            else _plan_source(spec, source, known.get(source.id), marks.get(source.id, {}), pool)
            for source in kept
        )
    sets = eval_files(spec.base, spec.decontaminate.set)
    return Plan(sources, sets, pins_of(spec), spec.lake_path, seen)


def _resting(spec: Spec, source: Source, known: Deliveries, marks: Mapping[str, Any]) -> PlannedSource:
    """A source whose files are not looked at."""
    return PlannedSource(source, *with_repairs(spec.lake_path, source.id, known), marks)


def _plan_source(
    spec: Spec, source: Source, known: Deliveries | None, marks: Mapping[str, Any], pool: ThreadPoolExecutor
) -> PlannedSource:
    if source.format in ("html", "pdf"):
        importlib.import_module(f"toolkit.ingest.formats.{source.format}").require()
    named = _named(spec, source, known)
    found: Arrivals = arrivals(spec.ingest, source, named, known, marks, pool.map)
    if spec.lake.layer == "gold" and not any(file.size for file in found.deliveries.files):
        empty = ", ".join(str(path) for _, path in named)
        raise RequestError(f"source {source.id!r} is empty: no byte in {empty}. Leave it out of the spec.")
    deliveries, repairs = with_repairs(spec.lake_path, source.id, found.deliveries)
    return PlannedSource(source, deliveries, {**found.paths, **repairs}, found.marks)


def _named(spec: Spec, source: Source, known: Deliveries | None) -> list[tuple[str, Path]]:
    """The source's files that are not the lake's own; none is right when the lake has its deliveries."""
    named: dict[str, Path] = {}
    missing = None
    for pattern in [source.path] if isinstance(source.path, str) else source.path:
        try:
            named |= _matching(spec, source, pattern)
        except FileNotFoundError as error:
            missing = missing or error
    if missing is not None and known is None:
        raise RequestError(str(missing)) from None
    return sorted(named.items(), key=lambda item: item[0].encode())


def _matching(spec: Spec, source: Source, pattern: str) -> dict[str, Path]:
    folder = (spec.base / pattern).resolve()
    if spec.lake_path.is_relative_to(folder):
        raise RequestError(
            f"source {source.id!r}: the lake {spec.lake_path} lies inside {folder}, so its files would "
            "be read as raw ones. Give the lake a folder outside the source's."
        )
    named = expand(spec.base, pattern, source.id, source.format)
    inside = [item for item in named if item[1].resolve().is_relative_to(spec.lake_path)]
    # A glob may reach into the lake once it exists: the second run must read what the first read.
    if inside and (inside == named or not set(pattern) & set("*?[")):
        raise RequestError(f"source {source.id!r}: {inside[0][1]} lies inside the lake {spec.lake_path}.")
    return {name: path for name, path in named if path not in {path for _, path in inside}}


def eval_files(base: Path, sets: Sequence[EvalSet]) -> dict[str, tuple[tuple[str, Path, str], ...]]:
    """(name, path, sha256) of each set's files; RequestError when one is not there or not as pinned."""
    return {item.id: _eval_files(base, item) for item in sets}


def _eval_files(base: Path, item: EvalSet) -> tuple[tuple[str, Path, str], ...]:
    try:
        named = expand(base, item.path, item.id)
    except FileNotFoundError as error:
        raise RequestError(str(error)) from None
    files = tuple((file, path, sha256_file(path)) for file, path in named)
    found = set_sha256([[file, sha] for file, _, sha in files])
    if item.sha256 not in (None, found):
        raise RequestError(
            f"evaluation set {item.id!r}: {item.path} has the sha256 {found}, the spec pins {item.sha256}. "
            "Bring back the file that was pinned, or pin this one if it is meant."
        )
    return files


def set_sha256(files: Sequence[Sequence[str]]) -> str:
    """What pins a set of (name, sha256): of one file its sha256, of more that of sha256sum's lines."""
    lines = "".join(f"{sha}  {name}\n" for name, sha in files)
    return files[0][1] if len(files) == 1 else sha256_bytes(lines.encode())


def pins_of(spec: Spec) -> Pins:
    """The hashes of the files that ``[packing]`` names; RequestError for a tokenizer that is not there."""
    named = spec.packing
    if named.tokenizer is not None and not (path := spec.base / named.tokenizer).is_file():
        advice = "Expected a tokenizer.json; leave the key out to train one."
        raise RequestError(f"packing.tokenizer: no file at {path}. {advice}")
    template = None if named.template in TEMPLATES else sha256_file(spec.base / named.template)
    return Pins(named.tokenizer and sha256_file(spec.base / named.tokenizer), template)


def _foreign(lake: Path) -> Iterator[Path]:
    """What is in a folder besides what a killed first run left there."""
    return (path for path in lake.iterdir() if not path.name.startswith(LEFTOVER))


def check_lake(spec: Spec) -> None:
    """RequestError unless the spec's lake can be one: new, empty, or a lake, and not around the spec."""
    lake = spec.lake_path
    if lake.exists() and not lake.is_dir():
        raise RequestError(f"lake.path: {lake} is a file; expected a folder.")
    if lake == spec.base.resolve() or spec.base.resolve().is_relative_to(lake):
        raise RequestError(f"lake.path: {lake} holds the spec itself; give the lake a folder of its own.")
    if lake.is_dir() and not (lake / "spec.toml").exists() and any(_foreign(lake)):
        raise RequestError(f"lake.path: {lake} is not empty and is not a lake; choose another folder.")
