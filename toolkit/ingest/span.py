"""Where a raw file is cut: contiguous byte ranges that begin where a record begins.

Cuts depend on the bytes alone, so any number of workers writes the same shards, and each span
knows the number of its first line without reading what precedes it. What can not be read as
records (a record beyond every limit, the rest of a damaged file) is cut into spans too: each
is set aside whole, under the reason that it carries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CHANGED = "file.changed"  # the fault of bytes that are not those the file had at its census


@dataclass(frozen=True)
class Limits:
    """How large a shard's input is, and how large one record may be, in bytes."""

    shard_bytes: int
    max_record_bytes: int


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` to ``stop`` of the decompressed file (rows, of a Parquet file).

    ``line`` is the number of its first line, from 1. ``fault`` is None, or the reason why all of
    it is set aside, with ``detail``. ``head`` is what every span of the file needs to be read by
    itself: the header row of a CSV file. ``sha256`` is that of the file from its start to the end of
    this span (of the whole file, for Parquet): an identity. ``check`` is a checksum of the span's
    own bytes, 16 hex digits, which shows whether they changed. ``packed`` says that it is a range of
    the compressed file as it lies.
    """

    start: int
    stop: int
    line: int
    fault: str | None = None
    detail: str = ""
    head: bytes = b""
    sha256: str = ""
    packed: bool = False
    check: str = ""


def pieces(start: int, stop: int, line: int, fault: str, detail: str, size: int) -> Iterator[Span]:
    """Cut what is set aside into spans of at most ``size`` bytes."""
    for place in range(start, stop, size):
        yield Span(place, min(place + size, stop), line, fault, detail)
