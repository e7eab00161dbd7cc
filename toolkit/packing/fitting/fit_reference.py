"""Best-fit decreasing and balanced packing in the obvious way: look at every pack for every document.

The contracts of ``fit`` and ``balanced``: same signatures, same rules, the same numbers, in O(n · packs).
"""

from __future__ import annotations

import numpy as np

from toolkit.packing.fitting.balanced import CLASSES, MORE_PACKS, SHARES
from toolkit.packing.fitting.lengths import checked_lengths


def best_fit_decreasing_reference(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack, int64 [n], by the rules of ``best_fit_decreasing``."""
    lengths = checked_lengths(lengths, capacity)
    pack_of = np.empty(lengths.size, np.int64)
    _best_fit(lengths, capacity, _longest_first(lengths), [], pack_of)
    return pack_of


def balanced_reference(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack, int64 [n], by the rules of ``balanced``."""
    lengths = checked_lengths(lengths, capacity)
    fitted = best_fit_decreasing_reference(lengths, capacity)
    packs = int(fitted.max()) + 1 if fitted.size else 0
    for share in SHARES:
        pack_of = np.empty(lengths.size, np.int64)
        room = [capacity] * packs
        order = _longest_first(lengths)
        rest = _cheapest_first(lengths, capacity, -(-capacity // share), order, room, pack_of)
        if _best_fit(lengths, capacity, rest, room, pack_of) <= packs * (1 + MORE_PACKS):
            return pack_of
    return fitted


def _longest_first(lengths: np.ndarray) -> list[int]:
    return sorted(range(lengths.size), key=lambda i: (-lengths[i], i))


def _best_fit(
    lengths: np.ndarray, capacity: int, order: list[int], room: list[int], pack_of: np.ndarray
) -> int:
    """Place the documents of ``order`` beside those that are there; return the number of packs."""
    came = list(range(-len(room), 0))  # when each pack came to its room
    for step, i in enumerate(order):
        fits = [p for p in range(len(room)) if room[p] >= lengths[i]]
        if not fits:
            room.append(capacity)
            came.append(step)
            fits = [len(room) - 1]
        pack = min(fits, key=lambda p: (room[p], -came[p]))
        room[pack] -= int(lengths[i])
        came[pack] = step
        pack_of[i] = pack
    return len(room)


def _cheapest_first(
    lengths: np.ndarray, capacity: int, shortest: int, order: list[int], room: list[int], pack_of: np.ndarray
) -> list[int]:
    """Place the documents of at least ``shortest``, while they fit somewhere; return the others."""
    unit = capacity * capacity // CLASSES + 1
    cost, came, full = [0] * len(room), [-p for p in range(len(room))], set()
    for step, i in enumerate(order):
        length = int(lengths[i])
        back = sorted((p for p in full if room[p] >= length), key=lambda p: (-room[p], -came[p]))
        for turn, p in enumerate(back):
            came[p] = step + turn / (len(back) + 1)
        full -= set(back)
        fits = [p for p in range(len(room)) if p not in full]
        if length < shortest or not fits:
            return order[step:]
        pack = min(fits, key=lambda p: (cost[p] // unit, -came[p]))
        room[pack] -= length
        cost[pack] += length * length
        came[pack] = step + 1
        pack_of[i] = pack
        if room[pack] < length:
            full.add(pack)
    return []
