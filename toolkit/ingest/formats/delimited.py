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
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np

from toolkit.ingest.formats.aside import rest, whole_pieces
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span, pieces
from toolkit.kernels import csv_frame as kernel

HEADER_BYTES = 1 << 16

_ROWS = 1024


@dataclass(frozen=True)
class Header:
    """The header row: ``names``, or the ``fault`` with ``detail``; where its line ends, and its number."""

    row: bytes = b""
    names: tuple[str, ...] = ()
    after: int = 0
    line: int = 1
    fault: str | None = None
    detail: str = ""


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
    first = _gather(blocks)
    header = header_of(first, delimiter)
    if header.fault:
        yield from rest(blocks, 0, len(first), 1, header.fault, header.detail, limits.shard_bytes)
        return
    cutter = _Cutter(limits, delimiter, header)
    for block in chain([first], blocks):
        yield from cutter.feed(block)
    yield from cutter.finish()


def header_of(first: bytes, delimiter: bytes) -> Header:
    """Read the header from the first bytes of a file, of which there are over 64 KiB or all."""
    rows, _ = _rows(first[:HEADER_BYTES], _mark(first), 1, delimiter)
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
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return (), f"byte 0x{row[error.start]:02x} at {error.start}: {error.reason}"
    found, _ = _rows(row, 0, 1, delimiter)
    if len(found) != 1:
        return (), "no row"
    flags = int(found[0, kernel.FLAGS])
    for flag, complaint in _COMPLAINTS.items():
        if flags & flag:
            return (), complaint
    count = int(found[0, kernel.FIELDS])
    out, _ = _written(row, found, np.ones(1, np.bool_), delimiter, [b'["', *[b'","'] * (count - 1), b'"]'])
    names = tuple(msgspec.json.decode(out.tobytes()))
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < count else None
    return (names, "") if twice is None else ((), f"the name {twice!r} stands twice")


_COMPLAINTS = {
    kernel.NUL: "a NUL byte",
    kernel.OPEN_QUOTE: "a quote that is never closed",
    kernel.STRAY: "text after a closing quote",
    kernel.CR: "a CR outside quotes: a row must end at LF or CRLF",
}


def frames(data: bytes, span: Span, delimiter: bytes) -> Frames:
    """The rows of a span, as JSON objects under the names in ``span.head``; never raises."""
    mark = _mark(data) if span.start == 0 else 0
    rows, blank = _rows(data, mark, span.line, delimiter)
    overhead, head = {"bom": mark, "blank": blank}, span.head
    overhead["separator"] = _sum(rows, kernel.AFTER, kernel.STOP)
    if span.start == 0 and len(rows):
        overhead["header"] = _sum(rows[:1], kernel.STOP, kernel.START)
        head, rows = data[rows[0, kernel.START] : rows[0, kernel.STOP]], rows[1:]
    names, complaint = names_of(head, delimiter)
    faults = _faults(data, rows, names, complaint)
    good = np.ones(len(rows), np.bool_)
    good[list(faults)] = False
    out, places = _written(data, rows, good, delimiter, _keys(names))
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
        if detail := _not_utf8(data[starts[row] : stops[row]]):
            found[row] = ("utf8.invalid", detail)
        place = int(stops[row])
    return found


def _not_utf8(row: bytes) -> str:
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return f"byte 0x{row[error.start]:02x} at {error.start}: {error.reason}"
    return ""


def _rows(data: bytes, at: int, line: int, delimiter: bytes) -> tuple[np.ndarray, int]:
    """The rows that are not blank, as ``kernel.rows`` measures them, and the bytes of the others."""
    out, blank = np.empty((data.count(b"\n") + 1, kernel.COLUMNS), np.int64), np.zeros(1, np.int64)
    count = kernel.rows(np.frombuffer(data, np.uint8), at, line, delimiter[0], blank, out)
    return out[:count], int(blank[0])


def _keys(names: tuple[str, ...]) -> list[bytes]:
    """What goes before each value of an object, and after the last."""
    keys = [msgspec.json.encode(name) + b':"' for name in names] or [b""]
    return [b"{" + keys[0], *(b'",' + key for key in keys[1:]), b'"}']


