"""Band keys, and the pairs that share a bucket.

A bucket is a run of equal keys after sorting. Up to ``cap`` members, all pairs are made. In a
larger one each member meets only the first ``cap`` members by preference, so that a bucket of
m costs about m * cap pairs and not m^2 / 2; the rest is counted. A pair is one uint64: the
preferred document in the high 32 bits, the other in the low, so sorting pairs sorts integers.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import I64S, OUT_U64_TABLE, OUT_U64S, SIGNATURES, U64S, kernel
from toolkit.kernels.hashing import GOLDEN, mix64

U = np.uint64


@kernel(types.void(SIGNATURES, types.int64, OUT_U64_TABLE))
def band_keys(signatures, rows, out):
    """See ``reference.band_keys``; ``out`` is uint64 (n, bands)."""
    for band in range(out.shape[1]):
        seed = mix64(U(rows) + U(band + 1) * GOLDEN)
        for i in range(out.shape[0]):
            h = seed
            for slot in range(band * rows, (band + 1) * rows):
                h = mix64(h ^ U(signatures[i, slot])) * GOLDEN
            out[i, band] = mix64(h)


@kernel(types.UniTuple(types.int64, 3)(U64S, types.int64))
def count_pairs(keys, cap):
    """(pairs to write, over-full buckets, pairs skipped in them) for sorted ``keys``."""
    pairs, overfull, skipped, start = 0, 0, 0, 0
    for i in range(1, len(keys) + 1):
        if i < len(keys) and keys[i] == keys[start]:
            continue
        m = i - start
        start = i
        full = m * (m - 1) // 2
        if m > cap:
            written = cap * (cap - 1) // 2 + (m - cap) * cap
            overfull += 1
            skipped += full - written
            full = written
        pairs += full
    return pairs, overfull, skipped


@kernel(types.int64(U64S, I64S, types.int64, OUT_U64S))
def write_pairs(keys, docs, cap, out):
    """Write the pairs of each bucket; ``keys`` sorted, ``docs`` ascending within equal keys."""
    count, start = 0, 0
    for i in range(1, len(keys) + 1):
        if i < len(keys) and keys[i] == keys[start]:
            continue
        for j in range(start + 1, i):
            for first in range(start, min(j, start + cap)):
                out[count] = U(docs[first]) << U(32) | U(docs[j])
                count += 1
        start = i
    return count
