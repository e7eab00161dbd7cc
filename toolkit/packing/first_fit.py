"""First-fit decreasing: the longest document first, each into the earliest pack that has room for it.

The method that trainers use most. It needs one question answered fast: which is the first pack with
room for L tokens? Packs stand in blocks of 16, one cache line, and a tree over the blocks holds in each
node the most room of any pack below it. The answer is a walk from the root, to the left wherever the
left has enough, and then a look along the block:

    most(node) = max(most(left), most(right))          O(n log n) in all

Documents of one length go together: each pack of the block, in order, takes as many as it has room for,
so most walks place many. Neither this nor best fit is always the better: see ``fewest``.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.lengths import LENGTHS, by_document, checked_lengths, count_lengths, most_packs

_BLOCK = 16  # packs


def first_fit_decreasing(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1, in the order they are opened.

    ``lengths``: int [n], tokens, each in 1 .. capacity. Longer documents first, equal lengths by index;
    the pack opened earliest among those with room. Raises RequestError for a length outside 1 .. capacity.
    Peak memory: 12 bytes a document, 16 a token of capacity, and 5 to 10 for each of 2 · sum / C packs,
    beside the input.
    Method: Johnson 1974, "Fast algorithms for bin packing".
    """
    lengths = checked_lengths(lengths, capacity)
    count = count_lengths(lengths, capacity)
    placed = np.empty(lengths.size, np.int32)
    first_fit_counts(count, capacity, placed)
    return by_document(lengths, count, placed)


@kernel(numba.int64(LENGTHS, numba.int64, numba.int32[::1]), inline=False)
def first_fit_counts(count, capacity, placed):
    """Place ``count[L]`` documents of every length L, longest first; return the number of packs.

    ``placed``: int32, receives the pack of each document in order of placing.
    """
    leaves = 1
    while leaves * _BLOCK < most_packs(count, capacity):
        leaves *= 2
    most = np.full(2 * leaves, capacity, np.int32)  # packs that are not open yet are empty ones
    room_of = np.full(leaves * _BLOCK, capacity, np.int32)
    at, packs = 0, 0
    for length in range(capacity, 0, -1):
        left = count[length]
        while left > 0:
            node = 1
            while node < leaves:
                node *= 2
                if most[node] < length:
                    node += 1
            larger = np.int32(0)
            first = (node - leaves) * _BLOCK
            for pack in range(first, first + _BLOCK):
                room = room_of[pack]
                while left > 0 and room >= length:
                    placed[at] = pack
                    packs = max(packs, pack + 1)
                    at += 1
                    left -= 1
                    room -= length
                room_of[pack] = room
                larger = max(larger, room)
            while most[node] != larger:
                most[node] = larger
                if node == 1:
                    break
                node >>= 1
                larger = max(most[2 * node], most[2 * node + 1])
    return packs
