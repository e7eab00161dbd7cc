"""Balanced packing: packs even in attention, the sum of squared lengths, and still full.

Attention costs a pack of documents l_1 .. l_k about l_1^2 + .. + l_k^2. Best-fit decreasing fills its
last packs with short documents only, so of two packs equal in tokens one may cost 40 times the other,
and the ranks of a step wait for the slowest. Here the number of packs is fixed first, at what best-fit
decreasing needs; then the longest document goes to the pack that has cost least so far and has room
(Graham 1969: longest processing time first, with a limit). Documents too short to matter for cost are
put by best fit, which fills the gaps.

Costs are sorted into 4,096 classes, so the cheapest pack is the least class that holds any: the same
stacks and bits as best fit's. A pack without room waits by its room until documents are short enough.
The spread has a bound below that no method gets under: ``least_spread``.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.amounts import add, discard, least, levels_of
from toolkit.packing.fit import fit_counts
from toolkit.packing.lengths import by_document, checked_lengths, count_lengths

MORE_PACKS = 0.001  # than best-fit decreasing, at most
CLASSES = 4096
# Documents of less than C / share are put by best fit. The more of them, the fuller the packs and the
# less even: tried in this order until the packs are few enough.
SHARES = (16, 10, 8, 7, 6, 5, 4, 3, 2)
_I32S = numba.int32[::1]


def balanced(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1, even in the sum of squares.

    ``lengths``: int [n], tokens, each in 1 .. capacity. At most 0.1 % more packs than
    ``best_fit_decreasing``; where that allows no evening out, its very packs. Rules: longer documents
    first, equal lengths by index; documents of at least capacity / share (see ``SHARES``) to the pack
    of the least class of cost that has room, in a class to the one that came to it last (a pack that was
    too full comes back when documents are short enough for it); the others by best fit. Raises
    RequestError for a length outside 1 .. capacity.
    Peak memory: 44 bytes a document at worst and 33 a token of capacity, beside the input.
    """
    lengths = checked_lengths(lengths, capacity)
    count = count_lengths(lengths, capacity)
    fitted = np.empty(lengths.size, np.int32)
    packs = fit_counts(count, capacity, np.zeros(0, np.int64), fitted, 0)
    placed = np.empty(lengths.size, np.int32)
    for share in SHARES:
        shortest = -(-capacity // share)
        if _even_out(count, capacity, packs, shortest, placed) <= packs * (1 + MORE_PACKS):
            return by_document(lengths, count, placed)
    return by_document(lengths, count, fitted)


def _even_out(count: np.ndarray, capacity: int, packs: int, shortest: int, placed: np.ndarray) -> int:
    """Write the pack of each document, in order of placing, into ``placed``; return the number of packs."""
    room_of = np.full(packs, capacity, np.int64)
    left = count.copy()
    at = _cheapest_first(left, capacity, shortest, room_of, placed)
    return fit_counts(left, capacity, room_of, placed, at)


@kernel(numba.void(_I32S, _I32S, numba.int64, numba.int64))
def _push(top, below, stack, pack):
    below[pack] = top[stack]
    top[stack] = pack


@kernel(
    numba.int64(numba.int64[::1], numba.int64, numba.int64, numba.int64[::1], _I32S),
    inline=False,
)
def _cheapest_first(left, capacity, shortest, room_of, placed):
    """Place documents of ``shortest`` and more; return how many. Takes them from ``left``, ``room_of``.

    A pack with room for a document of the present length is in the stack of its class of cost, any other
    in that of its room. Ends early when a document fits nowhere.
    """
    unit = capacity * capacity // CLASSES + 1
    starts = levels_of(CLASSES)
    some = np.zeros(starts[-1], np.uint64)
    by_cost, by_room = np.full(CLASSES, -1, np.int32), np.full(capacity + 1, -1, np.int32)
    below, cost = np.empty(room_of.size, np.int32), np.zeros(room_of.size, np.int64)
    for pack in range(room_of.size - 1, -1, -1):
        _push(by_cost, below, 0, pack)
    if room_of.size:
        add(some, starts, 0)
    at = 0
    for length in range(capacity, shortest - 1, -1):
        while by_room[length] >= 0:  # documents are short enough for these again
            pack = by_room[length]
            by_room[length] = below[pack]
            add(some, starts, cost[pack] // unit)
            _push(by_cost, below, cost[pack] // unit, pack)
        while left[length] > 0:
            cheapest = least(some, starts, 0)
            if cheapest < 0:
                return at
            pack = by_cost[cheapest]
            by_cost[cheapest] = below[pack]
            if by_cost[cheapest] < 0:
                discard(some, starts, cheapest)
            room_of[pack] -= length
            cost[pack] += length * length
            placed[at] = pack
            at += 1
            left[length] -= 1
            if room_of[pack] < length:
                _push(by_room, below, room_of[pack], pack)
            else:
                add(some, starts, cost[pack] // unit)
                _push(by_cost, below, cost[pack] // unit, pack)
    return at
