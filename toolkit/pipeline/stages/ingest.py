"""Raw bytes to bronze: a part from each of the planned pieces, with its quarantine beside it.

A part of a plain file is a job of its own. A compressed file can only be read from its start,
so its parts are one job that writes one after another; finished parts are read past, not
written again. A part whose raw bytes are gone stays as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import RequestError
from toolkit.ingest import (
    Door,
    Forgotten,
    Frames,
    Options,
    Part,
    land,
    land_rows,
    parse_contract,
    read_spans,
)
from toolkit.ingest.shapes import shape_facts
from toolkit.pipeline.deliveries import Delivered, Piece, piece_data
from toolkit.pipeline.jobs import begin, job_key
from toolkit.pipeline.plan import Plan, PlannedSource
from toolkit.pipeline.repairs import FORMAT, by_path, read_repairs
from toolkit.pipeline.spec.tables import Ingest, Source, Spec
from toolkit.pipeline.stages.bronze_part import Content, write_bronze
from toolkit.pipeline.tombstones import Tombstones
from toolkit.pipeline.watermarks import Mark, unchanged
from toolkit.storage import Group, Ledger, PartManifest, digest_json


@dataclass(frozen=True)
class IngestJob:
    """Parts that follow each other: their numbers, their pieces, and the files of these."""

    lake: Path
    numbers: tuple[int, ...]
    parts: tuple[tuple[Piece, ...], ...]
    files: Mapping[int, Delivered]
    paths: Mapping[int, Path]
    marks: Mapping[int, Mark]
    door: Door
    settings: Ingest
    document: str
    require: tuple[str, ...]
    declared_id: str | None
    forgotten: Forgotten

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        found = [self._fresh(i) or self._kept(i) for i in range(len(self.parts))]
        return None if None in found else found

    def run(self) -> list[PartManifest]:
        """See Job."""
        data = self._data()
        return [self._fresh(i) or self._write(i, made) for i, made in enumerate(data)]

    def part(self, i: int) -> str:
        """The name of a part of this job: ``source/part-00000``."""
        return f"{self.door.source_id}/part-{self.numbers[i]:05d}"

    def _manifest(self, i: int) -> Path:
        return self.lake / "bronze" / f"{self.part(i)}.manifest.json"

    def _fresh(self, i: int) -> PartManifest | None:
        return PartManifest.fresh(self.lake, self._manifest(i), self._key(i))

    def _kept(self, i: int) -> PartManifest | None:
        """The manifest of a finished part whose raw bytes are gone; RequestError if it must be made anew."""
        gone = [piece for piece in self.parts[i] if piece.file not in self.paths]
        if not gone:
            return None
        found = PartManifest.read(self._manifest(i))
        whole = found and PartManifest.fresh(self.lake, self._manifest(i), found.key)
        if whole and whole.facts["terms"] == self._terms() and self._same_pieces(i, whole):
            return whole
        why = "its source's terms or [ingest] changed" if whole else "it is missing or damaged"
        raise RequestError(
            f"{self._manifest(i).parent}: part {self.numbers[i]} must be made anew ({why}), but "
            f"{self.files[gone[0].file].name} is no longer there as it was delivered, or not named here. "
            "Name it or deliver it again, take back the change, or give this spec a lake of its own."
        )

    def _same_pieces(self, i: int, manifest: PartManifest) -> bool:
        pieces = manifest.facts["pieces"]
        held = [{key: value for key, value in piece.items() if key != "books"} for piece in pieces]
        return held == [piece_data(piece) for piece in self.parts[i]]

    def _terms(self) -> str:
        """What the part's records carry and were held against, in a hash."""
        used = self.settings
        kept = [used.max_line_bytes, used.compression, used.used_level]
        return digest_json([vars(self.door), kept, self.document, list(self.require), self.declared_id])

    def _key(self, i: int) -> str:
        pieces = [
            [self.files[p.file].name, self.files[p.file].format, piece_data(p) | {"file": 0}]
            for p in self.parts[i]
        ]
        return job_key("ingest", pieces=pieces, terms=self._terms())

    def _data(self) -> Iterator[list[Part]]:
        """For each part what came of its pieces; finished parts of a compressed file only pass."""
        first = self.parts[0][0].file
        if len(self.parts) == 1:
            yield [self._read(piece, None) for piece in self.parts[0]]
            return
        spans = [part[0].span for part in self.parts]
        file = self.files[first]
        data = read_spans(self.paths[first], file.codec, spans)
        for i, (part, raw) in enumerate(zip(self.parts, data, strict=True)):
            yield [] if self._fresh(i) else [self._read(part[0], raw)]

    def empty_part(self) -> Part:
        """A part on these terms with nothing in it."""
        contract = parse_contract(self.require)
        return Part(self.door, self.settings.max_line_bytes, self.forgotten, contract, self.declared_id)

    def _read(self, piece: Piece, data: bytes | None) -> Part:
        file, path = self.files[piece.file], self.paths[piece.file]
        part, options = self.empty_part(), Options(file.name, self.document)
        mark = self.marks.get(piece.file)  # taken at the census: equal marks, equal bytes
        if file.format == FORMAT:
            _land_repairs(part, read_repairs(path))
        elif file.container:
            part.overhead["container"] = file.container if piece.span.start == 0 else 0
            land_rows(part, piece.span, path, file.codec, options, unchanged(path, mark))
        else:
            data = next(read_spans(path, file.codec, [piece.span])) if data is None else data
            whole = len(data) == piece.span.stop - piece.span.start
            land(part, piece.span, data, file.format, options, whole and unchanged(path, mark))
        return part

    def _write(self, i: int, made: Sequence[Part]) -> PartManifest:
        begin(self._manifest(i))
        books = [part.ledger(self._size(piece)) for part, piece in zip(made, self.parts[i], strict=True)]
        pieces = [piece_data(piece) for piece in self.parts[i]]
        if len(pieces) > 1:
            pieces = [data | {"books": book.to_dict()} for data, book in zip(pieces, books, strict=True)]
        facts = {
            "terms": self._terms(),
            "pieces": pieces,
            **shape_facts(part.shapes for part in made),
            "payload_bytes": sum(part.payload_bytes for part in made),
        }
        content = Content(
            _joined([lines for part in made for lines in part.bronze]),
            np.concatenate([ids for part in made for ids in (self._no_ids(), *part.ids)]),
            b"".join(line for part in made for line in part.quarantine),
        )
        ledger = sum(books, Ledger("ingest", "bytes"))
        return write_bronze(self.lake, self.part(i), self._key(i), content, ledger, facts, self.settings)

    def _no_ids(self) -> np.ndarray:
        return np.empty((0, 2 if self.declared_id is None else 4), np.uint64)

    def _size(self, piece: Piece) -> int:
        file = self.files[piece.file]
        if file.container:
            return file.container if piece.span.start == 0 else 0
        return piece.span.stop - piece.span.start


