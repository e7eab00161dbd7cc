"""Values of a JSON text that is too large to parse: framed by the brackets and quotes alone.

The bytes of a value are handed over as they are, whatever they are: validation judges them.
Only what stands between values must be right; where it is not, no later boundary can be
trusted, and the rest of the file is set aside.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from toolkit.ingest.formats.aside import rest, whole_pieces
from toolkit.ingest.formats.bom import mark_length
from toolkit.ingest.frames import Frames
from toolkit.ingest.span import Limits, Span, pieces
from toolkit.kernels import json_frame as scanner

_ROWS = 4096
# The head of a span that does not begin with a value: what the grammar saw last before it.
_STATES = {
    b" ": scanner.START,
    b"[": scanner.FIRST,
    b",": scanner.NEXT,
    b"}": scanner.AFTER,
    b"]": scanner.END,
}
_HEADS = {state: head for head, state in _STATES.items()}
_EXPECTED = {
    scanner.START: "[ should be",
    scanner.FIRST: "an element or ] should be",
    scanner.NEXT: "an element should be",
    scanner.AFTER: "a comma or ] should be",
    scanner.END: "the array has ended",
    scanner.VALUES: "a value should begin",
}


@dataclass(frozen=True)
class Kind:
    """A kind of stream: the state of the grammar at its start, and the reason if it can not be followed."""

    grammar: int
    broken: str


def cut(blocks: Iterable[bytes], limits: Limits, kind: Kind) -> Iterator[Span]:
    """Spans of whole values; memory does not depend on the file, nor on the largest value.

    A span ends before the first value that begins ``shard_bytes`` or more after it. Only a run of
    blanks that reaches ``shard_bytes + max_record_bytes`` after it, or a value that is too long,
    makes one end elsewhere: ``Span.head`` then says what came before the next.
    """
    cutter, blocks = _Cutter(limits, kind), _whole_mark(blocks)
    for block in blocks:
        yield from cutter.feed(block)
        if cutter.broken >= 0:
            stop, line = cutter.broken, int(cutter.state[scanner.LINE])
            yield from cutter.finish(stop)
            place = int(cutter.state[scanner.BASE])
            detail = _complaint(cutter.state, block)
            yield from rest(blocks, stop, place + len(block), line, kind.broken, detail, limits.shard_bytes)
            return
    yield from cutter.finish(int(cutter.state[scanner.BASE]))


class _Cutter:
    """The state of a cut between blocks; holds no bytes."""

    def __init__(self, limits: Limits, kind: Kind) -> None:
        self.limits = limits
        self.state = _state(kind, 0, 1, kind.grammar)
        self.state[scanner.SPAN_HEAD] = scanner.AT_VALUE
        self.out = np.empty((_ROWS, 4), np.int64)
        self.aside = 0  # where the last piece that was set aside ends

    @property
    def broken(self) -> int:
        """Where the grammar breaks, or -1."""
        return int(self.state[scanner.BROKEN])

    def feed(self, block: bytes) -> Iterator[Span]:
        """Spans that end in this block; where it breaks, what the state says is of its beginning."""
        state = self.state
        at = mark_length(block) if state[scanner.BASE] == 0 else 0
        for count in _scans(block, at, state, self.out, self.limits):
            for row in self.out[:count].tolist():
                yield from self._spans(*row)
        if self.broken < 0:
            state[scanner.BASE] += len(block)
            yield from self._long(int(state[scanner.BASE]), whole=False)

    def finish(self, stop: int) -> Iterator[Span]:
        """What is left before ``stop``, where the file ends or its grammar breaks."""
        yield from self._long(stop, whole=True)
        span, line, head = self.state[[scanner.SPAN, scanner.SPAN_LINE, scanner.SPAN_HEAD]].tolist()
        yield from self._spans(span, stop, line, head)

    def _long(self, stop: int, whole: bool) -> Iterator[Span]:
        """If the open value is too long: the span before it, and its pieces; full ones unless ``whole``."""
        state = self.state
        record, number = int(state[scanner.RECORD]), int(state[scanner.RECORD_LINE])
        if not state[scanner.OPEN] or stop - record <= self.limits.max_record_bytes:
            return
        span, line, head = state[[scanner.SPAN, scanner.SPAN_LINE, scanner.SPAN_HEAD]].tolist()
        yield from self._spans(span, record, line, head)
        if not whole:
            stop = whole_pieces(max(record, self.aside), stop, self.limits.shard_bytes)
        yield from self._spans(record, stop, number, scanner.TOO_LONG)
        state[scanner.SPAN] = stop if whole else record

    def _spans(self, start: int, stop: int, line: int, kind: int) -> Iterator[Span]:
        if kind == scanner.TOO_LONG:
            start = max(start, self.aside)
            detail = f"a value of more than {self.limits.max_record_bytes} bytes, in pieces"
            yield from pieces(start, stop, line, "json.too_long", detail, self.limits.shard_bytes)
            self.aside = max(start, stop)
        elif start < stop:
            yield Span(start, stop, line, head=_HEADS.get(kind, b""))


def frames(data: bytes, span: Span, kind: Kind) -> Frames:
    """The values of a span; what does not fit the grammar is one row with the fault ``kind.broken``."""
    at = mark_length(data) if span.start == 0 else 0
    state = _state(kind, span.start, span.line, _grammar(span, kind))
    found, faults = [np.empty((0, 4), np.int64)], {}
    out = np.empty((max(_ROWS, len(data) // 128), 4), np.int64)
    for count in _scans(data, at, state, out, None):
        found.append(out[:count].copy())
    rows = sum(map(len, found))
    end = span.start + len(data)
    if state[scanner.OPEN]:
        found.append(np.array([[state[scanner.RECORD], end, state[scanner.RECORD_LINE], 0]]))
    elif state[scanner.BROKEN] >= 0:
        found.append(np.array([[state[scanner.BROKEN], end, state[scanner.LINE], 0]]))
        faults[rows] = kind.broken, _complaint(state, data)
    start, stop, line, _ = np.concatenate(found).T.copy()
    overhead = {"bom": at, "structure": int(state[scanner.STRUCTURE])}
    overhead["blank"] = len(data) - int((stop - start).sum()) - sum(overhead.values())
    buffer = np.frombuffer(data, np.uint8)
    return Frames(buffer, start - span.start, stop - span.start, line, start, stop - start, faults, overhead)


def _state(kind: Kind, base: int, line: int, grammar: int) -> np.ndarray:
    state = np.zeros(scanner.STATES, np.int64)
    state[scanner.BASE], state[scanner.LINE], state[scanner.GRAMMAR] = base, line, grammar
    state[scanner.SPAN_LINE], state[scanner.BROKEN] = line, -1
    return state


def _grammar(span: Span, kind: Kind) -> int:
    if kind.grammar == scanner.VALUES or (span.start == 0 and not span.head):
        return kind.grammar
    return _STATES.get(span.head, scanner.NEXT)


def _scans(block: bytes, at: int, state: np.ndarray, out: np.ndarray, limits: Limits | None) -> Iterator[int]:
    """Scan a block from ``at``; how many rows are in ``out``, each time that it must be emptied."""
    data = np.frombuffer(block, np.uint8)
    shard, most = (limits.shard_bytes, limits.max_record_bytes) if limits else (0, 0)
    while True:
        at = scanner.scan(data, at, shard, most, state, out)
        yield int(state[scanner.COUNT])
        if at == len(data) or state[scanner.BROKEN] >= 0:
            return


def _whole_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without empty blocks, the first at least as long as a byte-order mark."""
    held = b""
    started = False
    for block in blocks:
        held += block
        if len(held) >= len(codecs.BOM_UTF8) or (started and held):
            yield held
            held, started = b"", True
    if held:
        yield held


def _complaint(state: np.ndarray, block: bytes) -> str:
    place, expected = int(state[scanner.BROKEN]), _EXPECTED[int(state[scanner.GRAMMAR])]
    at = place - int(state[scanner.BASE])
    return f"byte {place}: {block[at : at + 1]!r} where {expected}"
