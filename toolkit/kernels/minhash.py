"""MinHash signatures, scheme affine-1, fused with shingling: bytes in, k minima out.

    signature[k] = min over shingles of (a_k * x + b_k) mod 2^32,   x = identity >> 32,  a_k odd

Two texts agree in a slot with probability close to their Jaccard similarity (Broder 1997).
Shingle identities are gathered some hundred at a time; then they pass TILE permutations after
TILE (``vector.lower_tile``), whose minima never leave the registers. A shingle and eight
permutations cost one multiplication, one addition and one minimum; nothing is left to remove
but the 4 operations a cycle that the processor has. An empty text has no shingle, and its
signature is all ones (2^32 - 1).
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import (
    BYTES,
    I64S,
    OUT_SIGNATURES,
    U32_POINTER,
    U32S,
    U64_POINTER,
    U64S,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import mix64
from toolkit.kernels.shingle import BUFFER, SPARE, byte_polynomials, power, word_polynomials
from toolkit.kernels.vector import TILE, lower_tile

U = np.uint64
ONES = np.uint32(0xFFFFFFFF)


@kernel(
    types.void(
        U64_POINTER, types.int64, types.int64, U32_POINTER, U32_POINTER, U32_POINTER, U32_POINTER, types.int64
    )
)
def lower_minima(raw, first, count, xs, a, b, low, slots):
    """Mix the polynomials ``raw[first:count]`` and lower ``low``, whole tiles, to their minima."""
    if first >= count:
        return
    full = (count - first + SPARE - 1) // SPARE * SPARE  # what lies beyond is mixed too, and not used
    for j in range(full):
        xs[j] = np.uint32(mix64(raw[first + j]) >> U(32))
    for at in range(0, slots, TILE):
        lower_tile(xs, count - first, a, b, low, at)


@kernel(types.UniTuple(types.Array(types.uint32, 1, "C"), 3)(U32S, U32S))
def tiles(a, b):
    """Pad the permutations to whole tiles, and make room for as many minima."""
    slots = (len(a) + TILE - 1) // TILE * TILE
    wide_a, wide_b = np.zeros(slots, np.uint32), np.zeros(slots, np.uint32)
    wide_a[: len(a)] = a
    wide_b[: len(b)] = b
    return wide_a, wide_b, np.full(slots, ONES, np.uint32)


@kernel(types.void(BYTES, I64S, types.int64, U32S, U32S, OUT_SIGNATURES))
def word_sketch(data, offsets, n, a, b, out):
    """Lower ``out`` uint32 (n_texts, k), all ones at first, to the minima over each text's word shingles."""
    text, limit, leaving = pointer(data), len(data), power(n)
    starts, stops = np.empty(BUFFER, np.int64), np.empty(BUFFER, np.int64)
    hashes, raw = np.zeros(n + BUFFER, np.uint64), np.zeros(BUFFER + SPARE, np.uint64)
    xs, (wide_a, wide_b, low) = np.zeros(BUFFER + SPARE, np.uint32), tiles(a, b)
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        h, seen = U(0), 0
        hashes[:n] = U(0)
        low[: len(a)] = out[row]
        while i < stop:
            i, count, h = word_polynomials(
                text, i, stop, limit, n, leaving, h,
                pointer(starts), pointer(stops), pointer(hashes), pointer(raw),
            )  # fmt: skip
            lower_minima(
                pointer(raw),
                max(0, n - 1 - seen),
                count,
                pointer(xs),
                pointer(wide_a),
                pointer(wide_b),
                pointer(low),
                len(low),
            )
            seen += count
        if 0 < seen < n:
            raw[0] = h
            lower_minima(
                pointer(raw), 0, 1, pointer(xs), pointer(wide_a), pointer(wide_b), pointer(low), len(low)
            )
        out[row] = low[: len(a)]


@kernel(types.void(BYTES, I64S, types.int64, U32S, U32S, OUT_SIGNATURES))
def byte_sketch(data, offsets, n, a, b, out):
    """Lower ``out`` uint32 (n_texts, k), all ones at first, to the minima over each text's byte shingles."""
    text, leaving, raw = pointer(data), power(n), np.zeros(BUFFER + SPARE, np.uint64)
    xs, (wide_a, wide_b, low) = np.zeros(BUFFER + SPARE, np.uint32), tiles(a, b)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        i, h = start, U(0)
        low[: len(a)] = out[row]
        while i < stop:
            seen = i - start
            i, count, h = byte_polynomials(text, i, start, stop, n, leaving, h, pointer(raw))
            lower_minima(
                pointer(raw),
                max(0, n - 1 - seen),
                count,
                pointer(xs),
                pointer(wide_a),
                pointer(wide_b),
                pointer(low),
                len(low),
            )
        if 0 < stop - start < n:
            raw[0] = h
            lower_minima(
                pointer(raw), 0, 1, pointer(xs), pointer(wide_a), pointer(wide_b), pointer(low), len(low)
            )
        out[row] = low[: len(a)]


@kernel(types.void(U64S, I64S, U32S, U32S, OUT_SIGNATURES))
def set_sketch(hashes, offsets, a, b, out):
    """Lower ``out`` uint32 (n_sets, k), all ones at first, to the minima over sets of mixed identities."""
    xs, (wide_a, wide_b, low) = np.zeros(BUFFER + SPARE, np.uint32), tiles(a, b)
    for row in range(len(offsets) - 1):
        low[: len(a)] = out[row]
        for first in range(offsets[row], offsets[row + 1], BUFFER):
            count = min(BUFFER, offsets[row + 1] - first)
            for j in range(count):
                xs[j] = np.uint32(hashes[first + j] >> U(32))
            for at in range(0, len(low), TILE):
                lower_tile(pointer(xs), count, pointer(wide_a), pointer(wide_b), pointer(low), at)
        out[row] = low[: len(a)]
