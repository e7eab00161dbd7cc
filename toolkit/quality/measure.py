"""Plain measures of a text, one pass over its bytes: characters, words, and the share of letters.

    alpha_share = letters / characters that are not white space

A letter is an ASCII letter, or any code point from U+00C0 on outside the blocks of
punctuation, symbols and emoji listed in ``_is_letter``. The rule is coarse on purpose: it
runs at memory speed, needs no tables, and only has to tell language from tables of digits,
markup and noise.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import pyarrow as pa

from toolkit.kernels import text_buffers
from toolkit.kernels.compile import kernel
from toolkit.records.schema import QUALITY


def measure(texts: pa.Array) -> pa.StructArray:
    """Measure each text of a string array: the struct ``quality`` of the canonical schema.

    Returns chars int32, words int32 (runs between ASCII white space), alpha_share float32.
    """
    data, offsets = text_buffers(texts)
    counts = _count(data, offsets)
    share = counts[:, 2] / np.maximum(counts[:, 3], 1)
    columns = [counts[:, 0].astype(np.int32), counts[:, 1].astype(np.int32), share.astype(np.float32)]
    return pa.StructArray.from_arrays([pa.array(column) for column in columns], fields=list(QUALITY))


@kernel(nb.boolean(nb.uint32), inline=False)
def _is_letter(code: np.uint32) -> bool:  # of a code point that is not ASCII
    if code < 0xC0 or code == 0xD7 or code == 0xF7:
        return False
    symbols = 0x2000 <= code < 0x2C00 or 0x3000 <= code < 0x3040 or 0xFE00 <= code < 0xFE70
    wide = 0xFF00 <= code < 0xFF21 or 0xE000 <= code < 0xF900 or 0x1F000 <= code < 0x20000
    return not (symbols or wide)


@kernel(
    nb.int64[:, ::1](
        nb.types.Array(nb.uint8, 1, "C", readonly=True), nb.types.Array(nb.int64, 1, "C", readonly=True)
    ),
    inline=False,
)
def _count(data, offsets):  # type: ignore[no-untyped-def]
    out = np.zeros((offsets.size - 1, 4), np.int64)
    for row in range(offsets.size - 1):
        chars, words, letters, visible = 0, 0, 0, 0
        space = True  # before a text as before a word
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            lead = np.uint32(data[at])
            chars += 1
            if lead < 0x80:  # without a branch on what it is: text is too mixed to be guessed
                at += 1
                before, space = space, (lead == 0x20) | ((lead >= 0x09) & (lead <= 0x0D))
                visible += not space
                words += before & (not space)
                letters += ((lead | 0x20) >= 0x61) & ((lead | 0x20) <= 0x7A)
                continue
            size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            code = lead & np.uint32(0x7F >> size)
            for extra in range(1, size):
                code = (code << np.uint32(6)) | np.uint32(data[at + extra] & 0x3F)
            at += size
            visible += 1
            words += space
            space = False
            letters += _is_letter(np.uint32(code))
        out[row, 0], out[row, 1], out[row, 2], out[row, 3] = chars, words, letters, visible
    return out
