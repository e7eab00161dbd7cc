"""Exact duplicates: equal after normalising.

Equal texts have equal 128-bit ids; the converse is checked, not assumed: among n texts an
accidental collision has probability about n^2 / 2^129, but texts may be hostile, and removing a
distinct text cannot be undone. So ids group and ``same_text`` decides, byte for byte.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from toolkit.kernels import text_buffers
from toolkit.kernels.hashing import hash128
from toolkit.kernels.space import same_bytes


def exact_ids(normalised: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """128-bit id of each text's bytes: uint64 (n, 2). See ``kernels.hashing``."""
    data, offsets = text_buffers(normalised)
    out = np.empty((len(offsets) - 1, 2), np.uint64)
    hash128(data, offsets, out)
    return out


def same_text(normalised: pa.Array | pa.ChunkedArray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether rows ``left[p]`` and ``right[p]`` (int64) are equal byte for byte: bool[p].

    Raises IndexError for a row that is not there.
    """
    data, offsets = text_buffers(normalised)
    left, right = np.ascontiguousarray(left, np.int64), np.ascontiguousarray(right, np.int64)
    for rows in (left, right):
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(offsets) - 1):
            raise IndexError(f"rows must lie in 0..{len(offsets) - 2}, found {rows.min()}..{rows.max()}")
    out = np.empty(len(left), np.bool_)
    same_bytes(data, offsets, left, right, out)
    return out
