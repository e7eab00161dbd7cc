"""Masks are bits in Arrow and bytes in NumPy; between the two, at the speed of memory.

Arrow's own conversions go value by value, ten times slower.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def to_bits(flags: np.ndarray) -> pa.BooleanArray:
    """Pack bool [n] into an Arrow array."""
    packed = pa.py_buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), flags.size, [None, packed])


def to_flags(bits: pa.BooleanArray) -> np.ndarray:
    """Unpack an Arrow array without nulls into bool [n]."""
    if bits.null_count:
        raise ValueError("a mask holds a null")
    if not len(bits):
        return np.zeros(0, np.bool_)
    first, end = bits.offset % 8, bits.offset + len(bits)
    data = np.frombuffer(bits.buffers()[1], np.uint8)[bits.offset // 8 : -(-end // 8)]
    return np.unpackbits(data, count=first + len(bits), bitorder="little")[first:].view(np.bool_)


def to_arrow(values: np.ndarray) -> pa.Array:
    """Make an Arrow array of numbers, where they lie, or of flags."""
    return to_bits(values) if values.dtype == np.bool_ else pa.array(values)
