"""The door without a lake: records as they come, validated and traced, and nothing written.

    file or pipe -> spans -> [executor] validation, construction -> records or Arrow batches, in order

A span is in memory at a time, or a few more with an executor. What a lake does across files is not
done here: the same bytes in two files come twice, and repeats are not looked for. Nor can anything be
taken back: where a checksum at its end shows that a compressed file is damaged, its records have been
given, and the quarantine says so.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa

from toolkit.errors import GateError, RequestError
from toolkit.ingest import (
    Door,
    Frames,
    Limits,
    Options,
    Part,
    Span,
    form_of,
    land,
    open_stream,
    parse_contract,
    read_records,
    resolve,
    spans_of,
)
from toolkit.ingest.readers import ROWS, batch_of, check_rows, record_of, sliced
from toolkit.pipeline.plan import door_of
from toolkit.pipeline.processes import usable_cores
from toolkit.pipeline.spec.tables import Source, Spec
from toolkit.pipeline.workers import in_order

SHOWN = 100
Named = Sequence[tuple[str, Path | BinaryIO]]


@dataclass(frozen=True)
class Refused:
    """What was set aside: its reason code, a detail, and its origin (path, line, offset, length)."""

    reason: str
    detail: str
    origin: dict[str, Any]


@dataclass
class Quarantined:
    """What a pass has set aside so far: ``counts`` by reason, and the ``first`` hundred entries."""

    counts: dict[str, int] = field(default_factory=dict)
    first: list[Refused] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many, of all reasons."""
        return sum(self.counts.values())

    def add(self, other: Quarantined) -> None:
        """Add what came later."""
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
        self.first += other.first[: SHOWN - len(self.first)]


@dataclass(frozen=True)
class Piece:
    """A span with its bytes, or with its records where only a whole file can be read."""

    span: Span
    data: bytes | Frames
    form: str
    options: Options


@dataclass(frozen=True)
class Checker:
    """What each span is held against; it goes to the executor's workers."""

    door: Door
    max_bytes: int
    require: tuple[str, ...]

    def __call__(self, piece: Piece) -> tuple[np.ndarray, int, Quarantined]:
        """Bronze lines end to end, how many they are, and what was set aside."""
        part = Part(self.door, self.max_bytes, contract=parse_contract(self.require))
        if isinstance(piece.data, Frames):
            part.add(piece.data, piece.options.name)
        else:
            land(part, piece.span, piece.data, piece.form, piece.options)
            part.ledger(len(piece.data))
        entries = [msgspec.json.decode(line, type=Refused) for line in part.quarantine[:SHOWN]]
        counts = {reason: group.records for reason, group in part.rejected.items()}
        lines = np.concatenate(part.bronze) if part.bronze else np.empty(0, np.uint8)
        return lines, part.accepted.records, Quarantined(counts, entries)


class Streamed:
    """The records of some files, or of what comes through a pipe, in order.

    Iterating gives each as a dict, as ``toolkit.ingest.records`` does of a lake; ``batches`` gives
    Arrow. Each is one pass that begins anew, but for a pipe, which is read once. ``quarantined``
    is what the pass at hand has set aside; at its end GateError if that is more than
    ``settings.max_reject_share`` of all.
    """

    def __init__(self, spec: Spec, named: Named, executor: Executor | None = None) -> None:
        self.quarantined = Quarantined()
        self._spec, self._named, self._executor = spec, named, executor
        self._read = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each record: provenance, and its ``payload`` decoded."""
        return (record_of(line) for lines in self._lines() for line in lines.tobytes().split(b"\n")[:-1])

    def batches(self, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """The records as batches of ``toolkit.ingest.BRONZE_SCHEMA``, at most ``rows`` each, of one span."""
        check_rows(rows)
        return (batch for lines in self._lines() for batch in sliced(batch_of(lines), rows))

    def _lines(self) -> Iterator[np.ndarray]:
        if self._read and any(not isinstance(where, Path) for _, where in self._named):
            raise RequestError("standard input can be read once. Give --out, or a file, to read it again.")
        self._read, self.quarantined = True, Quarantined()
        return self._pass(self.quarantined)

    def _pass(self, found: Quarantined) -> Iterator[np.ndarray]:
        source, settings, accepted = self._spec.source[0], self._spec.ingest, 0
        date = self._spec.lake.logical_date
        assert date is not None
        check = Checker(door_of(source, date), settings.max_line_bytes, tuple(source.require))
        limits = Limits(settings.shard_bytes, settings.max_line_bytes)
        pieces = (piece for name, where in self._named for piece in _pieces(name, where, source, limits))
        for lines, count, refused in in_order(check, pieces, self._executor, usable_cores()):
            accepted += count
            found.add(refused)
            yield lines
        self._check_share(found, accepted)

    def _check_share(self, found: Quarantined, accepted: int) -> None:
        limit, all_records = self._spec.ingest.max_reject_share, found.records + accepted
        if found.records > limit * all_records:
            worst = max(found.counts, key=found.counts.__getitem__)
            raise GateError(
                f"{found.records} of {all_records} records were rejected, most of them {worst}; "
                f"max_reject_share allows {limit:.2%}."
            )


def _pieces(name: str, where: Path | BinaryIO, source: Source, limits: Limits) -> Iterator[Piece]:
    form, options = form_of(name, source.format), Options(name, source.document)
    if form == "parquet":
        with _file(where) as path:
            for span, frames in read_records(path, form, limits, options):
                yield Piece(span, frames, form, options)
        return
    stream = open_stream(where)
    form = resolve(stream, form)
    for span, data in spans_of(stream, form, limits, options):
        yield Piece(span, data, form, options)


@contextmanager
def _file(where: Path | BinaryIO) -> Iterator[Path]:
    """A file to read out of order: of what comes through a pipe, a temporary copy."""
    if isinstance(where, Path):
        yield where
        return
    with tempfile.NamedTemporaryFile() as file:
        shutil.copyfileobj(where, file)
        file.flush()
        yield Path(file.name)
