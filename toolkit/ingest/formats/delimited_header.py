"""The header of delimited text: the columns that its first row names, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from toolkit.ingest.formats.bom import mark_length
from toolkit.ingest.formats.delimited_rows import not_utf8, rows_of, written
from toolkit.kernels import csv_frame as kernel

HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class Header:
    """The header row: ``names``, or the ``fault`` with ``detail``; where its line ends, and its number."""

    row: bytes = b""
    names: tuple[str, ...] = ()
    after: int = 0
    line: int = 1
    fault: str | None = None
    detail: str = ""


def first_bytes(blocks: Iterator[bytes]) -> bytes:
    """The first blocks, until they are more than a header may be."""
    first = bytearray()
    for block in blocks:
        first += block
        if len(first) > HEADER_BYTES:
            break
    return bytes(first)


def header_of(first: bytes, delimiter: bytes) -> Header:
    """Read the header from the first bytes of a file, of which there are over 64 KiB or all."""
    rows, _ = rows_of(first[:HEADER_BYTES], mark_length(first), 1, delimiter)
    row = rows[0].tolist() if len(rows) else None
    cut_off = row is None or (row[kernel.AFTER] == HEADER_BYTES and first[HEADER_BYTES - 1] != 10)
    if len(first) > HEADER_BYTES and (cut_off or row[kernel.FLAGS] & kernel.OPEN_QUOTE):
        return Header(fault="csv.no_header", detail=f"no row ends in the first {HEADER_BYTES} bytes")
    if row is None:
        return Header(after=len(first), line=1 + first.count(b"\n"))
    text = first[row[kernel.START] : row[kernel.STOP]]
    names, complaint = names_of(text, delimiter)
    if complaint:
        return Header(fault="csv.bad_header", detail=complaint)
    after = row[kernel.AFTER]
    return Header(text, names, after, 1 + first.count(b"\n", 0, after))


def names_of(row: bytes, delimiter: bytes) -> tuple[tuple[str, ...], str]:
    """The columns that a header row names, or none and what is wrong with it."""
    if complaint := not_utf8(row):
        return (), complaint
    found, _ = rows_of(row, 0, 1, delimiter)
    if len(found) != 1:
        return (), "no row"
    flags = int(found[0, kernel.FLAGS])
    for flag, complaint in _COMPLAINTS.items():
        if flags & flag:
            return (), complaint
    count = int(found[0, kernel.FIELDS])
    out, _ = written(row, found, np.ones(1, np.bool_), delimiter, [b'["', *[b'","'] * (count - 1), b'"]'])
    names = tuple(msgspec.json.decode(out.tobytes()))
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < count else None
    return (names, "") if twice is None else ((), f"the name {twice!r} stands twice")


_COMPLAINTS = {
    kernel.NUL: "a NUL byte",
    kernel.OPEN_QUOTE: "a quote that is never closed",
    kernel.STRAY: "text after a closing quote",
    kernel.CR: "a CR outside quotes: a row must end at LF or CRLF",
}
