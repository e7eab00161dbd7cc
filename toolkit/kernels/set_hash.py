"""The sum of record ids modulo 2^128, from digests as they lie: see ``storage.digest.IdHash``."""

from __future__ import annotations

import numpy as np

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def leading_u64(digests: np.ndarray) -> np.ndarray:
    """Read the first 16 bytes of each digest, uint8 (m, 32), as (high, low): uint64 (m, 2)."""
    return np.ascontiguousarray(digests[:, :16]).view(">u8").astype(np.uint64)


def add_mod128(pairs: np.ndarray) -> int:
    """Sum (high, low) pairs, uint64 (m, 2), modulo 2^128, exactly; m below 2^32."""
    low, high = pairs & _LOW, pairs >> _HALF
    parts = (high[:, 0], low[:, 0], high[:, 1], low[:, 1])
    total = 0
    for part in parts:
        total = (total << 32) + int(part.sum(dtype=np.uint64))
    return total % (1 << 128)
