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
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.deliveries import Delivered, Deliveries, Piece, read_deliveries
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

if TYPE_CHECKING:
    from toolkit.pipeline.spec.tables import Source
    from toolkit.pipeline.tombstones import Tombstones

FOLDER = "repairs"
FORMAT = "repairs"
_FLAT = bytes.maketrans(b"\r\n", b"  ")
Entry = dict[str, Any]


def export_line(entry: Mapping[str, Any]) -> str:
    """A quarantined line for people to edit: its sha256, why and where, and its bytes as text.

    One line of JSON; what a terminal would obey or not show is a JSON escape in it.
    """
    kept = {key: entry[key] for key in ("sha256", "source_id", "stage", "reason", "detail", "origin")}
    line = json.dumps({**kept, "text": _as_text(base64.b64decode(entry["raw"]))}, ensure_ascii=False)
    return line.translate({ord(c): json.dumps(c)[1:-1] for c in set(line) if not _is_seen(c)})


def _as_text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _is_seen(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def write_repairs(lake: Path, fixed: Path, entries: Iterable[Entry], sources: Set[str]) -> list[Path]:
    """Keep the repairs of ``fixed`` in the lake, a file a source.

    ``entries`` is the quarantine, read once; ``sources`` are the ids of the lake's. Returns the
    files that hold only these repairs and have not landed. Raises RequestError for a line of
    ``fixed`` that repairs nothing in quarantine, or nothing at all, and for a source that is not
    the lake's.
    """
    found = _found(fixed, entries)
    if strange := sorted(found.keys() - sources):
        raise RequestError(f"{lake} quarantines lines of {strange[0]!r}, which is no source of its spec.")
    given = {source: _given(repaired) for source, repaired in found.items()}
    for source, lines in given.items():
        files = repair_files(lake, source)
        held = {line for path in files for line in path.read_bytes().splitlines()}
        if new := [line for line in lines if line not in held]:
            number = 1 + int(files[-1].stem) if files else 0
            write_atomic(lake / FOLDER / source / f"{number:05d}.jsonl", b"\n".join(new) + b"\n")
    return [path for source, lines in given.items() for path in _pending(lake, source, set(lines))]


def _found(fixed: Path, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The repairs of ``fixed``, by source, each with the place of what it repairs."""
    wanted: dict[str, list[bytes]] = defaultdict(list)
    places: dict[str, str] = {}
    for number, line in _lines(fixed):
        sha, raw = _repair(line, f"{fixed}:{number}")
        wanted[sha].append(raw)
        places.setdefault(sha, f"{fixed}:{number}")
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["sha256"] in wanted:
            places.pop(entry["sha256"], None)
            repaired = {key: entry[key] for key in ("sha256", "stage", "reason", "origin")}
            for raw in _edited(entry, wanted[entry["sha256"]]):
                found[entry["source_id"]].append({**repaired, "raw": base64.b64encode(raw).decode()})
    for sha, place in places.items():
        raise RequestError(f"{place}: nothing in quarantine has the sha256 {sha!r}.")
    if not found:
        raise RequestError(f"{fixed} changes no line: edit the text of those that are to be recovered.")
    return found


def _edited(entry: Entry, repairs: Sequence[bytes]) -> list[bytes]:
    """The repairs that differ from the bytes of a line, and from these as text."""
    raw = base64.b64decode(entry["raw"])
    return [repair for repair in repairs if repair not in (raw, _as_text(raw).encode())]


def _given(repaired: Sequence[Entry]) -> list[bytes]:
    """Repairs as lines of a file, each once, in the order of the places."""
    lines = [json.dumps(entry, separators=(",", ":")).encode() for entry in sorted(repaired, key=_place)]
    return list(dict.fromkeys(lines))


def _landed(lake: Path, source: str) -> set[Path]:
    """The repair files of a source that a published run has landed."""
    given = read_deliveries(lake).get(source)
    return {lake / file.name for file in given.files if file.format == FORMAT} if given else set()


def _pending(lake: Path, source: str, lines: Set[bytes]) -> list[Path]:
    """The repair files that have not landed and hold none but these lines."""
    landed = _landed(lake, source)
    waiting = [path for path in repair_files(lake, source) if path not in landed]
    return [path for path in waiting if lines.issuperset(path.read_bytes().splitlines())]


def drop_repairs(lake: Path, paths: Sequence[Path]) -> None:
    """Take back repair files that never landed, and the unpublished parts that were made of them."""
    for path in paths:
        source = path.parent.name
        if path.exists() and path not in _landed(lake, source):
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


def forget_repairs(lake: Path, source: Source, left: Set[str], dead: Tombstones) -> None:
    """Blank the repairs of a source that are forgotten.

    ``left`` are the ids that it still has in bronze and in quarantine. A repair that landed is
    forgotten when a request named it and it is not among them; one that has not landed yet, when
    its bytes or its licence are what must not enter again.
    """
    landed, barred = _landed(lake, source.id), dead.forgotten()
    removed = {*dead.ids, *(name for ids in dead.licenses.values() for name in ids)} - left
    for path in repair_files(lake, source.id):
        old, kept = path.read_bytes().splitlines(), []
        for line, entry in zip(old, read_repairs(path), strict=True):
            names = _names(entry)
            gone = path in landed and not names.isdisjoint(removed) and names.isdisjoint(left)
            if gone or any(barred.covers(name, _license(entry["raw"], source)) for name in names):
                del entry["raw"]
                line = json.dumps({**entry, "forgotten": min(names)}, separators=(",", ":")).encode()
            kept.append(line)
        if kept != old:
            write_atomic(path, b"".join(line + b"\n" for line in kept))


def _license(raw: bytes, source: Source) -> str | None:
    """The licence under which some bytes would enter as a record of a source."""
    from toolkit.ingest import Door
    from toolkit.ingest.validate import diagnose, parse

    line = raw.translate(_FLAT)
    value = parse(line) or diagnose(line)
    door = Door(source.id, source.type, source.rank, source.license, source.consent, source.pii, "", "")
    return door.license_of(value) if isinstance(value, dict) else source.license


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
    A line is known by its place: the same bytes at two places are two. Raises ToolkitError for a
    file of repairs that is not in the lake's folder of them.
    """
    rows: set[tuple[str, str, str, str, int, int, int]] = set()
    for manifest in manifests:
        file = files[manifest.facts["pieces"][0]["file"]]
        if file["format"] == FORMAT:
            part = manifest.task.removeprefix("ingest ")
            for entry in _through(lake, part, read_repairs(_inside(lake, file["name"]))):
                place = (entry["origin"][key] for key in ("path", "line", "offset", "length"))
                rows.add((entry["stage"], entry["reason"], entry["sha256"], *place))
    found: dict[str, dict[str, Group]] = defaultdict(dict)
    for stage, reason, sha, *_, size in sorted(rows):
        found[stage][reason] = found[stage].get(reason, Group()) + Group.of([sha], [size])
    return found


def _inside(lake: Path, name: str) -> Path:
    path, folder = lake / name, lake / FOLDER
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ToolkitError(f"{lake} names the repairs {name!r}, which are not in {folder}.")
    return path


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


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RequestError(f"cannot read the repairs {path}: {error.strerror}.") from error
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _repair(line: bytes, where: str) -> tuple[str, bytes]:
    """(sha256 of what is repaired, its repaired bytes)."""
    try:
        entry = json.loads(line)
        sha = entry["sha256"]
        if not isinstance(sha, str):
            raise TypeError("the sha256 is no text")
        if "record" in entry:
            return sha, json.dumps(entry["record"], ensure_ascii=False).encode()
        return sha, entry["text"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"{where}: expected an object with the sha256 of a quarantined line and its repaired text "
            f'(or a record): {{"sha256": "…", "text": "…"}}; {type(error).__name__}: {error}'
        ) from error
