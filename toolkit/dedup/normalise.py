"""Normalise v1: what counts as the same text before anything is hashed.

    NFC, simple lower case, NFC again, every run of white space to one space, trimmed

NFC comes twice because lower case can open a composition that upper case had not (H with a
macron below), and once more makes the whole idempotent. Lower case is Unicode's simple
mapping, one code point to one: U+0130 becomes "i" (``str.lower`` adds a dot), and a final
sigma is not special. White space is the 25 code points of White_Space: U+0009-000D, 0020,
0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000; not the zero-width ones, and not
U+001C-001F, which ``str.isspace`` accepts. Every id and signature depends on this, so a
change needs a new version. Unicode tables are Arrow's (utf8proc).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels import text_buffers, to_text
from toolkit.kernels.space import classify, collapse

VERSION = 1
_ASCII, _LOWER, _NFC = 0, 1, 2


def normalise(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Normalise each text (v1). Nulls become empty. Texts must be valid UTF-8, as Arrow's are.

    ASCII texts need one pass of a kernel; others are lowered by Arrow first, and those with code
    points outside ``space.INERT`` also go through NFC.
    """
    data, offsets = text_buffers(texts)
    kinds = np.zeros(len(offsets) - 1, np.uint8)
    classify(data, offsets, kinds)
    folded, folded_row = _fold(to_text(data, offsets), kinds)
    other, other_offsets = text_buffers(folded)
    room = int(offsets[-1] - offsets[0] + other_offsets[-1] - other_offsets[0])
    out, out_offsets = np.empty(room, np.uint8), np.empty(len(offsets), np.int64)
    size = collapse(data, offsets, other, other_offsets, folded_row, out, out_offsets)
    return to_text(out[:size], out_offsets)


def _fold(texts: pa.Array, kinds: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """Lower and compose the texts that are not ASCII; say which row of the result is whose."""
    folded_row = np.full(len(kinds), -1, np.int64)
    lower, nfc = np.flatnonzero(kinds == _LOWER), np.flatnonzero(kinds == _NFC)
    if not len(lower) and not len(nfc):
        return pa.array([], pa.large_string()), folded_row
    folded_row[lower] = np.arange(len(lower))
    folded_row[nfc] = len(lower) + np.arange(len(nfc))
    composed = pc.utf8_normalize(texts.take(pa.array(nfc)), form="NFC")
    composed = pc.utf8_normalize(pc.utf8_lower(composed), form="NFC")
    return pa.concat_arrays([pc.utf8_lower(texts.take(pa.array(lower))), composed]), folded_row


def is_empty(normalised: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Say which texts have no bytes, bool[n]: they are duplicates of nothing and stay out of every bucket."""
    return np.diff(text_buffers(normalised)[1]) == 0
