"""MinHash signatures, scheme affine-1, fused with shingling: bytes in, k minima out.

    signature[k] = min over shingles of (a_k * x + b_k) mod 2^32,   x = identity >> 32,  a_k odd

Two texts agree in a slot with probability close to their Jaccard similarity (Broder 1997).
Shingle identities are gathered 512 at a time; then each permutation is one minimum over the
buffer, a loop that the compiler turns into 16 lanes of multiply, add, minimum. Every
intermediate is cast to uint32, which is what keeps it in 32-bit lanes. The buffer is padded
to whole registers by repeating one identity: a minimum does not mind. An empty text has no
shingle, and its signature is all ones (2^32 - 1).
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels import reference
from toolkit.kernels.compile import BYTES, I64S, OUT_SIGNATURES, OUT_U32S, OUT_U64S, U32S, kernel, pointer
from toolkit.kernels.hashing import mix64
from toolkit.kernels.shingle import power
from toolkit.kernels.word import next_word

U = np.uint64
STEP = U(reference.SHINGLE_STEP)
BUFFER = 512
LANES = 64


@kernel(types.void(OUT_U64S, types.int64, OUT_U32S, U32S, U32S, OUT_U32S))
def lower_minima(raw, count, xs, a, b, signature):
    """Mix the ``count`` gathered polynomials and lower each slot of ``signature`` to its minimum."""
    full = (count + LANES - 1) // LANES * LANES
    for j in range(count, full):
        raw[j] = raw[count - 1]
    for j in range(full):
        xs[j] = np.uint32(mix64(raw[j]) >> U(32))
    for k in range(len(signature)):
        ak, bk, low = a[k], b[k], signature[k]
        for j in range(full):
            low = min(low, np.uint32(np.uint32(ak * xs[j]) + bk))
        signature[k] = low


@kernel(types.void(BYTES, I64S, types.int64, U32S, U32S, OUT_SIGNATURES))
def word_sketch(data, offsets, n, a, b, out):
    """Lower ``out`` uint32 (n_texts, k), all ones at first, to the minima over each text's word shingles."""
    text, limit = pointer(data), len(data)
    window, leaving = np.zeros(n, np.uint64), power(n)
    raw, xs = np.zeros(BUFFER, np.uint64), np.zeros(BUFFER, np.uint32)
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        h, seen, slot, count = U(0), 0, 0, 0
        while True:
            start, i, word = next_word(text, i, stop, limit)
            if start == i:
                break
            h = h * STEP + word
            if seen >= n:
                h -= window[slot] * leaving
            window[slot] = word
            slot = slot + 1 if slot + 1 < n else 0
            seen += 1
            if seen >= n:
                raw[count] = h
                count += 1
                if count == BUFFER:
                    lower_minima(raw, count, xs, a, b, out[row])
                    count = 0
        if 0 < seen < n:
            raw[0], count = h, 1
        if count > 0:
            lower_minima(raw, count, xs, a, b, out[row])


@kernel(types.void(BYTES, I64S, types.int64, U32S, U32S, OUT_SIGNATURES))
def byte_sketch(data, offsets, n, a, b, out):
    """Lower ``out`` uint32 (n_texts, k), all ones at first, to the minima over each text's byte shingles."""
    leaving = power(n)
    raw, xs = np.zeros(BUFFER, np.uint64), np.zeros(BUFFER, np.uint32)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        h, i = U(0), start
        first = min(start + n, stop)
        while i < first:
            h = h * STEP + (U(data[i]) + U(1))
            i += 1
        if i == start:
            continue
        raw[0], count = h, 1
        while i < stop:
            chunk = min(stop - i, BUFFER - count)
            for _ in range(chunk):
                h = h * STEP + ((U(data[i]) + U(1)) - (U(data[i - n]) + U(1)) * leaving)
                raw[count] = h
                count += 1
                i += 1
            if count == BUFFER:
                lower_minima(raw, count, xs, a, b, out[row])
                count = 0
        if count > 0:
            lower_minima(raw, count, xs, a, b, out[row])
