"""What a lake has been given: every file as it was delivered, and the parts its bytes went to.

Bronze only grows. A file whose bytes are known lands nothing, under whatever name; JSON lines
that grew land what was added; any other change of a file lands beside what it held before. So
the lake is what its deliveries made it, in their order, and this file, written when a run is
published, is all that the next run needs to know of the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from toolkit.ingest import CHANGED, Span
from toolkit.storage import Ledger, PartManifest, read_json, write_json

NAME = "deliveries.json"


@dataclass(frozen=True)
class Delivered:
    """A file as it was delivered: the bytes from ``start`` to ``size`` were new.

    ``delivery`` numbers the source's deliveries from 0; ``same_as`` is the name under which the
    same bytes had been delivered before, and then nothing of it was new. ``grown_from`` is the
    sha256 of the first ``start`` bytes, as they were delivered before.
    """

    name: str
    sha256: str
    size: int
    lines: int
    codec: str | None
    format: str
    delivery: int
    start: int = 0
    container: int = 0
    same_as: str | None = None
    grown_from: str | None = None


@dataclass(frozen=True)
class Piece:
    """A span of a delivered file; ``file`` is its place in the source's list."""

    file: int
    span: Span


@dataclass(frozen=True)
class Deliveries:
    """A source's files, in the order in which they came, and the pieces of each of its parts.

    ``cut`` is the hash of the settings that the pieces follow from.
    """

    cut: str
    files: tuple[Delivered, ...] = ()
    parts: tuple[tuple[Piece, ...], ...] = ()

    @property
    def next_delivery(self) -> int:
        """The number of the next delivery."""
        return self.files[-1].delivery + 1 if self.files else 0

    def part_names(self, source: str) -> list[str]:
        """The names of its parts: ``source/part-00000``."""
        return [f"{source}/part-{number:05d}" for number in range(len(self.parts))]

    def last(self, name: str) -> Delivered | None:
        """The file last delivered under this name."""
        return self._by_name.get(name)

    def known_as(self, sha256: str) -> str | None:
        """The name under which these bytes were first delivered."""
        return self._by_sha.get(sha256)

    @cached_property
    def _by_name(self) -> dict[str, Delivered]:
        return {file.name: file for file in self.files}

    @cached_property
    def _by_sha(self) -> dict[str, str]:
        return {file.sha256: file.name for file in reversed(self.files)}

    def listing(self) -> list[dict[str, Any]]:
        """The files as the root manifest lists them."""
        return [asdict(file) for file in self.files]


def grown_from(files: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """For each of a source's files the place of the one that it grew from; None where all of it was new.

    ``files`` are the source's as the root manifest lists them.
    """
    landed: dict[str, int] = {}
    last: dict[tuple[str, int], str] = {}  # for lakes that did not write down what a file grew from
    places = []
    for place, file in enumerate(files):
        sha = file.get("grown_from") or last.get((file["name"], file["start"]), "")
        places.append(landed.get(sha) if file["start"] else None)
        last[file["name"], file["size"]] = file["sha256"]
        if file["same_as"] is None:
            landed.setdefault(file["sha256"], place)
    return places


def books_by_piece(manifest: PartManifest) -> Iterator[tuple[Mapping[str, Any], Ledger]]:
    """The pieces of a part of bronze with the books of each; of one alone these are the part's."""
    for piece in manifest.facts["pieces"]:
        yield piece, Ledger.from_dict(piece["books"]) if "books" in piece else manifest.ledgers[0]


def unbalanced(files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]) -> list[str]:
    """What is wrong with a source's files: of each, what its parts account for must be all that was new.

    ``files`` are the source's as the root manifest lists them.
    """
    found: Counter[int] = Counter()
    for manifest in manifests:
        for piece, books in books_by_piece(manifest):
            found[piece["file"]] += books.records_in.size + sum(books.overhead.values())
    problems = []
    for place, file in enumerate(files):
        new = 0 if file["same_as"] is not None else file["size"] - file["start"]
        if found[place] != new:
            problems.append(f"{file['name']}: {new} bytes came in, {found[place]} are accounted for")
    return problems


def without_changed(given: Deliveries, manifests: Sequence[PartManifest]) -> Deliveries:
    """The deliveries with the hashes of files that changed while they were read taken back.

    What they were said to hold did not land, so it is not known when it comes again. A file that
    repeats it brought nothing.
    """
    changed = set()
    for manifest in manifests:
        for piece, books in books_by_piece(manifest):
            if CHANGED in books.quarantined:
                changed.add(given.files[piece["file"]].sha256)
    files = [_taken_back(file) if file.sha256 in changed else file for file in given.files]
    return replace(given, files=tuple(files)) if changed else given


def _taken_back(file: Delivered) -> Delivered:
    repeats = file.same_as is not None
    return replace(file, sha256="", size=0, lines=0) if repeats else replace(file, sha256="")


def listing_of(given: Mapping[str, Deliveries]) -> list[dict[str, Any]]:
    """The sources and their files, as the root manifest lists them."""
    return [{"id": name, "files": found.listing()} for name, found in given.items()]


def read_deliveries(lake: Path) -> dict[str, Deliveries]:
    """The deliveries of every source of a lake; none before it is first published."""
    path = lake / NAME
    return {name: _from_data(data) for name, data in read_json(path).items()} if path.exists() else {}


def write_deliveries(lake: Path, sources: Mapping[str, Deliveries]) -> None:
    """Write them into the lake."""
    write_json(lake / NAME, {name: _to_data(found) for name, found in sources.items()})


def _to_data(found: Deliveries) -> dict[str, Any]:
    return {
        "cut": found.cut,
        "files": found.listing(),
        "parts": [[piece_data(piece) for piece in part] for part in found.parts],
    }


def piece_data(piece: Piece) -> dict[str, Any]:
    """A piece as JSON data; what is usual is left out."""
    span = asdict(piece.span) | {"head": piece.span.head.decode("latin-1")}
    usual = asdict(Span(0, 0, 0)) | {"head": ""}
    kept = {key: value for key, value in span.items() if value != usual[key] or key in ("start", "line")}
    return {"file": piece.file, **kept}


def _from_data(data: Mapping[str, Any]) -> Deliveries:
    files = tuple(Delivered(**file) for file in data["files"])
    return Deliveries(data["cut"], files, tuple(tuple(map(_piece, part)) for part in data["parts"]))


def _piece(data: Mapping[str, Any]) -> Piece:
    span = {key: value for key, value in data.items() if key != "file"}
    if "head" in span:
        span["head"] = span["head"].encode("latin-1")
    return Piece(data["file"], Span(**span))