def _written(
    data: bytes, rows: np.ndarray, good: np.ndarray, delimiter: bytes, keys: list[bytes]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows as JSON, or as they are, in one buffer, and the n + 1 places where they begin and end."""
    joined = b"".join(keys)
    raw = rows[:, kernel.STOP] - rows[:, kernel.START]
    places = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.where(good, rows[:, kernel.SIZE] + len(joined), raw), out=places[1:])
    out = np.empty(places[-1] + kernel.SPARE, np.uint8)
    ends = np.cumsum([0, *map(len, keys[:-1])], dtype=np.int64)
    starts, stops = rows[:, kernel.START].copy(), rows[:, kernel.STOP].copy()
    source, key_bytes = np.frombuffer(data, np.uint8), np.frombuffer(joined, np.uint8)
    kernel.write(source, starts, stops, good.view(np.uint8), delimiter[0], key_bytes, ends, places, out)
    return out[: places[-1]], places


class _Cutter:
    """The state of a cut between blocks; holds the blocks back to an open quote, to begin again after it."""

    def __init__(self, limits: Limits, delimiter: bytes, header: Header) -> None:
        self.limits, self.delimiter, self.head = limits, delimiter[0], header.row
        self.state = np.zeros(kernel.STATES, np.int64)
        self.state[[kernel.LINE, kernel.ROW_LINE]] = header.line
        self.state[kernel.ROW] = self.skip = header.after
        self.state[kernel.SPAN_LINE] = 1
        self.held: list[bytes] = []
        self.aside = 0  # where the last piece that was set aside ends
        self.out = np.empty((_ROWS, 4), np.int64)

    def feed(self, block: bytes) -> Iterator[Span]:
        at, self.skip = self.skip, 0
        while at < len(block):
            at = self._scan(block, at)
            for row in self.out[: self.state[kernel.COUNT]].tolist():
                yield from self._spans(*row)
            if self.state[kernel.OVERFLOW]:
                self.state[kernel.OVERFLOW] = 0
                if self.state[kernel.QUOTE_END] < 0:
                    self.state[kernel.QUOTES] = kernel.LOST
                else:
                    yield from self._set_aside()
                    block, at = self._again(block), 0
        self.state[kernel.BASE] += len(block)
        self._hold(block)
        yield from self._passing()

    def finish(self) -> Iterator[Span]:
        state, stop = self.state, int(self.state[kernel.BASE])
        span, row = int(state[kernel.SPAN]), int(state[kernel.ROW])
        kind = kernel.UNCLOSED if state[kernel.QUOTES] == kernel.LOST else kernel.TOO_LONG
        if kind == kernel.UNCLOSED or stop - row > self.limits.max_record_bytes:
            yield from self._spans(span, row, int(state[kernel.SPAN_LINE]), kernel.WHOLE)
            yield from self._spans(row, stop, int(state[kernel.ROW_LINE]), kind)
        else:
            yield from self._spans(span, stop, int(state[kernel.SPAN_LINE]), kernel.WHOLE)

    def _scan(self, block: bytes, at: int) -> int:
        shard, most = self.limits.shard_bytes, self.limits.max_record_bytes
        data = np.frombuffer(block, np.uint8)
        return kernel.cut(data, at, self.delimiter, shard, most, self.state, self.out)

    def _spans(self, start: int, stop: int, line: int, kind: int) -> Iterator[Span]:
        if kind == kernel.WHOLE:
            if start < stop:
                yield Span(start, stop, line, head=self.head)
            return
        most, quote = self.limits.max_record_bytes, int(self.state[kernel.QUOTE])
        fault, detail = "json.too_long", f"a row of more than {most} bytes, in pieces"
        if kind == kernel.UNCLOSED and quote - start <= most + 1:
            fault, detail = (
                "csv.unclosed_quote",
                f"the quote at byte {quote} is not closed within {most} bytes",
            )
        start = max(start, self.aside)
        yield from pieces(start, stop, line, fault, detail, self.limits.shard_bytes)
        self.aside = max(start, stop)

    def _passing(self) -> Iterator[Span]:
        """Pieces of the open row as soon as it must be set aside; it may yet end after an open quote."""
        state, most = self.state, self.limits.max_record_bytes
        row, line, stop = int(state[kernel.ROW]), int(state[kernel.ROW_LINE]), int(state[kernel.BASE])
        lost = state[kernel.QUOTES] == kernel.LOST
        if not lost and stop - row <= most + 1:  # its last byte may be the CR of its line end
            return
        yield from self._spans(int(state[kernel.SPAN]), row, int(state[kernel.SPAN_LINE]), kernel.WHOLE)
        state[[kernel.SPAN, kernel.SPAN_LINE]] = row, line
        if state[kernel.QUOTES] in (kernel.QUOTED, kernel.CLOSED):
            quote = int(state[kernel.QUOTE])
            stop = quote if quote - row > most + 1 else row
        stop = whole_pieces(max(row, self.aside), stop, self.limits.shard_bytes)
        yield from self._spans(row, stop, line, kernel.UNCLOSED if lost else kernel.TOO_LONG)

    def _set_aside(self) -> Iterator[Span]:
        """The row of the open quote, to the end of the line on which the quote stands."""
        state = self.state
        span, row, after = int(state[kernel.SPAN]), int(state[kernel.ROW]), int(state[kernel.QUOTE_END]) + 1
        yield from self._spans(span, row, int(state[kernel.SPAN_LINE]), kernel.WHOLE)
        yield from self._spans(row, after, int(state[kernel.ROW_LINE]), kernel.UNCLOSED)
        state[[kernel.LINE, kernel.ROW_LINE, kernel.SPAN_LINE]] = state[kernel.QUOTE_LINE] + 1
        state[[kernel.ROW, kernel.SPAN]] = after
        state[kernel.QUOTES] = kernel.FIELD

    def _again(self, block: bytes) -> bytes:
        """What follows the line that was set aside, of the blocks held and this one."""
        start = int(self.state[kernel.BASE]) - sum(map(len, self.held))
        block = b"".join([*self.held, block])[self.state[kernel.SPAN] - start :]
        self.held = []
        self.state[kernel.BASE] = self.state[kernel.SPAN]
        return block

    def _hold(self, block: bytes) -> None:
        if self.state[kernel.QUOTES] not in (kernel.QUOTED, kernel.CLOSED):
            self.held = []
            return
        self.held.append(block)
        start = int(self.state[kernel.BASE]) - sum(map(len, self.held))
        while start + len(self.held[0]) <= self.state[kernel.QUOTE]:
            start += len(self.held.pop(0))


def _gather(blocks: Iterator[bytes]) -> bytes:
    """The first blocks, until they are more than a header may be."""
    first = bytearray()
    for block in blocks:
        first += block
        if len(first) > HEADER_BYTES:
            break
    return bytes(first)


def _mark(data: bytes) -> int:
    return len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0


def _sum(rows: np.ndarray, stop: int, start: int) -> int:
    return int((rows[:, stop] - rows[:, start]).sum())
