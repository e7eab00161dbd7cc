"""White space, case and punctuation on UTF-8 bytes: normalising, but for composition.

``classify`` says which texts are in NFC before and after lower case, by the tables of
``dedup.points``: 0 ASCII only, 1 so, 2 not certain. ``collapse`` lowers every code point, turns runs
of white space into one space, and trims. A look-up costs a tenth of composing.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import (
    BYTES,
    I32S,
    I64S,
    OUT_BYTES,
    OUT_FLAGS,
    OUT_I64S,
    POINTER,
    kernel,
    pointer,
)

ASK = 255  # see dedup.points
IDEOGRAPHS, REPLACED = 0x20000, 0x2F800  # from here on only what NFC leaves alone; what it replaces
_TABLE = np.arange(256, dtype=np.uint8)
_TABLE[65:91] += 32
_TABLE[9:14] = 32
_KEPT = np.array([chr(b).isalnum() and b < 128 for b in range(256)], np.uint8)


@kernel(types.int64(POINTER, types.int64))
def width_at(text, i):
    """Bytes of the code point at ``i``, which is not ASCII."""
    lead = text[i]
    return 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


@kernel(types.int64(POINTER, types.int64, types.int64))
def point_at(text, i, width):
    """The code point of ``width`` bytes, 2 to 4, at ``i``."""
    point = types.int64(text[i]) & (0xFF >> (width + 1))
    for j in range(i + 1, i + width):
        point = point << 6 | types.int64(text[j]) & 0x3F
    return point


@kernel(types.int64(POINTER, types.int64, types.int64))
def put(out, size, point):
    """Write a code point that is not ASCII; return the size of ``out`` then."""
    if point < 0x800:
        out[size] = 0xC0 | point >> 6
        size += 1
    else:
        if point < 0x10000:
            out[size] = 0xE0 | point >> 12
            size += 1
        else:
            out[size] = 0xF0 | point >> 18
            out[size + 1] = 0x80 | point >> 12 & 0x3F
            size += 2
        out[size] = 0x80 | point >> 6 & 0x3F
        size += 1
    out[size] = 0x80 | point & 0x3F
    return size + 1


@kernel(types.void(BYTES, I64S, BYTES, OUT_BYTES))
def classify(data, offsets, order, out):
    """Write each text's class (0, 1 or 2, see above) into ``out`` uint8[n]; ``order`` as in dedup.points."""
    text, ordered = pointer(data), pointer(order)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        high = np.uint8(0)
        for i in range(start, stop):
            high |= text[i]
        out[row] = 0
        if high < 0x80:
            continue
        kind, last, i = 1, 0, start
        while i < stop and kind == 1:
            lead = types.int64(text[i])
            if lead < 0x80:
                last, i = 0, i + 1
                continue
            width = width_at(text, i)
            point = point_at(text, i, width)
            mark = 0
            if point < IDEOGRAPHS:
                mark = types.int64(ordered[point])
            elif point >= REPLACED:
                mark = ASK
            if mark == ASK or (mark != 0 and mark < last):
                kind = 2
            last = mark
            i += width
        out[row] = kind


@kernel(types.int64(BYTES, I64S, BYTES, I64S, I64S, I32S, OUT_BYTES, OUT_I64S))
def collapse(data, offsets, composed, composed_offsets, composed_row, lower, out, out_offsets):
    """Lower case, collapse white space and trim; return the bytes written.

    Row r is read from ``data``, or, when ``composed_row[r]`` is not -1, from that row of ``composed``.
    ``lower`` as in dedup.points. ``out`` needs 3/2 of the bytes that are read: a lower case may be longer.
    """
    plain, other_text, size = pointer(data), pointer(composed), 0
    table, lowered, written = pointer(_TABLE), pointer(lower), pointer(out)
    for row in range(len(offsets) - 1):
        out_offsets[row] = size
        other = composed_row[row]
        text = plain if other < 0 else other_text
        i = offsets[row] if other < 0 else composed_offsets[other]
        stop = offsets[row + 1] if other < 0 else composed_offsets[other + 1]
        first, previous = size, np.uint8(0x20)
        while i < stop:
            byte = table[text[i]]
            if byte < 0x80:
                out[size] = byte
                size += (byte != 0x20) | (previous != 0x20)
                previous = byte
                i += 1
                continue
            width = width_at(text, i)
            point = point_at(text, i, width)
            i += width
            if point < IDEOGRAPHS:
                point = types.int64(lowered[point])
            if point < 0x80:
                byte = np.uint8(point)
                out[size] = byte
                size += (byte != 0x20) | (previous != 0x20)
                previous = byte
                continue
            previous = np.uint8(0xFF)
            size = put(written, size, point)
        if size > first and out[size - 1] == 0x20:
            size -= 1
    out_offsets[len(offsets) - 1] = size
    return size


