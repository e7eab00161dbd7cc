"""Where the values of a JSON array, or of concatenated JSON, begin and end, in one pass.

A value is followed by the depth of its brackets (of either kind) and by the state of its quotes;
nothing else of it is looked at. Between values a grammar of five states must hold. All state is
in one small array, so a file may come in blocks that end anywhere.

    "[" -> FIRST;  FIRST, NEXT: value -> AFTER;  AFTER: "," -> NEXT;  FIRST, AFTER: "]" -> END
    VALUES: value -> VALUES
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.byte_search import line_ends, next_of
from toolkit.kernels.compile import BYTES, OUT_I64S, OUT_PAIRS, POINTER, kernel, pointer

START, FIRST, NEXT, AFTER, END, VALUES = range(6)
# The places of the state array; every position in it counts bytes of the whole file.
(BASE, LINE, GRAMMAR, OPEN, DEPTH, TEXT, ESCAPE, RECORD, RECORD_LINE,
 SPAN, SPAN_LINE, SPAN_HEAD, STRUCTURE, BROKEN, COUNT, STATES) = range(16)  # fmt: skip
TOO_LONG, AT_VALUE = -1, -2
ROOM = 4  # rows of ``out`` that one step may fill

_BRACKETS, _SCALAR = 1, 2  # what OPEN may hold, besides 0 for no value


def _table(*kinds: bytes) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    for number, kind in enumerate(kinds, 1):
        table[list(kind)] = number
    return table


_BLANK = _table(b" \t\n\r")
_INNER = _table(b'"', b"{[", b"}]")
_ENDS_SCALAR = _table(b' \t\n\r,[]{}"')
_BEGINS_VALUE = _table(b'{["-0123456789tfnNI')


@kernel(types.int64(POINTER, types.int64, types.int64, OUT_I64S))
def skip_value(data, at, size, state):
    """Follow the open value from ``at``; state[OPEN] is 0 when it ends, at the place returned."""
    if state[OPEN] == _SCALAR:
        while at < size and _ENDS_SCALAR[data[at]] == 0:
            at += 1
        if at < size:
            state[OPEN] = 0
        return at
    depth, text, escape = state[DEPTH], state[TEXT], state[ESCAPE]
    while at < size:
        if text:
            if escape:
                escape = 0
                at += 1
                continue
            at = next_of(data, at, size, 34, 92)
            while at + 1 < size and data[at] == 92:
                at = next_of(data, at + 2, size, 34, 92)
            if at < size:
                escape = types.int64(data[at] == 92)
                text = escape
                at += 1
        else:
            while at < size and _INNER[data[at]] == 0:
                at += 1
            if at < size:
                kind = _INNER[data[at]]
                text = types.int64(kind == 1)
                depth += types.int64(kind == 2) - types.int64(kind == 3)
                at += 1
        if depth == 0 and text == 0:
            state[OPEN] = 0
            break
    state[DEPTH], state[TEXT], state[ESCAPE] = depth, text, escape
    return at


@kernel(types.int64(types.int64, types.uint8))
def after_byte(grammar, byte):
    """The state after a byte between values: -1 if a value begins here, -2 if it can not stand here."""
    if grammar == VALUES:
        return -1 if _BEGINS_VALUE[byte] else -2
    if byte == 91 and grammar == START:
        return FIRST
    if byte == 44:
        return NEXT if grammar == AFTER else -2
    if byte == 93:
        return END if grammar in (FIRST, AFTER) else -2
    return -1 if grammar in (FIRST, NEXT) and byte != 125 else -2


@kernel(types.void(OUT_PAIRS, OUT_I64S, types.int64, types.int64, types.int64, types.int64))
def put(out, state, start, stop, line, kind):
    """Write one row."""
    row = state[COUNT]
    out[row, 0], out[row, 1], out[row, 2], out[row, 3] = start, stop, line, kind
    state[COUNT] = row + 1


@kernel(types.void(OUT_PAIRS, OUT_I64S, types.int64, types.int64))
def cut_here(out, state, place, head):
    """End the span at ``place`` if it holds a byte, and begin the next, whose head is ``head``."""
    if place > state[SPAN]:
        put(out, state, state[SPAN], place, state[SPAN_LINE], state[SPAN_HEAD])
    state[SPAN], state[SPAN_LINE], state[SPAN_HEAD] = place, state[LINE], head


@kernel(types.int64(BYTES, types.int64, types.int64, types.int64, OUT_I64S, OUT_PAIRS), inline=False)
def scan(data, at, shard, most, state, out):
    """Read a block from ``at``; return where it stopped: at its end, at state[BROKEN], or ``out`` is full.

    ``shard`` 0: a row of ``out`` is a value (start, stop, line, 0). Else a row is a span of at least
    ``shard`` bytes (start, stop, line, AT_VALUE or the state of the grammar), or a value of more than
    ``most`` bytes (kind TOO_LONG). state[COUNT] rows are written.
    """
    base, size, text = state[BASE], len(data), pointer(data)
    state[COUNT] = 0
    while at < size and state[COUNT] + ROOM <= len(out):
        if state[OPEN]:
            start, at = at, skip_value(text, at, size, state)
            state[LINE] += line_ends(text, start, at)
            if state[OPEN]:
                break
            if state[GRAMMAR] != VALUES:
                state[GRAMMAR] = AFTER
            if shard == 0:
                put(out, state, state[RECORD], base + at, state[RECORD_LINE], 0)
            elif base + at - state[RECORD] > most:
                if state[RECORD] > state[SPAN]:
                    put(out, state, state[SPAN], state[RECORD], state[SPAN_LINE], state[SPAN_HEAD])
                put(out, state, state[RECORD], base + at, state[RECORD_LINE], TOO_LONG)
                state[SPAN] = base + at
                cut_here(out, state, base + at, state[GRAMMAR])
            continue
        byte = data[at]
        blank = _BLANK[byte] != 0
        follows = state[GRAMMAR] if blank else after_byte(state[GRAMMAR], byte)
        if follows == -2:
            state[BROKEN] = base + at
            break
        if follows == -1:
            if shard and base + at - state[SPAN] >= shard:
                cut_here(out, state, base + at, AT_VALUE)
            state[RECORD], state[RECORD_LINE] = base + at, state[LINE]
            state[OPEN] = _BRACKETS if _INNER[byte] else _SCALAR
            state[DEPTH] = state[TEXT] = state[ESCAPE] = 0
            continue
        if shard and base + at - state[SPAN] >= shard + most:
            cut_here(out, state, base + at, state[GRAMMAR])
        state[GRAMMAR] = follows
        state[LINE] += byte == 10
        state[STRUCTURE] += not blank
        at += 1
    return at
