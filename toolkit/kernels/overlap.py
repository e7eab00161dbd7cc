"""Exact set sizes: how many sorted unique hashes two rows share."""

from __future__ import annotations

from numba import types

from toolkit.kernels.compile import I64S, OUT_I64S, PAIRS, SIGNATURES, U64S, kernel


@kernel(types.void(U64S, I64S, PAIRS, OUT_I64S, OUT_I64S))
def intersections(hashes, offsets, pairs, shared, union):
    """Merge both rows of each pair; write the intersection and union sizes, int64[p]."""
    for p in range(len(pairs)):
        i, i_stop = offsets[pairs[p, 0]], offsets[pairs[p, 0] + 1]
        j, j_stop = offsets[pairs[p, 1]], offsets[pairs[p, 1] + 1]
        total, both = i_stop - i + j_stop - j, 0
        while i < i_stop and j < j_stop:
            x, y = hashes[i], hashes[j]
            both += x == y
            i += x <= y
            j += y <= x
        shared[p], union[p] = both, total - both


@kernel(types.void(SIGNATURES, PAIRS, OUT_I64S))
def agreements(signatures, pairs, out):
    """Count the equal slots of both signatures of each pair: ``out`` int64[p]."""
    for p in range(len(pairs)):
        equal = 0
        for k in range(signatures.shape[1]):
            equal += signatures[pairs[p, 0], k] == signatures[pairs[p, 1], k]
        out[p] = equal