@kernel(types.boolean(types.int64))
def is_alphanumeric(byte):
    """Whether a byte is an ASCII letter or digit."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@kernel(types.int64(POINTER, types.int64, types.int64, types.int64))
def punctuation_width(data, i, start, stop):
    """Bytes of the punctuation or space at ``i``, or 0 (see ``dedup.decontaminate`` for the set)."""
    lead = types.int64(data[i])
    if lead < 0x80:
        if lead == 0x5F and i > start and i + 1 < stop:  # an underscore inside an identifier stays
            inside = is_alphanumeric(types.int64(data[i - 1])) and is_alphanumeric(types.int64(data[i + 1]))
            return 0 if inside else 1
        return 0 if is_alphanumeric(lead) else 1
    if lead == 0xC2 and i + 2 <= stop:
        return 2 if data[i + 1] >= 0xA0 else 0
    if lead < 0xE2 or lead > 0xEF or i + 3 > stop:
        return 0
    point = (lead & 0x0F) << 12 | (types.int64(data[i + 1]) & 0x3F) << 6 | types.int64(data[i + 2]) & 0x3F
    if 0x2000 <= point <= 0x206F or (0x3000 <= point <= 0x303F and not 0x3005 <= point <= 0x3007):
        return 3
    if 0xFF01 <= point <= 0xFF0F or 0xFF1A <= point <= 0xFF20:
        return 3
    return 3 if 0xFF3B <= point <= 0xFF40 or 0xFF5B <= point <= 0xFF65 else 0


@kernel(types.int64(BYTES, I64S, OUT_BYTES, OUT_I64S))
def unpunctuate(data, offsets, out, out_offsets):
    """Turn runs of punctuation and spaces into one space, and trim; return the bytes written."""
    text, kept, size = pointer(data), pointer(_KEPT), 0
    for row in range(len(offsets) - 1):
        out_offsets[row] = size
        start, stop = offsets[row], offsets[row + 1]
        first, gap, i = size, False, start
        while i < stop:
            width = 0 if kept[text[i]] else punctuation_width(text, i, start, stop)
            if width > 0:
                gap = size > first
                i += width
                continue
            if gap:
                out[size] = 0x20
                size += 1
                gap = False
            out[size] = text[i]
            size += 1
            i += 1
    out_offsets[len(offsets) - 1] = size
    return size


@kernel(types.void(BYTES, I64S, I64S, I64S, OUT_FLAGS))
def same_bytes(data, offsets, left, right, out):
    """Whether rows ``left[p]`` and ``right[p]`` hold the same bytes: ``out`` bool[p]."""
    text = pointer(data)
    for p in range(len(left)):
        i, j = offsets[left[p]], offsets[right[p]]
        length = offsets[left[p] + 1] - i
        same = offsets[right[p] + 1] - j == length
        at = 0
        while same and at < length:
            same = text[i + at] == text[j + at]
            at += 1
        out[p] = same


@kernel(types.int64(BYTES, I64S, I64S, OUT_BYTES, OUT_I64S))
def gather(data, starts, stops, out, out_offsets):
    """Copy ``data[starts[p]:stops[p]]`` for each p, end to end; return the bytes written."""
    size = 0
    for p in range(len(starts)):
        out_offsets[p] = size
        for i in range(starts[p], stops[p]):
            out[size] = data[i]
            size += 1
    out_offsets[len(starts)] = size
    return size
