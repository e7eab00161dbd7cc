"""Where delimited text may be cut: between two rows, as its blocks pass, whatever its quotes hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toolkit.ingest.formats.aside import whole_pieces
from toolkit.ingest.formats.delimited_header import Header
from toolkit.ingest.span import Limits, Span, pieces
from toolkit.kernels import csv_frame as kernel

_ROWS = 1024


class Cutter:
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
        """The spans that the file's next block completes."""
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
        """The spans of what is left at the end of the file."""
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
