"""A stream that can be read once, such as a pipe, into parts as it comes.

Nothing is known of it beforehand, so it is cut, hashed and landed in one pass, with a span in
memory for each worker and one more. After a kill the same stream through the same command
finds its finished parts and writes only the others; one that came before adds nothing. What
cannot be decompressed is counted but not kept: it can not be read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from toolkit.errors import GateError
from toolkit.ingest import (
    Limits,
    Options,
    Part,
    Stream,
    land,
    open_stream,
    spans_of,
    stream_form,
)
from toolkit.pipeline.arrivals import cut_settings
from toolkit.pipeline.deliveries import Delivered, Deliveries, Piece
from toolkit.pipeline.plan import door_of
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Source, Spec
from toolkit.pipeline.stages.ingest import IngestJob, source_terms
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import PartManifest

STDIN = "-"


@dataclass(frozen=True)
class SpanJob(IngestJob):
    """One part, whose bytes the job brings along."""

    data: bytes = b""

    def run(self) -> list[PartManifest]:
        """See Job."""
        return [self._fresh(0) or self._write(0, [self._landed()])]

    def _landed(self) -> Part:
        part, file = self.empty_part(), self.files[self.parts[0][0].file]
        land(part, self.parts[0][0].span, self.data, file.format, Options(file.name, self.document))
        return part


def land_stream(
    spec: Spec, source: Source, known: Deliveries | None, file: BinaryIO, runner: Runner
) -> Deliveries:
    """Land all that comes from ``file``; the source's deliveries with this one added."""
    known = known if known is not None else Deliveries(cut_settings(spec.ingest, source))
    stream = open_stream(file)
    form = stream_form(stream, source.format)
    arriving = Delivered("stdin", "", 0, 0, stream.codec, form, known.next_delivery)
    pieces: list[tuple[Piece, ...]] = []
    runner.flow("ingest", _jobs(spec, source, known, arriving, stream, pieces))
    if stream.damage is not None and stream.damage.altered is not None:
        raise GateError(
            "standard input: a checksum shows that these bytes are not those that were packed. Nothing was "
            "published. Save the stream to a file and land that: what is sound of it will be kept."
        )
    arrived = replace(arriving, sha256=stream.sha256(), size=stream.size, lines=stream.lines())
    if any((file.name, file.sha256) == (arrived.name, arrived.sha256) for file in known.files):
        return known  # also when a kill came between its deliveries and its root manifest
    if (same := known.known_as(arrived.sha256)) is not None:
        return replace(known, files=(*known.files, replace(arrived, same_as=same)))
    return replace(known, files=(*known.files, arrived), parts=(*known.parts, *pieces))


def _jobs(
    spec: Spec,
    source: Source,
    known: Deliveries,
    file: Delivered,
    stream: Stream,
    pieces: list[tuple[Piece, ...]],
) -> Iterator[SpanJob]:
    place = len(known.files)
    assert spec.lake.logical_date is not None
    door = door_of(source, spec.lake.logical_date)
    barred = Tombstones.read(spec.lake_path).forgotten()
    limits = Limits(spec.ingest.shard_bytes, spec.ingest.max_line_bytes)
    terms = (spec.ingest, *source_terms(source), barred)
    for span, data in spans_of(stream, file.format, limits, Options(file.name, source.document)):
        number = len(known.parts) + len(pieces)
        piece = Piece(place, span)
        pieces.append((piece,))
        yield SpanJob(spec.lake_path, (number,), ((piece,),), {place: file}, {}, {}, door, *terms, data)
