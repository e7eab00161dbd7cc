"""CSV and TSV after RFC 4180: rows under one header, each a JSON object of texts as sent.

A row ends at LF or CRLF outside quotes; a lone CR is a character. A field is quoted if its first
byte is a quote, and a quote in it is doubled; a quote later in an unquoted field stands for itself.
The header is the first row with a byte in it. A row without a byte is blank.

A quoted field that goes on for more than ``max_record_bytes`` after its quote is a stray quote: its
row, from its first byte to the end of the line on which that quote stands, is set aside as
``csv.unclosed_quote``, and the next line begins a row. Where the file ends before that, what is
left of it is one row, set aside for the same reason. A stray quote more than ``max_record_bytes`` + 1
after the first byte of its row does not change the reason: the row was too long before it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from toolkit.ingest.formats.aside import rest
from toolkit.ingest.formats.bom import mark_length
from toolkit.ingest.formats.delimited_cutter import Cutter
from toolkit.ingest.formats.delimited_header import first_bytes, header_of, names_of
from toolkit.ingest.formats.delimited_rows import keys_of, not_utf8, rows_of, written
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span
from toolkit.kernels import csv_frame as kernel


def cut_csv(blocks: Iterable[bytes], limits: Limits, options: Options | None = None) -> Iterator[Span]:
    """Spans of whole rows of comma-separated text; see ``cut``."""
    return cut(blocks, limits, b",")


def frames_csv(data: bytes, span: Span, options: Options | None = None) -> Frames:
    """The rows of a span of comma-separated text; see ``frames``."""
    return frames(data, span, b",")


def cut_tsv(blocks: Iterable[bytes], limits: Limits, options: Options | None = None) -> Iterator[Span]:
    """Spans of whole rows of tab-separated text; see ``cut``."""
    return cut(blocks, limits, b"\t")


def frames_tsv(data: bytes, span: Span, options: Options | None = None) -> Frames:
    """The rows of a span of tab-separated text; see ``frames``."""
    return frames(data, span, b"\t")


def cut(blocks: Iterable[bytes], limits: Limits, delimiter: bytes) -> Iterator[Span]:
    """Spans that end at the first row end ``shard_bytes`` or more after they begin, with the header.

    The header must end within the first 64 KiB, and name every column once: else the whole file is
    set aside. Memory: one block, and an open quoted field of at most ``max_record_bytes``. The bytes
    that have passed and are in no span yet are at most the larger of ``shard_bytes`` and
    ``max_record_bytes``, and ``max_record_bytes``, and a block (at the start of the file, 64 KiB).
    """
    blocks = iter(blocks)
    first = first_bytes(blocks)
    header = header_of(first, delimiter)
    if header.fault:
        yield from rest(blocks, 0, len(first), 1, header.fault, header.detail, limits.shard_bytes)
        return
    cutter = Cutter(limits, delimiter, header)
    for block in chain([first], blocks):
        yield from cutter.feed(block)
    yield from cutter.finish()


def frames(data: bytes, span: Span, delimiter: bytes) -> Frames:
    """The rows of a span, as JSON objects under the names in ``span.head``; never raises."""
    mark = mark_length(data) if span.start == 0 else 0
    rows, blank = rows_of(data, mark, span.line, delimiter)
    overhead, head = {"bom": mark, "blank": blank}, span.head
    overhead["separator"] = _sum(rows, kernel.AFTER, kernel.STOP)
    if span.start == 0 and len(rows):
        overhead["header"] = _sum(rows[:1], kernel.STOP, kernel.START)
        head, rows = data[rows[0, kernel.START] : rows[0, kernel.STOP]], rows[1:]
    names, complaint = names_of(head, delimiter)
    faults = _faults(data, rows, names, complaint)
    good = np.ones(len(rows), np.bool_)
    good[list(faults)] = False
    out, places = written(data, rows, good, delimiter, keys_of(names))
    start, stop, line = rows[:, kernel.START], rows[:, kernel.STOP], rows[:, kernel.ROW_AT_LINE]
    return Frames(
        out, places[:-1], places[1:], line.copy(), start + span.start, stop - start, faults, overhead
    )


def _faults(
    data: bytes, rows: np.ndarray, names: tuple[str, ...], complaint: str
) -> dict[int, tuple[str, str]]:
    """Rows that are no record, and why: of several reasons the first that ``_fault`` looks for."""
    if complaint:
        return dict.fromkeys(range(len(rows)), ("csv.bad_header", complaint))
    garbled = _garbled(data, rows)
    wrong = (rows[:, kernel.FLAGS] & ~kernel.CR != 0) | (rows[:, kernel.FIELDS] != len(names))
    others = {int(row): _fault(data, rows[row].tolist(), len(names)) for row in np.flatnonzero(wrong)}
    return dict(sorted((others | garbled).items()))


def _fault(data: bytes, row: list[int], width: int) -> tuple[str, str]:
    flags, fields = row[kernel.FLAGS], row[kernel.FIELDS]
    if flags & kernel.NUL:
        return "json.nul_byte", f"at byte {data.index(0, row[kernel.START]) - row[kernel.START]}"
    if flags & kernel.OPEN_QUOTE:
        return "csv.unclosed_quote", "the file ends inside quotes"
    if flags & kernel.STRAY:
        return "csv.stray_quote", "text after a closing quote"
    return "csv.wrong_width", f"{fields} fields, header has {width}"


def _garbled(data: bytes, rows: np.ndarray) -> dict[int, tuple[str, str]]:
    """Rows that are not UTF-8, in one pass over the data: a decoder stops at what it can not read."""
    found, place, view = {}, 0, memoryview(data)
    starts, stops = rows[:, kernel.START], rows[:, kernel.STOP]
    while place < len(data):
        try:
            codecs.utf_8_decode(view[place:], "strict", True)
            break
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(stops, place + error.start, "right"))
        if row == len(rows):
            break
        if detail := not_utf8(data[starts[row] : stops[row]]):
            found[row] = ("utf8.invalid", detail)
        place = int(stops[row])
    return found


def _sum(rows: np.ndarray, stop: int, start: int) -> int:
    return int((rows[:, stop] - rows[:, start]).sum())
