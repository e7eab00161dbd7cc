"""The bare words of a raw text in one pass: lower case, white space and punctuation to one space.

The same bytes as normalising and ``space.unpunctuate``, for a text that is in NFC by the tables of
``dedup.points``; others must be composed first. Nothing but one text's room is written.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import POINTER, U32_POINTER, kernel
from toolkit.kernels.hashing import load64
from toolkit.kernels.space import ASK, IDEOGRAPHS, REPLACED, is_alphanumeric, point_at, put, width_at

U = np.uint64
UNDERSCORE = 0x5F
MARK, POINT = np.uint32(24), np.uint32(0xFFFFFF)  # of a fold: the combining class, the code point
_EACH = 0x0101010101010101
HIGH_BITS, BYTE_INDEX = U(0x80 * _EACH), U(0x0001020304050607)  # (1 << 8k) * BYTE_INDEX >> 56 is k
FROM_A, FROM_BRACE = U((0x80 - 0x61) * _EACH), U((0x80 - 0x7B) * _EACH)
FROM_0, FROM_COLON = U((0x80 - 0x30) * _EACH), U((0x80 - 0x3A) * _EACH)
SMALL = U(0x20 * _EACH)
ASCII = np.full(256, 0x20, np.uint8)  # letters and digits in lower case, all else a space
ASCII[48:58] = np.arange(48, 58)
ASCII[65:91] = ASCII[97:123] = np.arange(97, 123)


@kernel(types.UniTuple(types.uint64, 2)(types.uint64))
def lowered(block):
    """(the block with ASCII letters lowered, the high bit of each byte that is no letter or digit).

    Bytes above the first one that is not ASCII may be marked wrongly: nobody looks at them.
    """
    small = block | SMALL
    letters = (small + FROM_A) & ~(small + FROM_BRACE) & HIGH_BITS
    digits = (block + FROM_0) & ~(block + FROM_COLON) & HIGH_BITS
    return block | (letters >> U(2)), (~(letters | digits) | block) & HIGH_BITS


@kernel(types.void(POINTER, types.int64, types.uint64))
def store64(out, at, block):
    """Write eight bytes, little-endian; LLVM makes one store of the eight."""
    for j in range(8):
        out[at + j] = np.uint8(block >> U(8 * j) & U(0xFF))


@kernel(types.boolean(POINTER, types.int64, types.int64, U32_POINTER))
def word_follows(text, i, stop, folds):
    """Whether an ASCII letter or digit, once normalised, is at ``i``."""
    if i >= stop:
        return False
    point = types.int64(text[i])
    if point >= 0x80:
        point = point_at(text, i, width_at(text, i))
        if point >= IDEOGRAPHS:
            return False
        point = types.int64(folds[point] & POINT)
    return is_alphanumeric(point)


@kernel(types.int64(POINTER, types.int64, types.int64, types.int64, POINTER, U32_POINTER, POINTER))
def bare_text(text, i, stop, limit, ascii, folds, out):
    """Write the bare words of ``text[i:stop]``; return their bytes, or -1 where NFC is not certain.

    ``limit`` is the length of the whole buffer, ``ascii`` is ASCII, ``folds`` is
    ``dedup.points.folds``. ``out`` needs 3/2 of the bytes that are read, and eight more.
    """
    size, gap, last = 0, False, 0
    while i < stop:
        byte = text[i]
        if byte < 0x80:
            last = 0
            if i + 8 <= limit:  # letters and digits up to eight at a time
                block, marks = lowered(load64(text, i))
                low = (marks & (~marks + U(1))) >> U(7)
                count = min(types.int64((low * BYTE_INDEX) >> U(56)) if marks != U(0) else 8, stop - i)
                if count > 0:
                    out[size] = 0x20
                    size += gap
                    gap = False
                    store64(out, size, block)
                    size += count
                    i += count
                    continue
            point = types.int64(ascii[byte])
            i += 1
            if byte == UNDERSCORE and size > 0 and not gap and is_alphanumeric(types.int64(out[size - 1])):
                point = UNDERSCORE if word_follows(text, i, stop, folds) else 0x20
        else:
            width = width_at(text, i)
            point, mark = point_at(text, i, width), 0
            i += width
            if point < IDEOGRAPHS:
                fold = folds[point]
                mark, point = types.int64(fold >> MARK), types.int64(fold & POINT)
            elif point >= REPLACED:
                mark = ASK
            if mark != 0 and (mark == ASK or mark < last):
                return -1
            last = mark
        if point == 0x20:
            gap = size > 0
            continue
        if gap:
            out[size] = 0x20
            size += 1
            gap = False
        if point < 0x80:
            out[size] = point
            size += 1
        else:
            size = put(out, size, point)
    return size
