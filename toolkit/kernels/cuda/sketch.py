"""Signatures through a door (``Host`` or ``Cuda``): the bits of ``toolkit.dedup.sketch``.

Work is cut into stretches of text, a warp each. A short stretch keeps all of a card busy to the end; a
long one finds its first row, and gives its minima away, less often.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels import reference
from toolkit.kernels.cuda.words import word_items

I64, U64 = np.int64, np.uint64
RUN, WARPS = 36, 4
MOST_OWN = 8  # permutations of a lane: 24 registers
PIECES = 4  # of a stretch
PERMUTATIONS = lru_cache(maxsize=16)(reference.permutations)
ITEMS = {"byte": "ITEM_BYTES", "word": "ITEM_WORDS", "set": "ITEM_SETS"}


def windows(unit: str, n: int) -> tuple[np.int64, np.uint64, np.uint64]:
    """Return what a kernel is told of its windows: n, P^n, and what the ones of n bytes add up to."""
    ones = sum(pow(reference.SHINGLE_STEP, j, 1 << 64) for j in range(n)) if unit == "byte" else 0
    return I64(n), U64(pow(reference.SHINGLE_STEP, n, 1 << 64)), U64(ones & reference.M64)


def items_of(door: Any, data: Any, offsets: Any, unit: str) -> tuple[Any, Any]:
    """Return what is shingled (bytes, hashes of words, or identities as given) and the rows' offsets."""
    if unit not in ITEMS:
        raise RequestError(f"shingles are of bytes, words or sets, not {unit!r}")
    offsets = door.array(offsets, I64)
    if unit == "word":
        return word_items(door, data, offsets)
    return door.array(data, np.uint8 if unit == "byte" else U64), offsets


def defines_of(unit: str, **more: int) -> dict[str, int]:
    """Return the defines of a kernel that slides over ``unit``."""
    return {ITEMS[unit]: 1, **more}


def stretches(door: Any, offsets: Any, run: int, pieces: int) -> tuple[int, int]:
    """Return (items of a stretch, stretches) for all rows."""
    first, last = (int(v) for v in door.numpy(offsets[[0, -1]]))
    stretch = 32 * run * pieces
    return stretch, -(-(last - first // 4 * 4) // stretch) if last > first else 0


def minhash(
    door: Any, data: Any, offsets: Any, unit: str, n: int, k: int, seed: int = 1,
    run: int = RUN, pieces: int = PIECES,
) -> Any:  # fmt: skip
    """Signatures of scheme affine-1: uint32 (rows, k), an empty text's all ones; see ``minhash.cu``.

    ``unit``: ``byte``, ``word``, or ``set`` for identities uint64 that are sets already (n is then 1).
    """
    data, offsets = items_of(door, data, offsets, unit)
    a, b = (door.array(p) for p in PERMUTATIONS(k, seed))
    rows = len(offsets) - 1
    out = door.full((rows, k), 0xFFFFFFFF, np.uint32)
    stretch, count = stretches(door, offsets, run, pieces) if rows else (0, 0)
    if count:
        rounds = -(-k // (32 * MOST_OWN))
        own = -(-k // (32 * rounds))
        args = (data, offsets, I64(rows), *windows(unit, n), a, b, I64(k), I64(stretch), out)
        defines = defines_of(unit, OWN=own, RUN=run, WARPS=WARPS)
        door.launch("minhash.cu", "minhash", (-(-count // WARPS), rounds), 32 * WARPS, args, defines)
    return out
