"""Shingle identities and sets through a door: the bits of ``toolkit.dedup.shingle_sets``."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across
from toolkit.kernels.cuda.sketch import RUN, WARPS, defines_of, items_of, stretches, windows

I64, U64 = np.int64, np.uint64
PIECES = 1  # nothing stays in registers from piece to piece


def identities(
    door: Any, data: Any, offsets: Any, unit: str, n: int, run: int = RUN, pieces: int = PIECES
) -> tuple[Any, Any]:
    """Every shingle of every text in order, repeats too: (uint64, offsets int64[rows + 1])."""
    data, offsets = items_of(door, data, offsets, unit)
    return of_items(door, data, offsets, unit, n, run, pieces)


def of_items(
    door: Any, items: Any, offsets: Any, unit: str, n: int, run: int = RUN, pieces: int = PIECES
) -> tuple[Any, Any]:
    """``identities`` of items as ``sketch.items_of`` gives them."""
    xp, rows = door.xp, len(offsets) - 1
    lengths = xp.diff(offsets)
    ends = door.full(rows + 1, 0, I64)
    xp.cumsum(xp.maximum(lengths - (n - 1), lengths > 0), out=ends[1:])
    out = door.empty(int(ends[-1]), U64)
    stretch, count = stretches(door, offsets, run, pieces) if rows else (0, 0)
    if count:
        args = (items, offsets, I64(rows), *windows(unit, n), I64(stretch), ends, out)
        defines = defines_of(unit, RUN=run, WARPS=WARPS)
        door.launch("sets.cu", "identities", -(-count // WARPS), 32 * WARPS, args, defines)
    return out, ends


def sort_unique(door: Any, hashes: Any, offsets: Any) -> tuple[Any, Any]:
    """Sort each row's hashes and drop repeats: (hashes, offsets), both new."""
    xp, rows = door.xp, len(offsets) - 1
    row = xp.searchsorted(offsets, xp.arange(len(hashes)), side="right") - 1
    order = xp.lexsort(xp.stack([hashes, row.astype(U64)]))
    hashes, row = hashes[order], row[order]
    first = xp.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (row[1:] != row[:-1])
    return door.array(hashes[first]), door.array(xp.searchsorted(row[first], xp.arange(rows + 1)), I64)


def shingle_sets(door: Any, data: Any, offsets: Any, unit: str, n: int) -> tuple[Any, Any]:
    """Each text's set of shingles: (hashes uint64, ascending in a text, offsets int64[rows + 1])."""
    return sort_unique(door, *identities(door, data, offsets, unit, n))


def pack_rows(door: Any, items: Any, offsets: Any, rows: Any, unit: str) -> tuple[Any, Any]:
    """Copy some rows of items end to end: (items, offsets)."""
    rows = door.array(rows, I64)
    ends = door.full(len(rows) + 1, 0, I64)
    door.xp.cumsum(door.xp.diff(offsets)[rows], out=ends[1:])
    out = door.empty(int(ends[-1]), items.dtype)
    if len(rows):
        args = (items, offsets, rows, I64(len(rows)), ends, out)
        defines = defines_of(unit, RUN=RUN, WARPS=WARPS)
        door.launch("sets.cu", "pack_rows", *across(len(rows), 32), args, defines)
    return out, ends
