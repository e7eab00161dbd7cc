"""Choice by rounds through a door: the bits of ``toolkit.dedup.choose`` and ``components``.

A chain of n documents would take n rounds, so after ``most_rounds`` of them the host's single pass decides:
the same answer, since there is only one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64, U64 = np.int64, np.uint64
MOST_ROUNDS = 64


def choose(
    door: Any, n: int, pairs: Any, shared: Any, union: Any, most_rounds: int = MOST_ROUNDS
) -> tuple[Any, int]:
    """(kept_by int64[n]: -1 or the survivor that removes it; the rounds it took, -1 if the host finished).

    ``pairs`` int64 (p, 2) are (preferred, other), with their exact intersection and union.
    """
    xp = door.xp
    pairs, shared, union = (door.array(values, I64) for values in (pairs, shared, union))
    kept_by = door.full(n, -1, I64)
    if not len(pairs):
        return kept_by, 0
    by_loser = door.array(xp.lexsort(xp.stack([pairs[:, 0], pairs[:, 1]])), I64)
    loser = pairs[by_loser, 1]
    first = xp.ones(len(loser), bool)
    first[1:] = loser[1:] != loser[:-1]
    starts = xp.flatnonzero(first)
    losers = door.array(loser[starts], I64)
    starts = door.array(xp.concatenate([starts, xp.asarray([len(loser)])]), I64)
    state = door.full(n, 1, np.uint8)
    state[losers] = 0
    graph = (pairs, by_loser, losers, starts, I64(len(losers)))
    for number in range(1, most_rounds + 1):
        waiting = door.full(1, 0, U64)
        door.launch("choose.cu", "settle", *across(len(losers), 32), (*graph, state, waiting))
        if int(waiting[0]) == 0:
            found = (shared, union, state, kept_by)
            door.launch("choose.cu", "name_survivors", *across(len(losers), 32), (*graph, *found))
            return kept_by, number
    return _on_the_host(door, n, pairs, by_loser, shared, union), -1


def _on_the_host(door, n, pairs, by_loser, shared, union):
    from toolkit.kernels import graph

    kept_by = np.full(n, -1, I64)
    graph.choose(*(door.numpy(values) for values in (pairs, by_loser, shared, union)), kept_by)
    return door.array(kept_by)


def components(door: Any, n: int, pairs: Any) -> Any:
    """The smallest member of each one's connected component, int64[n]."""
    pairs = door.array(pairs, I64)
    parent, smallest = door.array(door.xp.arange(n), U64), door.empty(n, U64)
    if len(pairs):
        door.launch("choose.cu", "unite", *across(len(pairs)), (pairs, I64(len(pairs)), parent))
    if n:
        door.launch("choose.cu", "flatten", *across(n), (I64(n), parent, smallest))
    return smallest.astype(I64)
