"""Best-fit decreasing in the obvious way: look at every pack for every document, O(n · packs).

The contract of ``toolkit.packing.fit``: same signature, same rules, the same numbers.
"""

from __future__ import annotations

import numpy as np

from toolkit.packing.lengths import checked_lengths


def best_fit_decreasing_reference(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Give each document a pack, int64 [n], by the rules of ``best_fit_decreasing``."""
    lengths = checked_lengths(lengths, capacity)
    pack_of = np.empty(lengths.size, np.int64)
    room, touched = [], []  # of each pack: tokens left, and when it last changed
    for step, i in enumerate(sorted(range(lengths.size), key=lambda i: (-lengths[i], i))):
        fits = [p for p in range(len(room)) if room[p] >= lengths[i]]
        if not fits:
            room.append(capacity)
            touched.append(step)
            fits = [len(room) - 1]
        pack = min(fits, key=lambda p: (room[p], -touched[p]))
        room[pack] -= lengths[i]
        touched[pack] = step
        pack_of[i] = pack
    return pack_of
