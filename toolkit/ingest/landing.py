"""A span of a raw file into a part: read, framed or extracted, validated, wrapped.

The census saw the bytes first. If they are not the same any more, the file changed while it was
read, and what is there now is set aside whole under ``file.changed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from toolkit.ingest.codecs import Damage, decompressed
from toolkit.ingest.formats import FORMATS, parquet
from toolkit.ingest.frames import Options
from toolkit.ingest.part import Part
from toolkit.ingest.span import CHANGED, Span
from toolkit.ingest.stream import check_of
from toolkit.ingest.unpacked import unpacked
from toolkit.storage import sha256_file


def land(part: Part, span: Span, data: bytes, form: str, options: Options, verified: bool = False) -> None:
    """Add the records of ``data``, the bytes of ``span``, to ``part``.

    They are held against the span's checksum unless they are ``verified`` to be those of the census.
    """
    if not verified and span.check and check_of(data) != span.check:
        _changed(part, span, data, options.name)
    elif span.fault is not None:
        part.set_aside(data, span, options.name)
    else:
        found = FORMATS[form]
        part.add(found.frames(data, span, options), options.name, found.multiline)


def land_rows(
    part: Part, span: Span, path: Path, codec: str | None, options: Options, verified: bool = False
) -> None:
    """Add the rows of ``span`` of a Parquet file to ``part``; it is hashed unless it is ``verified``."""
    with unpacked(path, codec) as plain:
        if verified or sha256_file(plain) == span.sha256:
            part.add(parquet.frames_of(plain, span, options), options.name)
        else:
            detail = f"rows {span.start} to {span.stop} were to be read"
            part.set_aside(b"", replace(span, fault=CHANGED, detail=detail), options.name)


def read_spans(path: Path, codec: str | None, spans: Sequence[Span]) -> Iterator[bytes]:
    """The bytes of some spans of a file, in order; shorter where the file has become shorter.

    A plain file is read where the spans lie, a compressed one from its start.
    """
    here = [span for span in spans if not span.packed]
    yield from _ranges(path, here) if codec is None else _of_stream(decompressed(path, codec), here)
    yield from _ranges(path, [span for span in spans if span.packed])


def _changed(part: Part, span: Span, data: bytes, name: str) -> None:
    detail = f"{len(data)} bytes; {span.stop - span.start} others were there before: run again"
    part.set_aside(data, replace(span, fault=CHANGED, detail=detail), name)
    part.overhead["vanished"] = part.overhead.get("vanished", 0) + span.stop - span.start - len(data)


def _ranges(path: Path, spans: Sequence[Span]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for span in spans:
                file.seek(span.start)
                yield file.read(span.stop - span.start)
    except FileNotFoundError:  # deleted since it was first read: nothing is left of its spans
        yield from (b"" for _ in spans)


def _of_stream(blocks: Iterator[bytes], spans: Sequence[Span]) -> Iterator[bytes]:
    held, done = bytearray(), 0
    for span in spans:
        while done + len(held) < span.stop and (block := _next(blocks)):
            held += block
        yield bytes(memoryview(held)[max(0, span.start - done) : max(0, span.stop - done)])
        del held[: span.stop - done]
        done = span.stop


def _next(blocks: Iterator[bytes]) -> bytes | None:
    with suppress(Damage, FileNotFoundError):
        return next(blocks, None)
    return None
