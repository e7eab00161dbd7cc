"""The least that a shingle can cost in scheme affine-1 on this processor.

    ns a shingle = 3 operations * k / lanes / (vector operations a cycle * clock)

A permutation is one multiplication, one addition and one minimum of 32-bit integers. On AVX2 a register
has 8 lanes, and Zen 3 starts 4 such operations a cycle. The clock is measured by a chain of shifts and
exclusive ors (xorshift), each of which takes a cycle and waits for the one before.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit

LANES, SLOTS, CHAIN_CYCLES = 8, 4, 6  # of AVX2 on Zen 3; other processors need other numbers


@njit
def _chain(steps: int, value: np.uint64) -> np.uint64:
    for _ in range(steps):
        value ^= value << np.uint64(13)
        value ^= value >> np.uint64(7)
        value ^= value << np.uint64(17)
    return value


def bound(k: int) -> dict[str, float]:
    """Clock, bound, and what the minima alone take with the hashes at hand, in ns a shingle."""
    clock = _gigahertz()
    operations = 3 * k / LANES
    return {
        "k": k,
        "lanes": LANES,
        "slots": SLOTS,
        "operations": operations,
        "gigahertz": clock,
        "ns_per_shingle": operations / (SLOTS * clock),
        "minima_ns": _minima(k),
    }


def _gigahertz(steps: int = 20_000_000) -> float:
    _chain(1, np.uint64(1))
    best = min(_seconds(lambda: _chain(steps, np.uint64(3))) for _ in range(5))
    return CHAIN_CYCLES * steps / best / 1e9


def _minima(k: int, shingles: int = 1_000_000) -> float:
    from toolkit.dedup import sketch_sets

    hashes = np.random.default_rng(0).integers(0, 2**63, shingles).astype(np.uint64)
    offsets = np.arange(0, shingles + 1, 2_000, dtype=np.int64)
    sketch_sets(hashes[:2_000], offsets[:2], k)
    return min(_seconds(lambda: sketch_sets(hashes, offsets, k)) for _ in range(5)) / shingles * 1e9


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
