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
    state = _state(kind, 0, 1, kind.grammar)
    state[scanner.SPAN_HEAD] = scanner.AT_VALUE
    out = np.empty((_ROWS, 4), np.int64)
    detail = ""
    for block in _whole_mark(blocks):
        if state[scanner.BROKEN] < 0:
            at = _mark(block) if state[scanner.BASE] == 0 else 0
            for count in _scans(block, at, state, out, limits):
                for row in out[:count].tolist():
                    yield from _spans(*row, limits)
            if state[scanner.BROKEN] >= 0:
                detail = _complaint(state, block)
        state[scanner.BASE] += len(block)
    yield from _rest(state, limits, kind, detail)


def frames(data: bytes, span: Span, kind: Kind) -> Frames:
    """The values of a span; what does not fit the grammar is one row with the fault ``kind.broken``."""
    at = _mark(data) if span.start == 0 else 0
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


def _spans(start: int, stop: int, line: int, kind: int, limits: Limits) -> Iterator[Span]:
    if kind == scanner.TOO_LONG:
        detail = f"{stop - start} bytes, {limits.max_record_bytes} allowed"
        yield from pieces(start, stop, line, "json.too_long", detail, limits.shard_bytes)
    elif start < stop:
        yield Span(start, stop, line, head=_HEADS.get(kind, b""))


def _rest(state: np.ndarray, limits: Limits, kind: Kind, detail: str) -> Iterator[Span]:
    span, line, head, broken, stop = (
        int(state[place])
        for place in (scanner.SPAN, scanner.SPAN_LINE, scanner.SPAN_HEAD, scanner.BROKEN, scanner.BASE)
    )
    record, record_line = int(state[scanner.RECORD]), int(state[scanner.RECORD_LINE])
    if broken >= 0:
        yield from _spans(span, broken, line, head, limits)
        yield from pieces(broken, stop, int(state[scanner.LINE]), kind.broken, detail, limits.shard_bytes)
    elif state[scanner.OPEN] and stop - record > limits.max_record_bytes:
        yield from _spans(span, record, line, head, limits)
        yield from _spans(record, stop, record_line, scanner.TOO_LONG, limits)
    else:
        yield from _spans(span, stop, line, head, limits)


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


def _mark(data: bytes) -> int:
    return len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0


def _complaint(state: np.ndarray, block: bytes) -> str:
    place, expected = int(state[scanner.BROKEN]), _EXPECTED[int(state[scanner.GRAMMAR])]
    at = place - int(state[scanner.BASE])
    return f"byte {place}: {block[at : at + 1]!r} where {expected}"