def _land_repairs(part: Part, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add repaired lines at the places of those that they repair."""
    for path, every in by_path(entries):
        group = [entry for entry in every if entry["raw"] is not None]
        gone = [entry for entry in every if entry["raw"] is None]
        lost = [entry["forgotten"] for entry in gone], [entry["origin"]["length"] for entry in gone]
        part.forgotten += Group.of(*lost)
        data = b"".join(entry["raw"] for entry in group)
        stop = np.cumsum([len(entry["raw"]) for entry in group], dtype=np.int64)
        start = stop - np.array([len(entry["raw"]) for entry in group], np.int64)
        place = [np.array([e["origin"][k] for e in group], np.int64) for k in ("line", "offset", "length")]
        part.add(Frames(np.frombuffer(data, np.uint8), start, stop, *place), path, multiline=True)


def _joined(buffers: Sequence[np.ndarray]) -> bytes | memoryview:
    return memoryview(buffers[0]) if len(buffers) == 1 else b"".join(map(memoryview, buffers))


def ingest_jobs(spec: Spec, plan: Plan, logical_date: str, tombstones: Tombstones) -> list[IngestJob]:
    """The jobs of the whole plan, in the order of the spec; parts are numbered within a source."""
    jobs: list[IngestJob] = []
    for item in plan.sources:
        jobs += _source_jobs(spec, item, item.door(logical_date), tombstones.forgotten())
    return jobs


def _source_jobs(spec: Spec, item: PlannedSource, door: Door, forgotten: Forgotten) -> Iterator[IngestJob]:
    numbered = list(enumerate(item.deliveries.parts))
    for _, group in itertools.groupby(numbered, lambda part: _read_with(item, *part)):
        numbers, parts = zip(*group, strict=True)
        used = {piece.file for part in parts for piece in part}
        files = {k: item.deliveries.files[k] for k in used}
        paths = {k: item.paths[k] for k in used if k in item.paths}
        marks = {k: item.marks[files[k].name][0] for k in paths if files[k].name in item.marks}
        terms = (spec.ingest, *source_terms(item.source), forgotten)
        yield IngestJob(spec.lake_path, numbers, parts, files, paths, marks, door, *terms)


def source_terms(source: Source) -> tuple[str, tuple[str, ...], str | None]:
    """What of a source decides how its records are read and checked."""
    return source.document, tuple(source.require), source.declared_id


def _read_with(item: PlannedSource, number: int, part: Sequence[Piece]) -> tuple[str, int]:
    """What parts of one job have in common: the compressed file that they alone are read from."""
    file = item.deliveries.files[part[0].file]
    alone = len(part) == 1 and file.codec is not None and not file.container
    return ("file", part[0].file) if alone and part[0].file in item.paths else ("part", number)
