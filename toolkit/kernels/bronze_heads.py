"""Bronze lines taken apart again, without a Python object a line: ``bronze_lines`` backwards.

One pass finds where each part of each line lies and reads its three numbers; another gathers the
parts of one kind into a buffer of their own, as Arrow keeps text.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.block import copy
from toolkit.kernels.byte_search import line_ends, next_of
from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, OUT_PAIRS, POINTER, kernel, pointer

ID, PATH, LINE, OFFSET, LENGTH, FACTS, PAYLOAD = 0, 1, 3, 4, 5, 6, 8  # columns; two for PATH, FACTS, PAYLOAD
_WIDTH = 10
_BEFORE_ID, _ID = b'{"record_id":"', 64
_BEFORE_PATH = b'","origin":{"path":'
_BEFORE_LINE, _BEFORE_OFFSET, _BEFORE_LENGTH = b',"line":', b',"offset":', b',"length":'
_BEFORE_FACTS, _BEFORE_PAYLOAD = b"},", b',"payload":'
_TEXTS = (
    _BEFORE_ID,
    _BEFORE_PATH,
    _BEFORE_LINE,
    _BEFORE_OFFSET,
    _BEFORE_LENGTH,
    _BEFORE_FACTS,
    _BEFORE_PAYLOAD,
)
_FIXED = np.frombuffer(b"".join(_TEXTS), np.uint8)
_AT = np.cumsum([0, *map(len, _TEXTS)], dtype=np.int64)


@kernel(types.int64(POINTER, types.int64, types.int64, POINTER, I64S, types.int64))
def after(text, at, stop, fixed, fixed_at, number):
    """Where the fixed text of a ``number`` ends that must begin at ``at``; -1 if it does not."""
    start, size = fixed_at[number], fixed_at[number + 1] - fixed_at[number]
    if at < 0 or at + size > stop:
        return -1
    for k in range(size):
        if text[at + k] != fixed[start + k]:
            return -1
    return at + size


@kernel(types.int64(POINTER, types.int64, types.int64))
def after_string(text, at, stop):
    """Where the JSON string that begins at ``at`` ends; -1 if there is none."""
    if at < 0 or at >= stop or text[at] != 34:
        return -1
    at += 1
    while at < stop and text[at] != 34:
        at += 2 if text[at] == 92 else 1
    return at + 1 if at < stop else -1


@kernel(types.UniTuple(types.int64, 2)(POINTER, types.int64, types.int64))
def read_decimal(text, at, stop):
    """(number, where it ends) of the digits at ``at``; the end is -1 if there is none."""
    if at < 0 or at >= stop or text[at] < 48 or text[at] > 57:
        return 0, -1
    number = 0
    while at < stop and 48 <= text[at] <= 57:
        number = number * 10 + np.int64(text[at]) - 48
        at += 1
    return number, at


@kernel(types.int64(BYTES, BYTES, I64S, OUT_PAIRS))
def take_apart(data, fixed, fixed_at, out):
    """Fill a row of ``out`` for each line; return the first line that is no bronze line, or -1."""
    text, texts, end, at = pointer(data), pointer(fixed), len(data), 0
    for row in range(len(out)):
        stop = next_of(text, at, end, 10, 10)
        start = after(text, at, stop, texts, fixed_at, 0)
        out[row, ID] = start
        at = after(text, start + _ID, stop, texts, fixed_at, 1) if start >= 0 else -1
        out[row, PATH] = at
        at = after_string(text, at, stop)
        out[row, PATH + 1] = at
        for k in range(3):
            out[row, LINE + k], at = read_decimal(text, after(text, at, stop, texts, fixed_at, 2 + k), stop)
        at = after(text, at, stop, texts, fixed_at, 5)
        out[row, FACTS] = at
        payload = -1
        while 0 <= at < stop and payload < 0:
            if text[at] == 44:  # no string holds the marker: its quotes would be escaped
                payload = after(text, at, stop, texts, fixed_at, 6)
            at += 1
        out[row, FACTS + 1] = at - 1
        if payload < 0 or payload >= stop - 1 or text[stop - 1] != 125:
            return row
        out[row, PAYLOAD], out[row, PAYLOAD + 1] = payload, stop - 1
        at = stop + 1
    return -1


@kernel(types.void(BYTES, I64S, I64S, OUT_BYTES))
def copy_rows(data, start, ends, out):
    """Copy row after row to ``out``: row i fills ``out[ends[i]:ends[i + 1]]``."""
    source, target = pointer(data), pointer(out)
    for row in range(len(start)):
        copy(target, ends[row], source, start[row], ends[row + 1] - ends[row])


@kernel(types.int64(BYTES))
def count_lines(data):
    """How many LF the bytes hold."""
    return line_ends(pointer(data), 0, len(data))


def bronze_heads(data: np.ndarray) -> np.ndarray:
    """Where the parts of each bronze line lie: int64 (lines, 10), by the columns named above.

    ``data`` uint8: whole lines, each ended by LF. ID: the start of 64 hex digits; PATH (start, stop):
    JSON text, quotes included; LINE, OFFSET, LENGTH: the numbers themselves; FACTS (start, stop): JSON
    fields without braces; PAYLOAD (start, stop). Raises ValueError, with the line's number from 1, for
    what ``bronze_lines`` does not write.
    """
    out = np.empty((count_lines(data), _WIDTH), np.int64)
    if (bad := take_apart(data, _FIXED, _AT, out)) >= 0:
        raise ValueError(f"line {bad + 1} is not a bronze line")
    return out


def gather(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows ``data[start[i]:stop[i]]`` end to end: (uint8[bytes], offsets int64[n + 1])."""
    ends = np.zeros(len(start) + 1, np.int64)
    np.cumsum(stop - start, out=ends[1:])
    out = np.empty(ends[-1], np.uint8)
    copy_rows(data, np.ascontiguousarray(start), ends, out)
    return out, ends
