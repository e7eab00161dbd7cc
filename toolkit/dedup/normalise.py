"""Normalise v1: what counts as the same text before anything is hashed.

    NFC, simple lower case, NFC again, every run of white space to one space, trimmed

NFC comes twice because lower case can open a composition that upper case had not (H with a
macron below), and once more makes the whole idempotent. Lower case is Unicode's simple
mapping, one code point to one: U+0130 becomes "i" (``str.lower`` adds a dot), and a final
sigma is not special. White space is the 25 code points of White_Space: U+0009-000D, 0020,
0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000; not the zero-width ones, and not
U+001C-001F, which ``str.isspace`` accepts. Every id and signature depends on this, so a
change needs a new version. Case is Arrow's (utf8proc), composition Python's; where they are not
needed, see ``points``.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import kernels
from toolkit.dedup.points import NO_TABLES, tables
from toolkit.kernels import text_buffers, to_text
from toolkit.kernels.space import classify, collapse, gather

VERSION = 1
_ASK = 2  # the class of a text that may not be in NFC


def normalise(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Normalise each text (v1). Nulls become empty. Texts must be valid UTF-8, as Arrow's are.

    Where the tables of ``points`` show that a text is in NFC, that is one pass of a kernel; the others
    are lowered and composed one by one first.
    """
    data, offsets = text_buffers(texts)
    if not (card := kernels.door(int(offsets[-1] - offsets[0]))):
        return to_text(*_normalised(data, offsets))
    done, ends, others = kernels.offload.normalise_ascii(card, data, offsets, _as_on_card)
    if not others.any():
        return to_text(done, ends)
    rows = np.flatnonzero(others)
    starts, stops = ends[:-1].copy(), ends[1:].copy()
    rest, rest_ends = _normalised(*text_buffers(to_text(data, offsets).take(pa.array(rows))))
    starts[rows], stops[rows] = len(done) + rest_ends[:-1], len(done) + rest_ends[1:]
    both, out, out_ends = np.concatenate([done, rest]), np.empty(len(done) + len(rest), np.uint8), ends.copy()
    gather(both, starts, stops, out, out_ends)
    return to_text(out, out_ends)


def _as_on_card(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a card says of some texts: here all are done, and none is left for the host."""
    return *_normalised(data, offsets), np.zeros(len(offsets) - 1, np.uint8)


def _normalised(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ascii_only = int(data[offsets[0] : offsets[-1]].max(initial=0)) < 0x80
    lower, order = NO_TABLES if ascii_only else tables()
    kinds = np.zeros(len(offsets) - 1, np.uint8)
    classify(data, offsets, order, kinds)
    row = np.flatnonzero(kinds == _ASK)
    composed_row = np.full(len(kinds), -1, np.int64)
    composed_row[row] = np.arange(len(row))
    composed, composed_offsets = text_buffers(_composed(to_text(data, offsets), row))
    size = int(offsets[-1] - offsets[0] + composed_offsets[-1] - composed_offsets[0])
    out, out_offsets = np.empty(size + size // 2, np.uint8), np.empty(len(offsets), np.int64)
    size = collapse(data, offsets, composed, composed_offsets, composed_row, lower, out, out_offsets)
    return out[:size], out_offsets


def _composed(texts: pa.Array, rows: np.ndarray) -> pa.Array:
    """Some of the texts in NFC, in lower case, in NFC again: large_string."""
    if not len(rows):
        return pa.array([], pa.large_string())
    return _nfc(pc.utf8_lower(_nfc(texts.take(pa.array(rows)))))


def _nfc(texts: pa.Array) -> pa.Array:
    """By Python: what some releases of Arrow (25.0) call NFC is decomposed."""
    return pa.array([unicodedata.normalize("NFC", text) for text in texts.to_pylist()], pa.large_string())


def is_empty(normalised: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Say which texts have no bytes, bool[n]: they are duplicates of nothing and stay out of every bucket."""
    return np.diff(text_buffers(normalised)[1]) == 0
