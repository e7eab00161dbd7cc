"""Band keys through a door: the bits of ``toolkit.dedup.band_keys``; and which of them are shared."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64, U64 = np.int64, np.uint64


def band_keys(door: Any, signatures: Any, bands: int, rows: int) -> Any:
    """Key of each band of ``rows`` slots of each signature uint32 (count, k): uint64 (count, bands)."""
    signatures = door.array(signatures, np.uint32)
    count, k = signatures.shape
    out = door.empty((count, bands), np.uint64)
    if count and bands:
        args = (signatures, I64(count), I64(k), I64(bands), I64(rows), out)
        door.launch("bands.cu", "band_keys", *across(count * bands), args)
    return out


def shared_keys(door: Any, keys: Any, docs: Any) -> tuple[Any, Any]:
    """(keys, docs) of the keys uint64 that more than one of the docs int64 has, ascending by key, then doc.

    Sorting is what a band costs: by key alone first, since most keys are nobody else's.
    """
    xp = door.xp
    keys, docs = door.array(keys, U64), door.array(docs, I64)
    order = xp.argsort(keys)
    keys, shared = keys[order], xp.zeros(len(keys), bool)
    same = keys[1:] == keys[:-1]
    shared[1:] = same
    shared[:-1] |= same
    keys, docs = keys[shared], docs[order[shared]]
    order = xp.lexsort(xp.stack([docs.astype(U64), keys]))
    return keys[order], docs[order]
