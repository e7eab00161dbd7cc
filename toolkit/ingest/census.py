"""One pass over a raw file before anything is written: its hash, its size, and where to cut it.

What cannot be read is not refused but cut out: an encoding that is not UTF-8, the rest of a
damaged compressed file. Such spans carry a fault, and their bytes end in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.ingest.codecs import codec_of, decompressed
from toolkit.ingest.formats import jsonl, parquet
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits, Span, pieces
from toolkit.ingest.stream import Stream, aside, check_of, cut, resolve
from toolkit.ingest.unpacked import unpacked


@dataclass(frozen=True)
class Before:
    """What a file held when it was last read: ``size`` bytes, ``lines``, and their sha256."""

    size: int
    lines: int
    sha256: str


@dataclass(frozen=True)
class Census:
    """What is known of a raw file.

    ``size`` and ``sha256`` are of its decompressed bytes and, if it is damaged, of the rest as it
    lies. ``start`` is where its spans begin: 0, or the size it had before it grew
    from what has the sha256 ``grown_from``. ``container`` counts the bytes that are no record's:
    all of a Parquet file.
    """

    codec: str | None
    format: str
    size: int
    lines: int
    sha256: str
    spans: tuple[Span, ...]
    start: int = 0
    container: int = 0
    grown_from: str | None = None


def take_census(
    path: Path, form: str, limits: Limits, options: Options, before: Iterable[Before] = ()
) -> Census:
    """Hash ``path`` and cut it into spans of about ``limits.shard_bytes``; memory is that of one span.

    JSON lines that only grew since one of ``before``, which are tried in turn, are cut from where
    that ended, unless a checksum shows that they were altered. Raises RequestError when the file
    may not be read.
    """
    codec = codec_of(path)
    if form == "parquet":
        return _of_parquet(path, codec, limits, options)
    for held in before if form in ("jsonl", "json") else ():
        stream = Stream(decompressed(path, codec))
        if stream.passes(held.size, held.sha256):
            cut_on = jsonl.cut(stream, limits, options, held.size, held.lines + 1)
            grown = _of_stream(path, codec, "jsonl", stream, cut_on, limits, held.size)
            if stream.damage is None or stream.damage.altered is None:
                return replace(grown, grown_from=held.sha256)
    stream = Stream(decompressed(path, codec))
    form = resolve(stream, form)
    found = _of_stream(path, codec, form, stream, cut(stream, form, limits, options), limits, 0)
    if stream.damage is None or stream.damage.altered is None:
        return found
    stream, spans = _altered(path, codec, form, limits, options, stream.damage.altered)
    return _of_spans(path, codec, form, stream, spans, limits, 0)


def _of_stream(
    path: Path,
    codec: str | None,
    form: str,
    stream: Stream,
    found: Iterator[Span],
    limits: Limits,
    start: int,
) -> Census:
    spans = [stream.known(span) for span in found]
    return _of_spans(path, codec, form, stream, spans, limits, start)


def _of_spans(
    path: Path, codec: str | None, form: str, stream: Stream, spans: list[Span], limits: Limits, start: int
) -> Census:
    lines = stream.lines()
    if stream.damage is not None:
        spans += _rest(path, stream, limits)
    return Census(codec, form, stream.size, lines, stream.sha256(), tuple(spans), start)


def _altered(
    path: Path, codec: str | None, form: str, limits: Limits, options: Options, altered: int
) -> tuple[Stream, list[Span]]:
    """The file once more, cut where a checksum shows that what follows is not what was packed."""
    first = Stream(_first(decompressed(path, codec), altered))
    spans = [first.known(span) for span in cut(first, form, limits, options)]
    stream = Stream(decompressed(path, codec))
    stream.passes(altered, "")
    assert stream.damage is None
    detail = "a checksum shows that these bytes are not those that were packed"
    found = aside(stream, limits, "compression.altered", detail)
    return stream, spans + [stream.known(span) for span in found]


def _first(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[:size]
        size -= len(block)
        if size <= 0:
            return


def _rest(path: Path, stream: Stream, limits: Limits) -> Iterator[Span]:
    """The rest of a damaged file: ranges of the compressed file, as it lies."""
    damage, number, size = stream.damage, stream.lines() + 1, limits.shard_bytes
    assert damage is not None
    with path.open("rb") as file:
        file.seek(damage.offset)
        start, stop = damage.offset, damage.offset + damage.size
        cut = list(pieces(start, stop, number, "compression.damaged", damage.detail, size))
        # A file cut short has no rest: an entry without bytes says so.
        for span in cut or [Span(start, stop, number, "compression.damaged", damage.detail)]:
            data = file.read(span.stop - span.start)
            stream.add(data)
            yield replace(span, sha256=stream.sha256(), check=check_of(data), packed=True)


def _of_parquet(path: Path, codec: str | None, limits: Limits, options: Options) -> Census:
    with unpacked(path, codec) as plain:
        try:
            spans = parquet.cut_file(plain, limits) or (Span(0, 0, 1),)
        except parquet.Damaged as error:
            stream = Stream(decompressed(plain, None))
            found = aside(stream, limits, "parquet.damaged", str(error))
            return _of_stream(path, codec, "parquet", stream, found, limits, 0)
        stream = Stream(decompressed(plain, None))
        for _ in stream:
            stream.take(stream.size)
    rows = sum(span.stop - span.start for span in spans)
    spans = tuple(replace(span, sha256=stream.sha256()) for span in spans)
    return Census(codec, "parquet", stream.size, rows, stream.sha256(), spans, 0, stream.size)
