"""What normalising does to each code point, as two tables, so that NFC is asked only where it may matter.

A text is in NFC if every code point is left alone by NFC, none composes with what stands before it,
and marks stand in the order of their combining classes (the quick check of UAX 15). Nearly all text
is, in any script; then normalising is a look-up. Where the tables are not sure, the text is composed.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

POINTS = 0x20000  # above lie ideographs, which have no case, and 0x2F800 on, which NFC replaces
NO_TABLES = np.empty(0, np.int32), np.empty(0, np.uint8)  # where all text is ASCII
ASK = 255  # NFC may change something here; no combining class is that large
# What becomes a space where words are compared bare: see dedup.ngrams.
_PUNCTUATION = ((0xA0, 0xC0), (0x2000, 0x2070), (0x3000, 0x3005), (0x3008, 0x3040), (0xFF01, 0xFF10),
                (0xFF1A, 0xFF21), (0xFF3B, 0xFF41), (0xFF5B, 0xFF66))  # fmt: skip
# Letters without case that NFC leaves alone, and where all other scripts lie; in the rest few have met.
_INERT = ((0x3400, 0xA48D), (0xAC00, 0xD7A4), (0xE000, 0xF900), (0x12000, 0x12544), (0x13000, 0x13430),
          (0x17000, 0x187F8), (0x18800, 0x18D09), (0x1B000, 0x1B2FC))  # fmt: skip
_READ = ((0, 0x3400), (0xA490, 0xAC00), (0xD7B0, 0xD800), (0xF900, 0x12000), (0x16000, 0x17000),
         (0x1D000, POINTS))  # fmt: skip
_SPACES = (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """(lower, order) of the code points below ``POINTS``.

    ``lower`` int32: the simple lower case, or a space for white space. ``order`` uint8: the combining
    class of the point and of its lower case, or ``ASK``. Case is Arrow's; classes and composition are
    Python's, and a point that its tables do not know asks. Made once in a process, in some 0.1 s.
    """
    points = np.concatenate([np.arange(first, stop) for first, stop in _READ])
    characters = list(points.astype("<u4").tobytes().decode("utf-32-le"))
    plain = pa.array(characters)
    lower = np.arange(POINTS, dtype=np.int32)
    small = "".join(pc.utf8_lower(plain).to_pylist())
    lower[points] = np.frombuffer(small.encode("utf-32-le"), np.int32)
    unsafe = np.ones(POINTS, bool)
    for first, stop in _INERT:
        unsafe[first:stop] = False
    unsafe[points] = [unicodedata.normalize("NFC", one) != one for one in characters]
    unsafe[points] |= np.array(list(map(unicodedata.category, characters))) == "Cn"
    classes = np.zeros(POINTS, np.uint8)
    classes[points] = list(map(unicodedata.combining, characters))
    split = [pair.split() for pair in map(unicodedata.decomposition, characters) if pair and pair[0] != "<"]
    unsafe[[int(pair[1], 16) for pair in split if len(pair) == 2]] = True  # composes with what precedes
    unsafe[0x1161:0x1176] = unsafe[0x11A8:0x11C3] = True  # so do these, by rule
    unsafe |= unsafe[lower] | (classes != classes[lower])
    order = np.where(unsafe, np.uint8(ASK), classes)
    lower[list(_SPACES)] = 0x20
    lower[[9, 10, 11, 12, 13]] = 0x20
    return lower, order


@functools.cache
def folds() -> np.ndarray:
    """uint32[POINTS]: the order of each point << 24 | its lower case, or a space for punctuation."""
    lower, order = tables()
    points = lower.copy()
    for first, stop in _PUNCTUATION:
        points[(lower >= first) & (lower < stop)] = 0x20
    return order.astype(np.uint32) << np.uint32(24) | points.astype(np.uint32)
