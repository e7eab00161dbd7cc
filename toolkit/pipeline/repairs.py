"""Repaired lines: kept in the lake, and landed with the origin of the lines they repair.

A replay is a delivery of its own: the repaired lines go through the same stages as any other,
and what they repair stays in quarantine.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import RequestError
from toolkit.pipeline.assigned import assigned
from toolkit.pipeline.deliveries import Delivered, Deliveries, Piece, read_deliveries
from toolkit.pipeline.edits import read_edits
from toolkit.storage import PartManifest, sha256_bytes, sha256_file, write_atomic

FOLDER = "repairs"
FORMAT = "repairs"
_FLAT = bytes.maketrans(b"\r\n", b"  ")
Entry = dict[str, Any]


def write_repairs(
    lake: Path, fixed: Path, entries: Iterable[Entry], sources: Set[str]
) -> tuple[list[Path], list[str]]:
    """Keep the repairs of ``fixed`` in the lake, a file a source.

    ``entries`` is the quarantine, read once; ``sources`` are the ids of the lake's. Returns the
    files that hold only these repairs and have not landed, and a sentence for each edit that is
    left out. Raises RequestError for a line of ``fixed`` that repairs nothing in quarantine, or
    nothing at all, and for a source that is not the lake's.
    """
    repaired, left_out = assigned(list(read_edits(fixed)), entries)
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry, raw in repaired:
        kept = {key: entry[key] for key in ("sha256", "stage", "reason", "origin")}
        found[entry["source_id"]].append({**kept, "raw": base64.b64encode(raw).decode()})
    if not found:
        raise RequestError(f"{fixed} changes no line: edit the text of those that are to be recovered.")
    if strange := sorted(found.keys() - sources):
        raise RequestError(f"{lake} quarantines lines of {strange[0]!r}, which is no source of its spec.")
    given = {source: _given(lines) for source, lines in found.items()}
    for source, lines in given.items():
        files = repair_files(lake, source)
        held = {line for path in files for line in path.read_bytes().splitlines()}
        if new := [line for line in lines if line not in held]:
            number = 1 + int(files[-1].stem) if files else 0
            write_atomic(lake / FOLDER / source / f"{number:05d}.jsonl", b"\n".join(new) + b"\n")
    return [path for source, lines in given.items() for path in _pending(lake, source, set(lines))], left_out


def _given(repaired: Sequence[Entry]) -> list[bytes]:
    """Repairs as lines of a file, each once, in the order of the places."""
    lines = [json.dumps(entry, separators=(",", ":")).encode() for entry in sorted(repaired, key=_place)]
    return list(dict.fromkeys(lines))


def landed_repairs(lake: Path, source: str) -> set[Path]:
    """The repair files of a source that a published run has landed."""
    given = read_deliveries(lake).get(source)
    return {lake / file.name for file in given.files if file.format == FORMAT} if given else set()


def _pending(lake: Path, source: str, lines: Set[bytes]) -> list[Path]:
    """The repair files that have not landed and hold none but these lines."""
    landed = landed_repairs(lake, source)
    waiting = [path for path in repair_files(lake, source) if path not in landed]
    return [path for path in waiting if lines.issuperset(path.read_bytes().splitlines())]


def drop_repairs(lake: Path, paths: Sequence[Path]) -> None:
    """Take back repair files that never landed, and the unpublished parts that were made of them."""
    for path in paths:
        source = path.parent.name
        if path.exists() and path not in landed_repairs(lake, source):
            _drop_parts(lake, source, sha256_file(path))
            path.unlink()


def _drop_parts(lake: Path, source: str, sha256: str) -> None:
    for path in (lake / "bronze" / source).glob("*.manifest.json"):
        manifest = PartManifest.read(path)
        if manifest is not None and manifest.facts["pieces"][0].get("sha256") == sha256:
            path.unlink()
            name = path.name.replace(".manifest.json", ".jsonl")
            made = [lake / output.path for output in manifest.outputs]
            for file in (*made, *lake.glob(f"quarantine/*/{source}/{name}")):
                file.unlink(missing_ok=True)


def repair_files(lake: Path, source: str) -> list[Path]:
    """The repairs of a source, in the order in which they came."""
    return sorted((lake / FOLDER / source).glob("[0-9]*.jsonl"))


def read_repairs(path: Path) -> list[Entry]:
    """The repairs of a file: ``sha256``, ``stage``, ``reason``, ``origin`` of a line, and its ``raw`` bytes.

    Of a repair that was forgotten ``raw`` is None, and ``forgotten`` is the sha256 that it had.
    """
    entries = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    return [{**entry, "raw": base64.b64decode(entry["raw"]) if "raw" in entry else None} for entry in entries]


def names_of(entry: Entry) -> set[str]:
    """The id of a repaired record: of its bytes, or of those with spaces for line ends."""
    raw = entry["raw"]
    return set() if raw is None else {sha256_bytes(raw), sha256_bytes(on_one_line(raw))}


def on_one_line(raw: bytes) -> bytes:
    """The bytes with spaces for line ends, as a record of bronze has them."""
    return raw.translate(_FLAT)


def with_repairs(lake: Path, source: str, given: Deliveries) -> tuple[Deliveries, dict[int, Path]]:
    """The deliveries with the source's repairs, and where those lie."""
    files, parts, paths = list(given.files), list(given.parts), {}
    known = {file.name: place for place, file in enumerate(files) if file.format == FORMAT}
    for path in repair_files(lake, source):
        name = f"{FOLDER}/{source}/{path.name}"
        if name not in known:
            known[name] = len(files)
            file = _delivered(name, path, given.next_delivery)
            files.append(file)
            parts.append((Piece(known[name], _span(file)),))
        paths[known[name]] = path
    return replace(given, files=tuple(files), parts=tuple(parts)), paths


def by_path(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """The repairs of each raw file."""
    for path, group in itertools.groupby(entries, lambda entry: entry["origin"]["path"]):
        yield path, list(group)


def _delivered(name: str, path: Path, delivery: int) -> Delivered:
    entries = read_repairs(path)
    size = sum(entry["origin"]["length"] for entry in entries)
    return Delivered(name, sha256_file(path), size, len(entries), None, FORMAT, delivery)


def _span(file: Delivered) -> Any:
    from toolkit.ingest import Span

    return Span(0, file.size, 1, sha256=file.sha256)


def _place(entry: Entry) -> tuple[str, int, int, str]:
    origin = entry["origin"]
    return origin["path"], origin["line"], origin["offset"], entry["sha256"]
