"""The lines of a buffer: counted first, 64 bytes at a time, then written where they lie.

A line ends at LF. One CR directly before that LF belongs to the separator, as the LF does; a CR
at the end of the data is part of the last line, which counts if it has a byte. A line of
nothing but spaces, tabs and CR is blank, and is listed too.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.block import BLOCK, equal_marks, lowest, population
from toolkit.kernels.compile import BYTES, OUT_FLAGS, OUT_I64S, POINTER, kernel, pointer

U = np.uint64
_LF, _CR = np.uint8(0x0A), 0x0D


@kernel(types.int64(BYTES))
def count_newlines(data):
    """How many bytes are LF."""
    text, size, count, i = pointer(data), len(data), 0, 0
    while i + BLOCK <= size:
        count += population(equal_marks(text, i, _LF))
        i += BLOCK
    while i < size:
        count += text[i] == _LF
        i += 1
    return count


@kernel(types.boolean(POINTER, types.int64, types.int64), inline=False)
def is_blank(text, start, stop):
    """Whether there is nothing but spaces, tabs and CR."""
    while start < stop and (text[start] == 0x20 or text[start] == 0x09 or text[start] == _CR):
        start += 1
    return start == stop


@kernel(types.void(BYTES, OUT_I64S, OUT_I64S, OUT_FLAGS))
def write_lines(data, start, stop, blank):
    """Write where each line begins and ends, and whether it is blank: one slot a line."""
    text, size, row, begin, i = pointer(data), len(data), 0, 0, 0
    while i < size:
        if i + BLOCK <= size:
            marks = equal_marks(text, i, _LF)
        else:
            marks = U(0)
            for k in range(size - i):
                marks |= U(text[i + k] == _LF) << U(k)
        while marks != U(0):
            end = i + lowest(marks)
            marks &= marks - U(1)
            after = end + 1
            if end > begin and text[end - 1] == _CR:
                end -= 1
            start[row], stop[row], blank[row] = begin, end, is_blank(text, begin, end)
            begin = after
            row += 1
        i += BLOCK
    if begin < size:
        start[row], stop[row], blank[row] = begin, size, is_blank(text, begin, size)


def frame(data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the lines of ``data`` uint8[n]: (start int64[m], stop int64[m], blank bool[m]).

    Line i is ``data[start[i]:stop[i]]``. What lies between two lines is the separator.
    """
    lines = count_newlines(data) + int(len(data) > 0 and data[-1] != _LF)
    start, stop, blank = np.empty(lines, np.int64), np.empty(lines, np.int64), np.empty(lines, np.bool_)
    write_lines(data, start, stop, blank)
    return start, stop, blank
