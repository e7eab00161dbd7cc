"""Band keys through a door: the bits of ``toolkit.dedup.band_keys``."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64 = np.int64


def band_keys(door: Any, signatures: Any, bands: int, rows: int) -> Any:
    """Key of each band of ``rows`` slots of each signature uint32 (count, k): uint64 (count, bands)."""
    signatures = door.array(signatures, np.uint32)
    count, k = signatures.shape
    out = door.empty((count, bands), np.uint64)
    if count and bands:
        args = (signatures, I64(count), I64(k), I64(bands), I64(rows), out)
        door.launch("bands.cu", "band_keys", *across(count * bands), args)
    return out
