"""White space, ASCII case and punctuation on UTF-8 bytes: the cheap half of normalising.

``collapse`` lowers ASCII letters, turns every run of Unicode white space (the 25 code points
of the White_Space property) into one space, and trims. ``classify`` says which texts need more
than that: 0 ASCII only, 1 needs lower case, 2 may also need NFC. Class 1 holds texts whose
every code point lies in INERT: ranges in which NFC changes nothing and nothing composes,
before and after lower case (the tests check each code point). NFC costs seven times as much
as lower case, and curly quotes, accents, Cyrillic and Chinese do not need it.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, OUT_FLAGS, OUT_I64S, POINTER, kernel, pointer

INERT = np.array(
    [
        (0x0080, 0x02FF),  # Latin and IPA letters
        (0x0400, 0x047F),  # Cyrillic
        (0x2002, 0x205F),  # general punctuation, without the two quads that NFC replaces
        (0x20A0, 0x20BF),  # currency
        (0x2500, 0x25FF),  # boxes and shapes
        (0x3001, 0x3029),  # CJK punctuation
        (0x3041, 0x3096),  # hiragana, without the combining voice marks
        (0x309B, 0x30FF),  # katakana
        (0x3400, 0x9FFF),  # CJK ideographs
        (0xAC00, 0xD7A3),  # Hangul syllables
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFF00, 0xFFEF),  # full-width and half-width forms
        (0x1F000, 0x1FAFF),  # emoji
    ],
    np.int64,
)
_TABLE = np.arange(256, dtype=np.uint8)
_TABLE[65:91] += 32
_TABLE[9:14] = 32
_KEPT = np.array([chr(b).isalnum() and b < 128 for b in range(256)], np.uint8)


@kernel(types.void(BYTES, I64S, OUT_BYTES))
def classify(data, offsets, out):
    """Write each text's class (0, 1 or 2, see above) into ``out`` uint8[n]."""
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        high = np.uint8(0)
        for i in range(start, stop):
            high |= data[i]
        out[row] = 0
        if high < 0x80:
            continue
        kind, point, i = 1, 0, start
        while i < stop and kind == 1:
            lead = types.int64(data[i])
            width = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            if width > 1:
                point = lead & (0xFF >> (width + 1))
                for j in range(i + 1, min(i + width, stop)):
                    point = point << 6 | types.int64(data[j]) & 0x3F
                kind = 2
                for r in range(len(INERT)):
                    if INERT[r, 0] <= point <= INERT[r, 1]:
                        kind = 1
                        break
            i += width
        out[row] = kind


@kernel(types.int64(POINTER, types.int64, types.int64))
def space_width(data, i, stop):
    """Bytes of the non-ASCII white space at ``i``, or 0; ``dedup.normalise`` lists the code points."""
    lead = data[i]
    if lead == 0xC2 and i + 2 <= stop:
        return 2 if data[i + 1] == 0x85 or data[i + 1] == 0xA0 else 0
    if lead < 0xE1 or lead > 0xE3 or i + 3 > stop:
        return 0
    one, two = data[i + 1], data[i + 2]
    if lead == 0xE1:
        return 3 if one == 0x9A and two == 0x80 else 0
    if lead == 0xE3:
        return 3 if one == 0x80 and two == 0x80 else 0
    if one == 0x80:
        return 3 if 0x80 <= two <= 0x8A or two == 0xA8 or two == 0xA9 or two == 0xAF else 0
    return 3 if one == 0x81 and two == 0x9F else 0


@kernel(types.int64(BYTES, I64S, BYTES, I64S, I64S, OUT_BYTES, OUT_I64S))
def collapse(data, offsets, folded, folded_offsets, folded_row, out, out_offsets):
    """Lower ASCII, collapse white space and trim; return the bytes written.

    Row r is read from ``data``, or, when ``folded_row[r]`` is not -1, from that row of ``folded``.
    ``out`` needs as many bytes as the rows that are read.
    """
    plain, lowered, size = pointer(data), pointer(folded), 0
    table = pointer(_TABLE)
    for row in range(len(offsets) - 1):
        out_offsets[row] = size
        other = folded_row[row]
        text = plain if other < 0 else lowered
        i = offsets[row] if other < 0 else folded_offsets[other]
        stop = offsets[row + 1] if other < 0 else folded_offsets[other + 1]
        first, previous = size, np.uint8(0x20)
        while i < stop:
            byte = table[text[i]]
            step = 1
            if byte >= 0x80:
                width = space_width(text, i, stop)
                if width > 0:
                    byte, step = np.uint8(0x20), width
            out[size] = byte
            size += (byte != 0x20) | (previous != 0x20)
            previous = byte
            i += step
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
