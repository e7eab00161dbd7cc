"""Rows of delimited text: where they end, whatever their quotes hold, and as JSON objects.

``cut`` follows the state of the quotes through blocks that end anywhere; ``rows`` measures every
row of a piece that begins with one; ``write`` builds a row's JSON from keys made ready before.
A quote opens a field only at its start; elsewhere in an unquoted field it stands for itself.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.byte_search import copy_plain, line_ends, next_of, skip_plain
from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, OUT_I64S, OUT_PAIRS, POINTER, kernel, pointer

FIELD, PLAIN, QUOTED, CLOSED, LOST = range(5)
# The places of the state array of ``cut``; every position in it counts bytes of the whole file.
(BASE, LINE, QUOTES, QUOTE, QUOTE_LINE, QUOTE_END, ROW, ROW_LINE,
 SPAN, SPAN_LINE, LAST, OVERFLOW, COUNT, STATES) = range(14)  # fmt: skip
WHOLE, TOO_LONG, UNCLOSED = range(3)
ROOM = 4  # rows of ``out`` that one step may fill

# Columns of ``rows``: byte positions, the line, fields, bytes of the values in JSON, flags.
START, STOP, AFTER, ROW_AT_LINE, FIELDS, SIZE, FLAGS, COLUMNS = range(8)
SPARE = 32  # bytes that ``write`` needs beyond its last row
NUL, OPEN_QUOTE, STRAY, CR = 1, 2, 4, 8  # CR: outside quotes, be it the row's last byte

_SHORT = {8: b"b", 9: b"t", 10: b"n", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}
_COST = np.ones(256, np.uint8)
_COST[:32] = 6
_COST[list(_SHORT)] = 2
_LETTER = np.zeros(256, np.uint8)
_LETTER[list(_SHORT)] = [letter[0] for letter in _SHORT.values()]
_FLAG = np.zeros(256, np.uint8)
_FLAG[[0, 13]] = NUL, CR
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@kernel(types.void(OUT_PAIRS, OUT_I64S, types.int64, types.int64, types.int64, types.int64))
def put(out, state, start, stop, line, kind):
    """Write one span, if it holds a byte."""
    if stop > start:
        row = state[COUNT]
        out[row, 0], out[row, 1], out[row, 2], out[row, 3] = start, stop, line, kind
        state[COUNT] = row + 1


@kernel(types.void(OUT_PAIRS, OUT_I64S, types.int64, types.int64, types.int64))
def end_row(out, state, after, shard, kind):
    """A row ends before ``after``: set it aside if ``kind`` is a fault, and end the span if it is time."""
    if kind != WHOLE:
        put(out, state, state[SPAN], state[ROW], state[SPAN_LINE], WHOLE)
        put(out, state, state[ROW], after, state[ROW_LINE], kind)
    elif after - state[SPAN] >= shard:
        put(out, state, state[SPAN], after, state[SPAN_LINE], WHOLE)
    if kind != WHOLE or after - state[SPAN] >= shard:
        state[SPAN], state[SPAN_LINE] = after, state[LINE]
    state[ROW], state[ROW_LINE], state[QUOTES] = after, state[LINE], FIELD


@kernel(
    types.int64(BYTES, types.int64, types.uint8, types.int64, types.int64, OUT_I64S, OUT_PAIRS), inline=False
)
def cut(data, at, delimiter, shard, most, state, out):
    """Read a block from ``at``; write spans (start, stop, line, kind); return where it stopped.

    It stops at the end of the block, when ``out`` is nearly full, after a row of kind UNCLOSED, or
    with state[OVERFLOW] set where a quoted field has come to hold more than ``most`` bytes.
    """
    base, size, text = state[BASE], len(data), pointer(data)
    state[COUNT] = 0
    while at < size and state[COUNT] + ROOM <= len(out):
        quotes = state[QUOTES]
        if quotes == QUOTED:
            limit = state[QUOTE] - base + most + 1
            if at >= limit:
                state[OVERFLOW] = 1
                break
            start, at = at, next_of(text, at, min(size, limit), 34, 34)
            if state[QUOTE_END] < 0:
                end = next_of(text, start, at, 10, 10)
                state[QUOTE_END] = base + end if end < at else -1
            state[LINE] += line_ends(text, start, at)
            if at < min(size, limit):
                state[QUOTES] = CLOSED
                at += 1
            continue
        byte = text[at]
        if quotes == LOST:
            at = next_of(text, at, size, 10, 10)
            if at < size:
                at += 1
                state[LINE] += 1
                end_row(out, state, base + at, shard, UNCLOSED)
                break
            continue
        if byte == 34 and quotes in (FIELD, CLOSED):
            if quotes == FIELD:
                state[QUOTE], state[QUOTE_LINE], state[QUOTE_END] = base + at, state[LINE], -1
            state[QUOTES] = QUOTED
            at += 1
            continue
        at = next_of(text, at, size, delimiter, 10)
        if at == size:
            state[QUOTES] = PLAIN
        elif text[at] == delimiter:
            state[QUOTES] = FIELD
            at += 1
        else:
            last = types.int64(text[at - 1]) if at > 0 else state[LAST]
            stop = base + at - (last == 13 and base + at > state[ROW])
            state[LINE] += 1
            at += 1
            end_row(out, state, base + at, shard, TOO_LONG if stop - state[ROW] > most else WHOLE)
    if at == size and size > 0:
        state[LAST] = text[size - 1]
    return at


@kernel(types.int64(BYTES, types.int64, types.int64, types.uint8, OUT_I64S, OUT_PAIRS), inline=False)
def rows(data, at, line, delimiter, blank, out):
    """Measure every row from ``at`` on into the columns of ``out``; return how many there are.

    A row without a byte is not one: ``blank[0]`` grows by its line end.
    """
    size, count, text = len(data), 0, pointer(data)
    while at < size:
        start, first, fields, cost, flags = at, line, 1, 0, 0
        while True:
            if at < size and text[at] == 34:
                at += 1
                flags |= OPEN_QUOTE
                while at < size:
                    plain = skip_plain(text, at, size, 34)
                    cost += plain - at
                    if plain == size:
                        at = size
                        break
                    byte, at = text[plain], plain + 1
                    if byte == 34:
                        if at < size and text[at] == 34:
                            at += 1
                        else:
                            flags ^= OPEN_QUOTE
                            break
                    line += byte == 10
                    flags |= NUL * (byte == 0)
                    cost += types.int64(_COST[byte])
                if flags & OPEN_QUOTE:
                    break
                crlf = at + 1 < size and text[at] == 13 and text[at + 1] == 10
                if at < size and text[at] != delimiter and text[at] != 10 and not crlf:
                    flags |= STRAY
            while at < size:
                plain = skip_plain(text, at, size, delimiter)
                cost += plain - at
                at = plain
                if at == size or text[at] == delimiter or text[at] == 10:
                    break
                flags |= types.int64(_FLAG[text[at]])
                cost += types.int64(_COST[text[at]])
                at += 1
            if at == size or text[at] == 10:
                break
            fields += 1
            at += 1
        stop = at
        if at < size:
            if at > start and text[at - 1] == 13:
                stop -= 1
                cost -= types.int64(_COST[13])
            at += 1
            line += 1
        if stop == start:
            blank[0] += at - start
            continue
        out[count, START], out[count, STOP], out[count, AFTER], out[count, ROW_AT_LINE] = (
            start,
            stop,
            at,
            first,
        )
        out[count, FIELDS], out[count, SIZE], out[count, FLAGS] = fields, cost, flags
        count += 1
    return count


@kernel(types.int64(POINTER, types.int64, types.uint8))
def put_escaped(out, to, byte):
    """Write one byte of a text as JSON does; return the place after it."""
    if _COST[byte] == 1:
        out[to] = byte
        return to + 1
    out[to] = 92
    if _COST[byte] == 2:
        out[to + 1] = _LETTER[byte]
        return to + 2
    out[to + 1] = 117
    out[to + 2] = out[to + 3] = 48
    out[to + 4], out[to + 5] = _HEX[byte >> 4], _HEX[byte & 15]
    return to + 6


@kernel(types.int64(POINTER, types.int64, BYTES, types.int64, types.int64))
def copy(out, to, source, start, stop):
    """Copy ``source[start:stop]``; return the place after it."""
    for at in range(start, stop):
        out[to + at - start] = source[at]
    return to + stop - start


@kernel(types.void(BYTES, I64S, I64S, BYTES, types.uint8, BYTES, I64S, I64S, OUT_BYTES), inline=False)
def write(data, starts, stops, good, delimiter, keys, key_ends, places, out):
    """Write row i at ``places[i]``: its own bytes, or as JSON if ``good[i]``.

    ``keys[key_ends[k] : key_ends[k + 1]]`` goes before field k; what is left of ``keys`` ends the
    row. ``out`` has SPARE bytes more than the rows need.
    """
    text, target = pointer(data), pointer(out)
    for row in range(len(starts)):
        at, stop, to, field = starts[row], stops[row], places[row], 0
        if not good[row]:
            copy(target, to, data, at, stop)
            continue
        while True:
            to = copy(target, to, keys, key_ends[field], key_ends[field + 1])
            field += 1
            if at < stop and text[at] == 34:
                at += 1
                while True:
                    plain = copy_plain(text, at, stop, 34, target, to)
                    to += plain - at
                    if text[plain] == 34 and (plain + 1 == stop or text[plain + 1] != 34):
                        at = plain + 1
                        break
                    to = put_escaped(target, to, text[plain])
                    at = plain + 1 + (text[plain] == 34)
            else:
                while True:
                    plain = copy_plain(text, at, stop, delimiter, target, to)
                    to += plain - at
                    at = plain
                    if at == stop or text[at] == delimiter:
                        break
                    to = put_escaped(target, to, text[at])
                    at += 1
            if at == stop:
                break
            at += 1
        copy(target, to, keys, key_ends[field], len(keys))
