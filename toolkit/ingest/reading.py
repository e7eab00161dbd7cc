"""Records of a file as a stream: one pass, one span in memory, nothing on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from toolkit.ingest.codecs import codec_of
from toolkit.ingest.formats import FORMATS, parquet
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span
from toolkit.ingest.stream import open_stream, resolve, spans_of
from toolkit.ingest.unpacked import unpacked


def read_records(
    source: Path | BinaryIO, form: str, limits: Limits, options: Options
) -> Iterator[tuple[Span, Frames]]:
    """The spans of a file, or of an open stream such as standard input, with their records.

    A span that is set aside whole comes as one record under its fault; so does what could not be
    decompressed, without its bytes when a stream cannot be read again.
    """
    if form == "parquet" and isinstance(source, Path):
        yield from _rows(source, limits, options)
        return
    stream = open_stream(source)
    form = resolve(stream, form)
    for span, data in spans_of(stream, form, limits, options):
        yield span, (aside(span, data) if span.fault else FORMATS[form].frames(data, span, options))


def aside(span: Span, data: bytes) -> Frames:
    """All of a span as one record that is refused."""
    one = [np.array([number], np.int64) for number in (0, len(data), span.line, span.start, len(data))]
    return Frames(np.frombuffer(data, np.uint8), *one, faults={0: (span.fault or "", span.detail)})


def _rows(path: Path, limits: Limits, options: Options) -> Iterator[tuple[Span, Frames]]:
    with unpacked(path, codec_of(path)) as plain:
        try:
            spans = parquet.cut_file(plain, limits)
        except parquet.Damaged as error:
            span = Span(0, plain.stat().st_size, 1, "parquet.damaged", str(error))
            yield span, aside(replace(span, stop=0), b"")
            return
        for span in spans:
            yield span, parquet.frames_of(plain, span, options)
