"""Rows that say the same in some of their fields, numbered by first appearance.

Millions of records name a handful of licences and models. Each row's texts are compared, byte
for byte, with those of the row before it, and else found by hash in an open-addressing table:
equal hashes propose, the bytes decide. So a text is decoded once for all rows that have it.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, OUT_I64S, PAIRS, POINTER, kernel, pointer
from toolkit.kernels.hashing import mix64
from toolkit.kernels.json_scan import hash_key

U = np.uint64
_PLACES = types.CPointer(types.int64)


@kernel(types.boolean(POINTER, _PLACES, types.int64, types.int64, types.int64))
def same_texts(text, places, one, other, width):
    """Whether ``width`` places from ``one`` and from ``other`` hold the same texts, or codes below 0."""
    for k in range(0, width, 2):
        i, j = places[one + k], places[other + k]
        size = places[one + k + 1] - i
        if (i < 0 or j < 0) and i != j:
            return False
        if size != places[other + k + 1] - j:
            return False
        for at in range(size):
            if text[i + at] != text[j + at]:
                return False
    return True


@kernel(types.int64(BYTES, PAIRS, OUT_I64S, OUT_I64S, OUT_I64S))
def number_rows(data, places, slots, number, first):
    """Write each row's number, and the first row of each; return how many numbers there are.

    ``slots``: more than rows, a power of two, all -1.
    """
    text, limit, spots, width = pointer(data), len(data), pointer(places), places.shape[1]
    mask, groups, last = U(len(slots) - 1), 0, 0
    for row in range(len(places)):
        base = row * width
        if groups > 0 and same_texts(text, spots, base, first[last] * width, width):
            number[row] = last
            continue
        h = U(0)
        for k in range(base, base + width, 2):
            known = spots[k] >= 0
            h = mix64(h ^ (hash_key(text, spots[k], spots[k + 1], limit) if known else U(spots[k])))
        at = h & mask
        last = slots[at]
        while last >= 0 and not same_texts(text, spots, base, first[last] * width, width):
            at = (at + U(1)) & mask
            last = slots[at]
        if last < 0:
            slots[at] = last = groups
            first[groups] = row
            groups += 1
        number[row] = last
    return groups


def alike(data: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number rows by their texts: (number int64[m], first int64[g]), the first row of each number.

    ``places`` int64 (m, k, 2): each row's k texts ``data[start:stop]``; a code below 0, twice, is
    a text of its own, as in ``Scan.places``.
    """
    rows = len(places)
    slots = np.full(1 << (2 * rows).bit_length(), -1, np.int64)
    number, first = np.empty(rows, np.int64), np.empty(rows, np.int64)
    groups = number_rows(
        data, places.reshape(rows, -1) if rows else np.empty((0, 2), np.int64), slots, number, first
    )
    return number, first[:groups].copy()
