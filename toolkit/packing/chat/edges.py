"""White space at the edges of texts, in UTF-8: where ``str.strip`` would cut.

Unicode has 29 characters that Python takes for white space, of one, two or three bytes. A text is
searched from both its ends, and a byte that is not UTF-8 is no white space.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, I64S, OUT_PAIRS, POINTER, kernel, pointer


@kernel(types.int64(POINTER, types.int64, types.int64))
def _space(text, at, end):
    """Bytes of the white space at ``at``, by Unicode as ``str.isspace`` has it; 0 if there is none."""
    lead = text[at]
    if lead < 0x80:
        return 1 if lead == 32 or 9 <= lead <= 13 or 28 <= lead <= 31 else 0
    if at + 2 <= end and lead == 0xC2:
        return 2 if text[at + 1] == 0x85 or text[at + 1] == 0xA0 else 0
    if at + 3 > end or not 0xE1 <= lead <= 0xE3:
        return 0
    rest = types.int64(text[at + 1]) << 8 | types.int64(text[at + 2])
    if lead == 0xE1:
        return 3 if rest == 0x9A80 else 0
    if lead == 0xE3:
        return 3 if rest == 0x8080 else 0
    found = 0x8080 <= rest <= 0x808A or rest == 0x80A8 or rest == 0x80A9 or rest == 0x80AF or rest == 0x819F
    return 3 if found else 0


@kernel(types.int64(POINTER, types.int64, types.int64))
def _space_before(text, start, end):
    """Bytes of the white space that ends at ``end``; 0 if there is none."""
    if text[end - 1] < 0x80:
        return _space(text, end - 1, end)
    for width in (2, 3):
        if end - width >= start and _space(text, end - width, end) == width:
            return width
    return 0


@kernel(types.void(BYTES, I64S, OUT_PAIRS), inline=False)
def _stripped(data, offsets, out):
    """Find where each text begins and ends without the white space around it."""
    text = pointer(data)
    for i in range(offsets.size - 1):
        start, end = offsets[i], offsets[i + 1]
        while start < end:
            width = _space(text, start, end)
            if width == 0:
                break
            start += width
        while end > start:
            width = _space_before(text, start, end)
            if width == 0:
                break
            end -= width
        out[i, 0], out[i, 1] = start, end


def stripped(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return where each text's bytes begin and end without white space around: int64 [texts, 2].

    White space is what ``str.strip`` takes for it. Of a blank text nothing is left, at its end.
    """
    out = np.empty((offsets.size - 1, 2), np.int64)
    _stripped(data, offsets, out)
    return out
