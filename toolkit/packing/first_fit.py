"""First-fit decreasing: the longest document first, each into the earliest pack that has room for it.

The method that trainers use most. It needs one question answered fast: which is the first pack with
room for L tokens? A tree over the packs holds in each node the most room of any pack below it, so the
answer is a walk from the root, to the left wherever the left has enough:

    most(node) = max(most(left), most(right))          O(n log n) in all

Against best-fit decreasing it is slower, for the tree is as wide as there are packs and not as there are
amounts of room. Neither is always the better: see ``fewest``.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit

from toolkit.packing.lengths import LENGTHS, by_document, checked_lengths, count_lengths, most_packs


def first_fit_decreasing(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1, in the order they are opened.

    ``lengths``: int [n], tokens, each in 1 .. capacity. Longer documents first, equal lengths by index;
    the pack opened earliest among those with room. Raises RequestError for a length outside 1 .. capacity.
    Peak memory: 12 bytes a document, 16 a token of capacity, and 8 to 16 for each of 2 · sum / C packs,
    beside the input.
    Method: Johnson 1974, "Fast algorithms for bin packing".
    """
    lengths = checked_lengths(lengths, capacity)
    count = count_lengths(lengths, capacity)
    placed = np.empty(lengths.size, np.int32)
    _first_fit(count, capacity, placed)
    return by_document(lengths, count, placed)


@njit(numba.void(LENGTHS, numba.int64, numba.int32[::1]), cache=True, nogil=True)
def _first_fit(count, capacity, placed):
    leaves = 1
    while leaves < most_packs(count, capacity):
        leaves *= 2
    most = np.full(2 * leaves, capacity, np.int32)  # packs that are not open yet are empty ones
    at = 0
    for length in range(capacity, 0, -1):
        left = count[length]
        while left > 0:
            node = 1
            while node < leaves:
                node *= 2
                if most[node] < length:
                    node += 1
            room = most[node]
            while left > 0 and room >= length:  # still the first with room, so it takes the next as well
                placed[at] = node - leaves
                at += 1
                left -= 1
                room -= length
            most[node] = room
            while node > 1:
                node >>= 1
                larger = max(most[2 * node], most[2 * node + 1])
                if most[node] == larger:
                    break
                most[node] = larger
