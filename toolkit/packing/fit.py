"""Best-fit decreasing: put n documents of given lengths into as few packs of C tokens as possible.

Packing is bin packing, NP-hard. Best-fit decreasing takes the longest document first and puts
it where the least room is left over; it opens a pack only if none has room. At worst it uses
11/9 of the fewest packs possible, plus a constant; on real lengths it is within a hundredth of
a percent of the bound ceil(sum / C).

Only C different amounts of room exist, so the packs need no search structure of their own: a stack
of packs for each amount, and a bit that says whether a stack holds anything. Documents of one length
go together: the pack with the least room takes as many as it holds before another is looked for.

Cost: attention is not looked at, only tokens. Packs equal in tokens can differ many-fold in the
sum of squared lengths; ``balanced`` looks at both.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.amounts import add, discard, least, levels_of
from toolkit.packing.lengths import LENGTHS, by_document, checked_lengths, count_lengths, most_packs


def best_fit_decreasing(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1.

    ``lengths``: int [n], tokens, each in 1 .. capacity. Rules that fix the outcome: longer documents
    first, equal lengths by index; the pack with the least room that suffices, and among packs with
    equal room the one that came to it last; packs are numbered in the order they are opened.
    Raises RequestError for a length outside 1 .. capacity.
    Peak memory: 16 bytes a document and 21 bytes a token of capacity, beside the input.
    Method: Johnson 1974, "Fast algorithms for bin packing".
    """
    lengths = checked_lengths(lengths, capacity)
    count = count_lengths(lengths, capacity)
    placed, room_of = np.empty(lengths.size, np.int32), np.zeros(0, np.int64)
    fit_counts(count, capacity, room_of, placed, 0)
    return by_document(lengths, count, placed)


@kernel(
    numba.int64(LENGTHS, numba.int64, LENGTHS, numba.int32[::1], numba.int64),
    inline=False,
)
def fit_counts(count, capacity, room_of, placed, at):
    """Place ``count[L]`` documents of every length L, longest first; return the number of packs.

    ``room_of``: int64, tokens of room in each pack that is open already; further ones are opened as
    needed. ``placed``: int32, receives the pack of each document in order of placing, from ``at`` on.
    """
    starts = levels_of(capacity + 1)
    some = np.zeros(starts[-1], np.uint64)  # amounts of room that a pack has; full packs are forgotten
    top = np.full(capacity + 1, -1, np.int32)
    below = np.empty(room_of.size + most_packs(count, capacity), np.int32)
    packs = room_of.size
    for pack in range(packs):
        room = room_of[pack]
        if room > 0:
            if top[room] < 0:
                add(some, starts, room)
            below[pack] = top[room]
            top[room] = pack
    for length in range(capacity, 0, -1):
        left = count[length]
        while left > 0:
            room = least(some, starts, length)
            if room < 0:
                pack, room = packs, capacity
                packs += 1
            else:
                pack = top[room]
                top[room] = below[pack]
                if top[room] < 0:
                    discard(some, starts, room)
            # what is left over is less than any other room that would do, so it is next again
            while left > 0 and room >= length:
                placed[at] = pack
                at += 1
                left -= 1
                room -= length
            if room > 0:
                if top[room] < 0:
                    add(some, starts, room)
                below[pack] = top[room]
                top[room] = pack
    return packs
