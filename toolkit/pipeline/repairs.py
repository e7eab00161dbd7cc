"""Repaired lines: kept in the lake, and landed with the origin of the lines they repair.

    toolkit quarantine LAKE export > broken.jsonl      one line a rejected one, its bytes as "text"
    (edit "text", or put an object under "record")
    toolkit quarantine LAKE replay --with broken.jsonl

A replay is a delivery of its own: the repaired lines go through the same stages as any other,
what they repair stays in quarantine, and the books say that it was recovered.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import RequestError
from toolkit.pipeline.deliveries import Delivered, Deliveries, Piece
from toolkit.storage import (
    Group,
    Ledger,
    PartManifest,
    read_shard,
    sha256_bytes,
    sha256_file,
    shard_path,
    write_atomic,
)

FOLDER = "repairs"
FORMAT = "repairs"
_FLAT = bytes.maketrans(b"\r\n", b"  ")
Entry = dict[str, Any]


def export_line(entry: Mapping[str, Any]) -> str:
    """A quarantined line for people to edit: its sha256, why and where, and its bytes as text."""
    kept = {key: entry[key] for key in ("sha256", "source_id", "stage", "reason", "detail", "origin")}
    text = base64.b64decode(entry["raw"]).decode("utf-8", "backslashreplace")
    return json.dumps({**kept, "text": text}, ensure_ascii=False)


def write_repairs(lake: Path, fixed: Path, entries: Sequence[Entry]) -> int:
    """Keep the repairs of ``fixed`` in the lake, a file a source; how many lines they repair.

    Raises RequestError for a line of ``fixed`` that repairs nothing in quarantine, or nothing at all.
    """
    by_sha: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_sha[entry["sha256"]].append(entry)
    found: dict[str, list[Entry]] = defaultdict(list)
    for number, line in enumerate(_lines(fixed), start=1):
        sha, raw = _repair(line, f"{fixed}:{number}")
        if sha not in by_sha:
            raise RequestError(f"{fixed}:{number}: nothing in quarantine has the sha256 {sha!r}.")
        for entry in by_sha[sha]:
            if raw != base64.b64decode(entry["raw"]):
                repaired = {key: entry[key] for key in ("sha256", "stage", "reason", "origin")}
                found[entry["source_id"]].append({**repaired, "raw": base64.b64encode(raw).decode()})
    if not found:
        raise RequestError(f"{fixed} changes no line: edit the text of those that are to be recovered.")
    for source, repaired in found.items():
        folder = lake / FOLDER / source
        held = {line for path in repair_files(lake, source) for line in path.read_bytes().splitlines()}
        lines = [json.dumps(entry, separators=(",", ":")).encode() for entry in sorted(repaired, key=_place)]
        new = [line for line in dict.fromkeys(lines) if line not in held]
        if new:
            number = len(repair_files(lake, source))
            write_atomic(folder / f"{number:05d}.jsonl", b"\n".join(new) + b"\n")
    return sum(map(len, found.values()))


def repair_files(lake: Path, source: str) -> list[Path]:
    """The repairs of a source, in the order in which they came."""
    return sorted((lake / FOLDER / source).glob("[0-9]*.jsonl"))


def read_repairs(path: Path) -> list[Entry]:
    """The repairs of a file: ``sha256``, ``stage``, ``reason``, ``origin`` of a line, and its ``raw`` bytes.

    Of a repair that was forgotten ``raw`` is None, and ``forgotten`` is the sha256 that it had.
    """
    entries = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    return [{**entry, "raw": base64.b64decode(entry["raw"]) if "raw" in entry else None} for entry in entries]


def forget_repairs(lake: Path, source: str, left: Set[str]) -> None:
    """Blank the repairs of a source whose record is not among the ids that are ``left`` of it."""
    for path in repair_files(lake, source):
        kept = []
        for line, entry in zip(path.read_bytes().splitlines(), read_repairs(path), strict=True):
            names = _names(entry)
            if names and not names & left:
                del entry["raw"]
                line = json.dumps({**entry, "forgotten": min(names)}, separators=(",", ":")).encode()
            kept.append(line + b"\n")
        write_atomic(path, b"".join(kept))


def _names(entry: Entry) -> set[str]:
    """The id of a repaired record: of its bytes, or of those with spaces for line ends."""
    raw = entry["raw"]
    return set() if raw is None else {sha256_bytes(raw), sha256_bytes(raw.translate(_FLAT))}


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


def recovered(
    lake: Path, files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]
) -> dict[str, dict[str, Group]]:
    """The quarantined lines of a source whose repaired form came through, by stage and reason.

    ``files`` are the source's as the root manifest lists them, ``manifests`` those of its parts.
    """
    rows: set[tuple[str, str, str, int]] = set()
    for manifest in manifests:
        file = files[manifest.facts["pieces"][0]["file"]]
        if file["format"] == FORMAT:
            part = manifest.task.removeprefix("ingest ")
            for entry in _through(lake, part, read_repairs(lake / file["name"])):
                rows.add((entry["stage"], entry["reason"], entry["sha256"], entry["origin"]["length"]))
    found: dict[str, dict[str, Group]] = defaultdict(dict)
    for stage, reason, sha, size in sorted(rows):
        found[stage][reason] = found[stage].get(reason, Group()) + Group.of([sha], [size])
    return found


def with_recovered(
    lake: Path,
    ledgers: Sequence[Ledger],
    listing: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Sequence[PartManifest]],
) -> list[Ledger]:
    """The books with what was repaired since it was quarantined."""
    by_source = [recovered(lake, source["files"], manifests[source["id"]]) for source in listing]
    return [sum((_memo(ledger, found) for found in by_source), ledger) for ledger in ledgers]


def _memo(ledger: Ledger, found: Mapping[str, Mapping[str, Group]]) -> Ledger:
    return Ledger(ledger.stage, ledger.unit, recovered=found.get(ledger.stage, {}))


def _through(lake: Path, part: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """The repairs that are in bronze and that no later stage quarantined again."""
    lines = read_shard(shard_path((lake / "bronze" / part).parent, Path(part).name))
    ids = {line[14:78].decode() for line in lines}  # a bronze line begins {"record_id":"<64 hex digits>
    again = lake / "quarantine" / "records" / f"{part}.jsonl"
    if again.exists():
        ids -= {json.loads(line)["sha256"] for line in again.read_bytes().splitlines()}
    yield from (entry for entry in entries if ids & _names(entry))


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


def _lines(path: Path) -> Iterator[bytes]:
    try:
        yield from (line for line in path.read_bytes().splitlines() if line.strip())
    except OSError as error:
        raise RequestError(f"cannot read the repairs {path}: {error.strerror}.") from error


def _repair(line: bytes, where: str) -> tuple[str, bytes]:
    """(sha256 of what is repaired, its repaired bytes)."""
    try:
        entry = json.loads(line)
        sha = entry["sha256"]
        if "record" in entry:
            return sha, json.dumps(entry["record"], ensure_ascii=False).encode()
        return sha, entry["text"].encode()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{where}: expected an object with the sha256 of a quarantined line and its repaired text "
            f'(or a record): {{"sha256": "…", "text": "…"}}; {type(error).__name__}: {error}'
        ) from error
