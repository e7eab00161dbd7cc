"""Next-fit: documents in the order they come, each into the open pack or, if it is full, a new one.

What a data loader does that looks at one document at a time. It keeps the order, needs no memory and
wastes the most: two packs in a row hold more than C tokens together, so at worst half of all is padding.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.lengths import LENGTHS, checked_lengths


def next_fit(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1, never falling.

    ``lengths``: int [n], tokens, each in 1 .. capacity. Raises RequestError for any other length.
    Peak memory: 8 bytes a document. Method: Johnson 1973, "Near-optimal bin packing algorithms".
    """
    return _next_fit(checked_lengths(lengths, capacity), capacity)


@kernel(numba.int64[:](LENGTHS, numba.int64), inline=False)
def _next_fit(lengths, capacity):
    pack_of = np.empty(lengths.size, np.int64)
    pack, room = -1, 0
    for i in range(lengths.size):
        if lengths[i] > room:
            pack += 1
            room = capacity
        room -= lengths[i]
        pack_of[i] = pack
    return pack_of
