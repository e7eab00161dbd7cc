"""Integer hashing: the finaliser under every identity, the 128-bit hash of a text, a checksum of a file's.

    mix64(x)    x ^= x>>30, x *= A, x ^= x>>27, x *= B, x ^= x>>31        (splitmix64, Steele 2014)
    hash128     two streams of different shape over 8-byte little-endian blocks, then the length
    checksum    four streams over every fourth block, so that four products are under way at once

Not cryptographic: whoever wants two texts to collide can make them. That costs nothing here,
because equal hashes only propose and the bytes decide (``exact.same_text``), and a checksum is
asked only whether a file changed by accident. In return they are integer only, need no object a
row, and run on a GPU as they stand.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels import reference
from toolkit.kernels.compile import BYTES, I64S, OUT_U64_TABLE, POINTER, kernel, pointer

U = np.uint64
MIX_A, MIX_B, GOLDEN = U(reference.MIX_A), U(reference.MIX_B), U(reference.GOLDEN)
SEED_1, SEED_2 = (U(s) for s in reference.EXACT_SEEDS)
STEP_1, STEP_2 = (U(s) for s in reference.EXACT_STEPS)


@kernel(types.uint64(types.uint64))
def mix64(x):
    """See ``reference.mix64``."""
    x = (x ^ (x >> U(30))) * MIX_A
    x = (x ^ (x >> U(27))) * MIX_B
    return x ^ (x >> U(31))


@kernel(types.uint64(POINTER, types.int64))
def load64(data, start):
    """Eight bytes, little-endian; LLVM makes one load of the eight."""
    i = U(start)
    low = U(data[i]) | U(data[i + U(1)]) << U(8) | U(data[i + U(2)]) << U(16) | U(data[i + U(3)]) << U(24)
    i += U(4)
    high = U(data[i]) | U(data[i + U(1)]) << U(8) | U(data[i + U(2)]) << U(16) | U(data[i + U(3)]) << U(24)
    return low | high << U(32)


@kernel(types.uint64(POINTER, types.int64, types.int64), inline=False)
def load_tail(data, start, stop):
    """Up to eight bytes before ``stop``, little-endian, padded with zeros."""
    word = U(0)
    for i in range(min(8, stop - start)):
        word |= U(data[start + i]) << U(8 * i)
    return word


@kernel(types.void(BYTES, I64S, OUT_U64_TABLE))
def hash128(data, offsets, out):
    """Write ``reference.hash128`` into ``out`` uint64 (n, 2)."""
    text = pointer(data)
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        length = U(stop - i)
        one, two = SEED_1, SEED_2
        while i < stop:
            block = load64(text, i) if stop - i >= 8 else load_tail(text, i, stop)
            one = (one ^ block) * STEP_1
            one ^= one >> U(32)
            two = ((two << U(29) | two >> U(35)) + block) * STEP_2
            two ^= two >> U(29)
            i += 8
        out[row, 0] = mix64(one ^ length)
        out[row, 1] = mix64(two + length * GOLDEN)


@kernel(types.uint64(types.uint64, types.uint64))
def _step(state, block):
    state ^= block
    return (state << U(29) | state >> U(35)) * STEP_1


@kernel(types.uint64(BYTES))
def checksum(data):
    """See ``reference.checksum``: 64 bits that any accidental change of ``data`` changes."""
    text, size = pointer(data), len(data)
    a, b, c, d = SEED_1, SEED_2, STEP_1, STEP_2
    at = 0
    while at + 32 <= size:
        a, b = _step(a, load64(text, at)), _step(b, load64(text, at + 8))
        c, d = _step(c, load64(text, at + 16)), _step(d, load64(text, at + 24))
        at += 32
    while at < size:
        rest = load_tail(text, at, size)
        a, b, c, d = b, c, d, _step(a, rest)
        at += 8
    return mix64(mix64(mix64(mix64(a) + b) + c) + d ^ U(size))
