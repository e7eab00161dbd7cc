"""Plain UTF-8 text, cut into documents by a stated rule.

    blank-line    one or more blank lines (space, tab, CR) lie between two documents
    line          every line that is not blank is a document
    file          the whole file is one
    marker:TEXT   a line that is exactly TEXT lies between two documents

A document is its bytes as they are in the file, without the line end of its last line; nothing but
blank lines is no document. A file may be cut at every separating line, before and after.

A line that begins with more than ``max_record_bytes`` of blanks counts as a blank line, whatever
follows on it: it is set aside, and what goes before it is not held until it ends.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from toolkit.errors import RequestError
from toolkit.ingest.formats import whole
from toolkit.ingest.formats.aside import whole_pieces
from toolkit.ingest.formats.lines import Lines, Reader, Rule, join
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span, pieces

FORMS = ("blank-line", "line", "file", "marker:TEXT")

_encode = msgspec.json.Encoder().encode


def check_rule(text: str) -> None:
    """RequestError unless ``text`` is a rule for document boundaries."""
    form, _, marker = text.partition(":")
    utf8 = marker.encode(errors="replace").decode() == marker
    marked = form == "marker" and marker and utf8 and not set(marker) & {"\n", "\r"}
    if text not in FORMS[:3] and not marked:
        raise RequestError(
            f"document = {text!r} is no rule for document boundaries. Expected one of {', '.join(FORMS)}, "
            "where TEXT is one whole line, for example marker:<|endoftext|>."
        )


def cut(blocks: Iterable[bytes], limits: Limits, options: Options) -> Iterator[Span]:
    """Spans that begin where a document begins, or what separates two; memory is one block.

    The bytes that have passed and are in no span yet are at most ``shard_bytes``, a document, an
    unfinished line of blanks (``max_record_bytes`` each) and a block.

    Lines between two possible cuts that are more than ``max_record_bytes``, without the last line
    end, come as pieces under ``text.too_long``.
    """
    if options.document == "file":
        yield from whole.cut(blocks, limits, options)
        return
    mark, stream = _after_mark(blocks)
    rule = Rule.parse(options.document)
    reader, cutter = Reader(rule, mark, limits.max_record_bytes), _Cutter(rule, limits, mark)
    for block in stream:
        yield from cutter.feed(reader.feed(block))
        yield from cutter.passing(reader.open_line(), reader.start)
    yield from cutter.feed(reader.finish())
    yield from cutter.finish(reader.offset)


def frames(data: bytes, span: Span, options: Options) -> Frames:
    """The documents of a span as ``{"text"}``; faults ``utf8.invalid`` and ``text.nul_byte``."""
    raw = whole.body(data, span)
    mark = len(data) - len(raw)
    books = {"bom": mark} if mark else {}
    if options.document == "file":
        return _file(raw, span, books)
    rule = Rule.parse(options.document)
    reader = Reader(rule, mark)
    lines = join(reader.feed(raw), reader.finish())
    return _documents(data, span, rule, lines, books) if len(lines) else whole.nothing(books)


def _after_mark(blocks: Iterable[bytes]) -> tuple[int, Iterator[bytes]]:
    """The length of the byte-order mark, and the blocks after it."""
    stream, head = iter(blocks), b""
    for block in stream:
        head += block
        if len(head) >= len(codecs.BOM_UTF8):
            break
    rest = head.removeprefix(codecs.BOM_UTF8)
    return len(head) - len(rest), (block for part in ([rest], stream) for block in part)


class _Cutter:
    """Lines in, spans out. Of the unit that is still open it knows where it began, and its last line end."""

    def __init__(self, rule: Rule, limits: Limits, start: int) -> None:
        self.rule, self.limits = rule, limits
        self.span = (0, 1)
        self.unit = (start, 1)
        self.lines, self.end, self.separates = 0, 0, True

    def feed(self, lines: Lines) -> Iterator[Span]:
        if not len(lines):
            return
        rows = np.flatnonzero(self.rule.opens(lines, self.separates))
        ends = np.concatenate([[self.end], lines.end])[rows]
        yield from self._closed(lines.start[rows], ends, rows + self.lines + 1)
        self.lines += len(lines)
        self.end, self.separates = int(lines.end[-1]), bool(self.rule.separates(lines)[-1])

    def passing(self, line: Lines, start: int) -> Iterator[Span]:
        """Full pieces of the open unit, if it is too long; ``line`` begins at ``start``, is open, and may
        be empty: it is not known yet whether it opens another.
        """  # fmt: skip
        if len(line) and self.rule.opens(line, self.separates)[0]:
            yield from self._closed(line.start, np.array([self.end]), np.array([self.lines + 1]))
        stop, (first, number) = int(line.stop[0]) if len(line) else start, self.unit
        if stop - first <= self.limits.max_record_bytes + 2:  # its last two bytes may be its line end
            return
        yield from self._set_aside(
            first, number, whole_pieces(max(first, self.span[0]), stop, self.limits.shard_bytes)
        )

    def _set_aside(self, first: int, number: int, stop: int) -> Iterator[Span]:
        """A unit up to ``stop``, and the span before it; less what is set aside of it already."""
        if first > self.span[0]:
            yield Span(self.span[0], first, self.span[1])
        detail = f"a document of more than {self.limits.max_record_bytes} bytes, in pieces"
        start = max(first, self.span[0])
        yield from pieces(start, stop, number, "text.too_long", detail, self.limits.shard_bytes)
        self.span = (stop, number)

    def finish(self, size: int) -> Iterator[Span]:
        yield from self._closed(np.array([size]), np.array([self.end]), np.array([self.lines + 1]))
        if size > self.span[0]:
            yield Span(self.span[0], size, self.span[1])

    def _closed(self, stops: np.ndarray, ends: np.ndarray, lines: np.ndarray) -> Iterator[Span]:
        """Units that stop at ``stops`` with line ends of ``ends`` bytes; ``lines`` are what follows."""
        starts = np.concatenate([[self.unit[0]], stops[:-1]])
        numbers = np.concatenate([[self.unit[1]], lines[:-1]])
        lengths = stops - starts - ends
        row = 0
        for fault in np.flatnonzero(lengths > self.limits.max_record_bytes).tolist():
            yield from self._full(stops[row:fault], lines[row:fault])
            stop = int(stops[fault])
            yield from self._set_aside(int(starts[fault]), int(numbers[fault]), stop)
            self.span, row = (stop, int(lines[fault])), fault + 1
        yield from self._full(stops[row:], lines[row:])
        if len(stops):
            self.unit = (int(stops[-1]), int(lines[-1]))

    def _full(self, stops: np.ndarray, lines: np.ndarray) -> Iterator[Span]:
        """The spans that these units fill."""
        while (row := int(np.searchsorted(stops, self.span[0] + self.limits.shard_bytes))) < len(stops):
            stop, line = int(stops[row]), int(lines[row])
            yield Span(self.span[0], stop, self.span[1])
            self.span = (stop, line)


def _documents(data: bytes, span: Span, rule: Rule, lines: Lines, books: dict[str, int]) -> Frames:
    first = np.flatnonzero(rule.opens(lines))
    last = np.append(first[1:], len(lines)) - 1
    blank = np.minimum.reduceat(lines.blank, first) & ~lines.marker[first]
    written = ~(blank | lines.marker[first])
    overhead = np.repeat(~written, last - first + 1)
    books["separator"] = int(lines.end[overhead].sum() + lines.end[last[written]].sum())
    books["marker"] = int(lines.length[lines.marker].sum())
    books["blank"] = int(lines.length[overhead & ~lines.marker].sum())
    start, row = lines.start[first[written]], last[written]
    stop = lines.start[row] + lines.length[row]
    return _payloads(data, span, start, stop, first[written], books)


def _payloads(
    data: bytes, span: Span, start: np.ndarray, stop: np.ndarray, row: np.ndarray, books: dict[str, int]
) -> Frames:
    buffer, ends, faults = bytearray(), [0], {}
    for number, (begin, end) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        raw = data[begin:end]
        text = whole.read_utf8(raw)
        if isinstance(text, tuple):
            faults[number] = text
        buffer += raw if number in faults else _encode({"text": text})
        ends.append(len(buffer))
    bounds = np.array(ends, np.int64)
    held = {kind: size for kind, size in books.items() if size}
    place = (row + span.line, start + span.start, stop - start)
    return Frames(np.frombuffer(buffer, np.uint8), bounds[:-1], bounds[1:], *place, faults, held)


def _file(raw: bytes, span: Span, books: dict[str, int]) -> Frames:
    if not raw.strip(b" \t\r\n"):
        return whole.nothing(books | ({"blank": len(raw)} if raw else {}))
    line = raw.removesuffix(b"\n")
    line = line.removesuffix(b"\r") if len(line) < len(raw) else line
    if end := len(raw) - len(line):
        books = books | {"separator": end}
    text = whole.read_utf8(line)
    return whole.framed(line, span, text if isinstance(text, tuple) else {"text": text}, books)
