"""A set of whole numbers 0 .. n - 1 that answers "which is the least member from a on?" in few steps.

One bit a number, 64 to a word; over them a level whose bit says that a word is not empty, and so on
until one word is left: two levels to 4,096, three to 262,144. A question masks off the bits below a and
counts trailing zeros, going up a level where nothing is left:

    least(a)  =  64 · w + trailing zeros of word w,   w the word of a, or the least later one not empty

Against a tree of one byte a node it reads two words where the tree walks twelve nodes up and twelve down.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.kernels.vector import lowest_bit

_ONE, _ZERO = np.uint64(1), np.uint64(0)
_WORDS = numba.uint64[::1]
_STARTS = numba.int64[::1]


@kernel(_STARTS(numba.int64), inline=False)
def levels_of(size):
    """Return where each level starts for numbers below ``size``, int64 [levels + 1]; the last is the end."""
    starts = np.zeros(12, np.int64)
    level = 0
    while True:
        size = (size + 63) >> 6
        starts[level + 1] = starts[level] + size
        level += 1
        if size == 1:
            return starts[: level + 1].copy()


@kernel(numba.int64(_WORDS, _STARTS, numba.int64))
def least(words, starts, at):
    """Return the least member that is ``at`` or more, or -1; ``at`` lies within the set's range."""
    level = 0
    while level + 1 < starts.size:
        word = words[starts[level] + (at >> 6)] >> np.uint64(at & 63)
        if word != _ZERO:
            at += lowest_bit(word)
            while level > 0:
                level -= 1
                at = (at << 6) + lowest_bit(words[starts[level] + at])
            return at
        at = (at >> 6) + 1
        if at >= starts[level + 1] - starts[level]:
            return -1
        level += 1
    return -1


@kernel(numba.void(_WORDS, _STARTS, numba.int64))
def add(words, starts, at):
    """Put ``at`` into the set."""
    for level in range(starts.size - 1):
        word = starts[level] + (at >> 6)
        before = words[word]
        words[word] = before | (_ONE << np.uint64(at & 63))
        if before != _ZERO:
            return
        at >>= 6


@kernel(numba.void(_WORDS, _STARTS, numba.int64))
def discard(words, starts, at):
    """Take ``at`` out of the set."""
    for level in range(starts.size - 1):
        word = starts[level] + (at >> 6)
        words[word] &= ~(_ONE << np.uint64(at & 63))
        if words[word] != _ZERO:
            return
        at >>= 6
