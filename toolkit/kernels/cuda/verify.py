"""Exact overlaps through a door: the bits of ``toolkit.dedup.jaccard`` and ``agreement``."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64 = np.int64


def jaccard(door: Any, hashes: Any, offsets: Any, pairs: Any) -> tuple[Any, Any]:
    """Exact (intersection int64[p], union int64[p]) of pairs int64 (p, 2) of rows; see ``verify.cu``."""
    hashes, offsets, pairs = door.array(hashes, np.uint64), door.array(offsets, I64), door.array(pairs, I64)
    shared, union = door.empty(len(pairs), I64), door.empty(len(pairs), I64)
    if len(pairs):
        args = (hashes, offsets, pairs, I64(len(pairs)), shared, union)
        door.launch("verify.cu", "overlap", *across(len(pairs), 32), args)
    return shared, union


def agreement(door: Any, signatures: Any, pairs: Any) -> Any:
    """Equal slots of each pair's signatures, int64[p]."""
    signatures, pairs = door.array(signatures, np.uint32), door.array(pairs, I64)
    out = door.empty(len(pairs), I64)
    if len(pairs):
        args = (signatures, I64(signatures.shape[1]), pairs, I64(len(pairs)), out)
        door.launch("verify.cu", "agreements", *across(len(pairs), 32), args)
    return out
