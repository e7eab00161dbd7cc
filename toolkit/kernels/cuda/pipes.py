"""Whether multiply-adds and minima share a pipe: work for a clock, see ``pipes.cu``.

Whoever has a card times ``run`` for each of ``WHAT`` by events, divides ``operations`` by the seconds, and
compares the third with the first two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WHAT = (("MULTIPLY",), ("MINIMUM",), ("MULTIPLY", "MINIMUM"), ("THREE",))
THREADS, VALUES, CHAINS = 256, 256, 8
_A_VALUE = {"MULTIPLY": CHAINS, "MINIMUM": CHAINS, "THREE": CHAINS / 2}


def operations(what: tuple[str, ...], blocks: int, turns: int) -> int:
    """Return how many multiply-adds and minima (of two operands, or of three) all threads do."""
    return int(sum(_A_VALUE[name] for name in what) * VALUES * turns * blocks * THREADS)


def values() -> np.ndarray:
    """Return what is multiplied and compared: uint32[VALUES], the same each time."""
    return np.random.default_rng(1).integers(0, 1 << 32, VALUES, dtype=np.uint32)


def run(door: Any, what: tuple[str, ...], blocks: int, turns: int) -> Any:
    """Run ``blocks`` blocks of THREADS threads over the values, ``turns`` times: uint32[blocks * THREADS]."""
    out = door.empty(blocks * THREADS, np.uint32)
    args = (door.array(values()), np.int64(turns), out)
    door.launch("pipes.cu", "pipes", blocks, THREADS, args, dict.fromkeys(what, 1))
    return out
