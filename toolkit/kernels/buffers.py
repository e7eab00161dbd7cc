"""Text as two buffers: where Arrow keeps it, without a copy.

A string column of n rows is bytes and n + 1 offsets; row i is ``data[offsets[i]:offsets[i+1]]``.
The bytes are never copied for an array; 32-bit offsets are widened to 64 (8 bytes a row).
Offsets of a slice do not start at zero: the kernels do not care.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import RequestError

_WIDTH = {pa.string(): np.int32, pa.large_string(): np.int64}


def _one_array(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        if array.num_chunks == 1:
            return array.chunk(0)
        return pa.concat_arrays([c.cast(pa.large_string()) for c in array.chunks] or [_EMPTY])
    return array


_EMPTY = pa.array([], pa.large_string())


def text_buffers(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """View a string column as ``(data uint8[bytes], offsets int64[n + 1])``, both to be read only.

    Accepts ``string`` and ``large_string``, whole, sliced or chunked (several chunks are joined,
    which copies). A null reads as the empty text. Raises RequestError for any other type.
    """
    if array.type not in _WIDTH:
        raise RequestError(f"text must be a string or large_string column, but this one is {array.type}")
    array = _one_array(array)
    offsets = _offsets(array)
    if array.null_count and np.diff(offsets)[_null_mask(array)].any():
        array = array.fill_null("")  # a null slot may cover bytes, which then belong to no text
        offsets = _offsets(array)
    data = array.buffers()[2]
    if data is None or data.size == 0:
        return np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64)
    return np.frombuffer(data, np.uint8), offsets


def _null_mask(array: pa.Array) -> np.ndarray:
    return pc.is_null(array).to_numpy(zero_copy_only=False)


def _offsets(array: pa.Array) -> np.ndarray:
    buffer = array.buffers()[1]
    if buffer is None or buffer.size == 0:
        return np.zeros(len(array) + 1, np.int64)
    offsets = np.frombuffer(buffer, _WIDTH[array.type])
    return offsets[array.offset : array.offset + len(array) + 1].astype(np.int64, copy=False)


def to_text(data: np.ndarray, offsets: np.ndarray) -> pa.LargeStringArray:
    """Wrap ``data`` uint8 and ``offsets`` int64[n + 1] as Arrow text, without a copy or a check."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
