"""Best-fit decreasing: put n documents of given lengths into as few packs of C tokens as possible.

Packing is bin packing, NP-hard. Best-fit decreasing takes the longest document first and puts
it where the least room is left over; it opens a pack only if none has room. At worst it uses
11/9 of the fewest packs possible, plus a constant; on real lengths it is within a hundredth of
a percent of the bound ceil(sum / C).

Only C different amounts of room exist, so the packs need no search structure of their own:
a stack of packs for each amount, and a binary tree whose node says whether a stack below it
holds anything. "Least room that is at least L" is then log2 C steps: O(n log C) in all.

Cost: attention is not looked at, only tokens. Packs equal in tokens can differ many-fold in the
sum of squared lengths.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit

from toolkit.errors import RequestError

_LENGTHS = numba.types.Array(numba.int64, 1, "C", readonly=True)


def best_fit_decreasing(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1.

    ``lengths``: int [n], tokens, each in 1 .. capacity. Rules that fix the outcome: longer documents
    first, equal lengths by index; the pack with the least room that suffices, and among packs with
    equal room the one that came to it last; packs are numbered in the order they are opened.
    Raises RequestError for a length outside 1 .. capacity.
    Peak memory: 24 bytes a document and at most 20 bytes a token of capacity, beside the input.
    Method: Johnson 1974, "Fast algorithms for bin packing".
    """
    lengths = checked_lengths(lengths, capacity)
    return _best_fit_decreasing(lengths, capacity)


def checked_lengths(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Return ``lengths`` as int64, or raise RequestError naming the first that cannot be packed."""
    lengths = np.ascontiguousarray(lengths, dtype=np.int64)
    if capacity < 1:
        raise RequestError(f"a pack must hold at least one token; its capacity is {capacity}.")
    bad = np.flatnonzero((lengths < 1) | (lengths > capacity))
    if bad.size:
        raise RequestError(
            f"document {bad[0]} has {lengths[bad[0]]} tokens and {bad.size} of {lengths.size} documents do "
            f"not fit in 1 .. {capacity}. Remove them first: toolkit.packing.too_long finds them."
        )
    return lengths


@njit(numba.int64[:](_LENGTHS, numba.int64), cache=True, nogil=True)
def _longest_first(lengths, capacity):
    """Counting sort: indices by falling length, equal lengths by index."""
    start = np.zeros(capacity + 2, np.int64)
    for length in lengths:
        start[capacity - length + 1] += 1
    for i in range(1, capacity + 2):
        start[i] += start[i - 1]
    order = np.empty(lengths.size, np.int64)
    for i in range(lengths.size):
        slot = capacity - lengths[i]
        order[start[slot]] = i
        start[slot] += 1
    return order


@njit(numba.int64[:](_LENGTHS, numba.int64), cache=True, nogil=True)
def _best_fit_decreasing(lengths, capacity):
    leaves = 1
    while leaves < capacity:
        leaves *= 2
    # leaf r of the tree says whether a pack with room r exists; full packs (room 0) are forgotten
    some = np.zeros(2 * leaves, np.bool_)
    top = np.full(leaves, -1, np.int64)
    below = np.empty(lengths.size, np.int64)
    pack_of = np.empty(lengths.size, np.int64)
    packs = 0
    for i in _longest_first(lengths, capacity):
        length = lengths[i]
        # least room >= length: climb until a right-hand subtree holds something, then go down left
        node = leaves + length
        if length >= leaves:
            node = 1
        elif not some[node]:
            while node > 1 and (node & 1 or not some[node + 1]):
                node >>= 1
            if node > 1:
                node += 1
                while node < leaves:
                    node = 2 * node if some[2 * node] else 2 * node + 1
        if node == 1:
            pack, room = packs, capacity
            packs += 1
        else:
            room = node - leaves
            pack = top[room]
            top[room] = below[pack]
            if top[room] < 0:
                some[node] = False
                while node > 1 and not some[node ^ 1]:
                    node >>= 1
                    some[node] = False
        pack_of[i] = pack
        room -= length
        if room > 0:
            below[pack] = top[room]
            top[room] = pack
            node = leaves + room
            while node >= 1 and not some[node]:
                some[node] = True
                node >>= 1
    return pack_of
