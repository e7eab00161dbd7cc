"""JSON lines: a record is what lies between two line ends, in bytes, whatever else it holds.

A line ends at LF; a CR directly before it belongs to the separator; a byte-order mark is one
only at the start of the file; the last line needs no line end. A span ends at the first line
end at or after its start + ``shard_bytes``. A line too long for a shard is never held whole:
its spans carry the fault ``json.too_long``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from toolkit.ingest.formats.bom import mark_length
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span, pieces
from toolkit.kernels.json_lines import count_newlines, frame


def cut(
    blocks: Iterable[bytes], limits: Limits, options: Options, start: int = 0, line: int = 1
) -> Iterator[Span]:
    """Cut a stream of lines; ``start`` and ``line`` say where in the file its first block begins."""
    cutter = _Cutter(limits, start, line)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.finish()


class _Cutter:
    """Follows the line ends; holds no bytes."""

    def __init__(self, limits: Limits, start: int, line: int) -> None:
        self.size = limits.shard_bytes
        self.longest = max(limits.shard_bytes, limits.max_record_bytes)
        self.offset = self.start = self.line_start = start  # of the next block, the span, the open line
        self.line = self.span_line = line  # numbers of the open line and of the span's first
        self.endless = False  # the open line is too long: what is cut is a piece of it

    def feed(self, block: bytes) -> Iterator[Span]:
        """Spans that end in this block."""
        at = 0
        while (end := self._cut_in(block, at)) is not None:
            self._count(block, at, end - 1)
            yield from self._line_end(self.offset + end)
            at = end
        self._count(block, at, len(block))
        self.offset += len(block)
        if self.offset - self.line_start > self.longest:
            yield from self._too_long(self.offset, whole=False)

    def finish(self) -> Iterator[Span]:
        """What is left at the end of the file."""
        if self.endless:
            yield from self._too_long(self.offset, whole=True)
        elif self.offset > self.start:
            yield Span(self.start, self.offset, self.span_line)

    def _cut_in(self, block: bytes, at: int) -> int | None:
        wanted = at if self.endless else max(at, self.start + self.size - 1 - self.offset)
        found = block.find(b"\n", wanted) if wanted < len(block) else -1
        return None if found < 0 else found + 1

    def _count(self, block: bytes, at: int, end: int) -> None:
        """Note the line ends in these bytes: where the open line begins, and its number."""
        last = block.rfind(b"\n", at, end)
        if last >= 0:
            self.line += count_newlines(np.frombuffer(block, np.uint8)[at : last + 1])
            self.line_start = self.offset + last + 1

    def _line_end(self, end: int) -> Iterator[Span]:
        """A line ends at ``end``, where this span is to end."""
        if self.endless or end - 1 - self.line_start > self.longest:
            yield from self._too_long(end, whole=True)
        else:
            yield Span(self.start, end, self.span_line)
        self.start = self.line_start = end
        self.line += 1
        self.span_line, self.endless = self.line, False

    def _too_long(self, end: int, whole: bool) -> Iterator[Span]:
        """The span before the open line, and pieces of the line up to ``end``; full ones unless ``whole``."""
        if not self.endless and self.line_start > self.start:
            yield Span(self.start, self.line_start, self.span_line)
        self.start = self.start if self.endless else self.line_start
        self.endless = True
        stop = end if whole else end - (end - self.start) % self.size
        detail = f"a line of more than {self.longest} bytes, in pieces"
        yield from pieces(self.start, stop, self.line, "json.too_long", detail, self.size)
        self.start = stop


def frames(data: bytes, span: Span, options: Options) -> Frames:
    """The lines of a span, blank ones left out."""
    view = np.frombuffer(data, np.uint8)
    mark = mark_length(data) if span.start == 0 else 0
    start, stop, blank = frame(view[mark:])
    start, stop = start + mark, stop + mark
    keep = ~blank
    records = int((stop - start)[keep].sum())
    spaces = int((stop - start)[blank].sum())
    overhead = {"blank": spaces, "bom": mark, "separator": len(data) - mark - records - spaces}
    line = span.line + np.flatnonzero(keep)
    start, stop = start[keep], stop[keep]
    return Frames(view, start, stop, line, span.start + start, stop - start, overhead=overhead)
