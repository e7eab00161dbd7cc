"""Shingles that a large part of the texts share: counted by slots first, then exactly, then left out.

    slot of a shingle = its identity's leading SLOT_BITS

A shingle is in no more texts than its slot, so a slot that too few texts hit holds no common
shingle, and only those of the other slots are counted one by one.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, OUT_U32S, OUT_U64S, U64S, kernel

SLOT_BITS = 18
U = np.uint64
_SHIFT = U(64 - SLOT_BITS)


@kernel(types.void(U64S, I64S, OUT_U32S))
def tally(hashes, offsets, out):
    """Add to ``out`` uint32 (2^SLOT_BITS) in how many texts a shingle of each slot is.

    Sets are sorted, so equal slots of a text lie together.
    """
    for row in range(len(offsets) - 1):
        last = -1
        for i in range(offsets[row], offsets[row + 1]):
            slot = types.int64(hashes[i] >> _SHIFT)
            out[slot] += np.uint32(slot != last)
            last = slot


@kernel(types.int64(U64S, BYTES, OUT_U64S))
def suspects(hashes, wanted, out):
    """Write the shingles whose slot is ``wanted`` uint8 (2^SLOT_BITS); return how many."""
    count = 0
    for i in range(len(hashes)):
        out[count] = hashes[i]
        count += types.int64(wanted[types.int64(hashes[i] >> _SHIFT)])
    return count


@kernel(types.int64(OUT_U64S, OUT_I64S, U64S, BYTES, BYTES, OUT_I64S))
def leave_out(hashes, offsets, mask, wanted, chosen, masked):
    """Take the shingles in ``mask``, sorted, out of each ``chosen`` set, in place; return how many are left.

    A set that holds nothing else stays as it is. ``masked`` int64[n] is how many each lost;
    ``wanted`` marks the slots of the mask.
    """
    count, stop = 0, offsets[0]
    for row in range(len(offsets) - 1):
        start, stop = stop, offsets[row + 1]
        first = count
        offsets[row] = count
        for i in range(start, stop):
            x = hashes[i]
            if chosen[row] != 0 and wanted[types.int64(x >> _SHIFT)] != 0:
                at = np.searchsorted(mask, x)
                if at < len(mask) and mask[at] == x:
                    continue
            hashes[count] = x
            count += 1
        masked[row] = stop - start - (count - first)
        if count == first and stop > start:
            # Nothing was written for this row, and rows before it only shrank: it is still whole.
            for i in range(start, stop):
                hashes[count] = hashes[i]
                count += 1
            masked[row] = 0
    offsets[len(offsets) - 1] = count
    return count
