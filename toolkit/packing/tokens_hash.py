"""One number for a set of documents, the same in any order and any packing.

Equal counts prove little: a packer that loses one batch and repeats another keeps them. So each
document is hashed whole, name, ids and mask, and the hashes are added up:

    h = hash(name);  h <- mix(h + 2 id + mask + g) a token;  H = sum of h  mod 2^64

Addition forgets the order and the packs, and nothing else: a document lost, repeated, changed or
under another's name moves H, except with probability 2^-64. Parts add up to the whole. It finds
accidents, not forgers.

``mix`` is the finaliser of SplitMix64 (Steele, Lea, Flood 2014), ``g`` its golden constant, and the
name is hashed with FNV-1a.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from toolkit.kernels.compile import kernel
from toolkit.packing.read import blocks, documents

_FNV_START, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_U64 = 0xFFFFFFFFFFFFFFFF


def tokens_hash(table: pa.Table) -> int:
    """Hash the documents of a gold or an encoded table: an integer below 2^64, 0 for none.

    Equal for an encoded table and for the gold made of it; sums over parts, modulo 2^64.
    """
    total = 0
    for block in blocks(table):
        names = block.names.cast(pa.large_string())
        _, offsets, text = names.buffers()
        ends = np.frombuffer(offsets, np.int64)[names.offset : names.offset + len(names) + 1]
        data = np.frombuffer(text, np.uint8) if text else np.zeros(0, np.uint8)
        total += int(_hash_documents(data, ends, block.ids, block.mask.view(np.uint8), block.ends))
    return total & _U64


def tokens_hash_reference(table: pa.Table) -> int:
    """Compute ``tokens_hash`` in plain Python, a token at a time."""
    total = 0
    for name, ids, mask in documents(table):
        h = _FNV_START
        for byte in name.encode():
            h = ((h ^ byte) * _FNV_PRIME) & _U64
        for token, trained in zip(ids.tolist(), mask.tolist(), strict=True):
            h = (h + 2 * token + trained + _GOLDEN) & _U64
            h = ((h ^ (h >> 30)) * _MIX_1) & _U64
            h = ((h ^ (h >> 27)) * _MIX_2) & _U64
            h ^= h >> 31
        total += h
    return total & _U64


def _array(dtype: numba.types.Type) -> numba.types.Array:
    return numba.types.Array(dtype, 1, "C", readonly=True)


@kernel(
    numba.uint64(
        _array(numba.uint8),
        _array(numba.int64),
        _array(numba.int32),
        _array(numba.uint8),
        _array(numba.int64),
    ),
    inline=False,
)
def _hash_documents(names, name_ends, ids, mask, ends):
    total = np.uint64(0)
    for i in range(ends.size - 1):
        h = np.uint64(_FNV_START)
        for j in range(name_ends[i], name_ends[i + 1]):
            h = (h ^ np.uint64(names[j])) * np.uint64(_FNV_PRIME)
        for j in range(ends[i], ends[i + 1]):
            h += (np.uint64(ids[j]) << np.uint64(1)) + np.uint64(mask[j]) + np.uint64(_GOLDEN)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(_MIX_1)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(_MIX_2)
            h ^= h >> np.uint64(31)
        total += h
    return total
