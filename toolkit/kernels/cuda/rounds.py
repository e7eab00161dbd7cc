"""Signatures of scheme rounds-1 through a door: the bits of ``toolkit.dedup.sketch(..., scheme="rounds-1")``.

Round 0 passes over all texts. The rows that then miss a slot are packed, their identities made, and they
play on; of those with very many identities (a text that repeats itself) the sets, once each, are taken.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from toolkit.kernels import reference
from toolkit.kernels.cuda.sets import of_items, pack_rows, sort_unique
from toolkit.kernels.cuda.sketch import RUN, defines_of, items_of, stretches, windows

I64, U64 = np.int64, np.uint64
WARPS, THREADS = 2, 128
CONSTANTS = lru_cache(maxsize=16)(reference.round_constants)
MOST_SLOTS = 1024  # of a table in shared memory
PIECES = 4
MANY = 1 << 14  # identities of a row from which on repeats are dropped first


def rounds(
    door: Any, data: Any, offsets: Any, unit: str, n: int, k: int, seed: int = 1,
    run: int = RUN, pieces: int = PIECES, most_slots: int = MOST_SLOTS, many: int = MANY,
) -> Any:  # fmt: skip
    """Signatures of scheme rounds-1: uint32 (rows, k), an empty text's all ones; see ``rounds.cu``."""
    items, offsets = items_of(door, data, offsets, unit)
    xp, rows = door.xp, len(offsets) - 1
    constants = door.array(CONSTANTS(k, seed))
    least = door.full((rows, k), reference.M64, U64)
    slots = min(most_slots, -(-k // 32) * 32)
    stretch, count = stretches(door, offsets, run, pieces) if rows else (0, 0)
    if count:
        constant = U64(reference.splitmix64(seed & reference.M64, 0))
        args = (items, offsets, I64(rows), *windows(unit, n), constant, I64(k), I64(stretch), least)
        defines = defines_of(unit, RUN=run, SLOTS=slots, WARPS=WARPS)
        grid = (-(-count // WARPS), -(-k // slots))
        door.launch("rounds.cu", "first_round", grid, 32 * WARPS, args, defines)
        _play_on(door, items, offsets, unit, n, k, constants, least, slots, many)
    return (least & U64(0xFFFFFFFF)).astype(xp.uint32)


def _play_on(door, items, offsets, unit, n, k, constants, least, slots, many) -> None:
    """Rounds 1, 2 ... of the rows that miss a slot."""
    xp = door.xp
    missing = xp.flatnonzero((least == U64(reference.M64)).any(axis=1) & (xp.diff(offsets) > 0))
    lengths = xp.diff(offsets)[missing]
    for rows, repeats in ((missing[lengths < many], True), (missing[lengths >= many], False)):
        if not len(rows):
            continue
        ids, ends = of_items(door, *pack_rows(door, items, offsets, rows, unit), unit, n)
        if not repeats:
            ids, ends = sort_unique(door, ids, ends)
        args = (ids, ends, door.array(rows, I64), constants, I64(k), least)
        grid, defines = (len(rows), -(-k // slots)), defines_of(unit, SLOTS=slots, WARPS=WARPS)
        door.launch("rounds.cu", "later_rounds", grid, THREADS, args, defines)
