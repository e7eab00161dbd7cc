"""Line ends inside payloads become spaces: an element of a JSON array may be printed over many lines.

A line end in valid JSON stands between two tokens, never inside a string, so a space says the same.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, kernel, pointer


@kernel(types.boolean(BYTES, I64S, I64S))
def has_line_ends(data, start, stop):
    """Whether a row ``data[start[i]:stop[i]]`` holds CR or LF."""
    text = pointer(data)
    for row in range(len(start)):
        found = np.uint8(0)
        for i in range(start[row], stop[row]):  # no way out of the loop: it becomes vector code
            found |= np.uint8(text[i] == 0x0A) | np.uint8(text[i] == 0x0D)
        if found != 0:
            return True
    return False


@kernel(types.void(OUT_BYTES, I64S, I64S))
def write_spaces(data, start, stop):
    """Turn each CR and LF of the rows into a space, in place."""
    text = pointer(data)
    for row in range(len(start)):
        for i in range(start[row], stop[row]):
            byte = text[i]
            text[i] = np.uint8(0x20) if byte == 0x0A or byte == 0x0D else byte


def flatten(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Return ``data`` with spaces for the CR and LF in the rows ``data[start[i]:stop[i]]``.

    The same array if there are none, else a copy of it. Only for rows that are JSON.
    """
    if not has_line_ends(data, start, stop):
        return data
    out = data.copy()
    write_spaces(out, start, stop)
    return out
