"""What every way of packing does first and last: check the lengths, count them, hand out the packs.

The decreasing methods look at documents from the longest to the shortest, equal lengths by index.
No sort is needed for that: lengths are whole numbers up to C, so counting them is enough. A kernel
places "the next document of length L" without knowing which it is, and writes its pack down in
that order; one last pass over the documents picks each one's pack up again:

    document i  ->  placed[first[L_i] + number of earlier documents of length L_i]
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.compile import kernel

LENGTHS = numba.types.Array(numba.int64, 1, "C", readonly=True)
MOST_TOKENS = (1 << 31) - 1  # of a pack: the square still fits in 63 bits
MOST_DOCUMENTS = (1 << 31) - 1


def checked_lengths(lengths: np.ndarray, capacity: int, first: int = 0) -> np.ndarray:
    """Return ``lengths`` as int64 [n], or raise RequestError naming the first that cannot be packed.

    ``first``: number of the first document, where these lengths are part of a stream.
    """
    checked_capacity(capacity)
    lengths = whole_numbers(lengths)
    if lengths.size and (lengths.min() < 1 or lengths.max() > capacity):
        bad = np.flatnonzero((lengths < 1) | (lengths > capacity))
        raise RequestError(
            f"document {first + bad[0]} has {lengths[bad[0]]} tokens and {bad.size} of {lengths.size} do not "
            f"fit in 1 .. {capacity}. Remove them first: toolkit.packing.too_long finds them."
        )
    return lengths


def checked_capacity(capacity: int) -> None:
    """Raise RequestError unless a pack can hold ``capacity`` tokens."""
    if capacity < 1:
        raise RequestError(f"a pack must hold at least one token; its capacity is {capacity}.")
    if capacity > MOST_TOKENS:
        raise RequestError(f"a pack holds at most {MOST_TOKENS} tokens; its capacity is {capacity}.")


def whole_numbers(lengths: np.ndarray) -> np.ndarray:
    """Return ``lengths`` as contiguous int64 [n], or raise RequestError where they are something else."""
    given = np.asarray(lengths)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise RequestError(
            f"lengths are one whole number of tokens a document; found {given.dtype} of shape {given.shape}."
        )
    if given.size > MOST_DOCUMENTS:
        raise RequestError(f"at most {MOST_DOCUMENTS} documents are packed at once; found {given.size}.")
    if given.dtype.kind == "u" and given.size and given.max() > MOST_TOKENS:  # would turn negative
        given = np.minimum(given, MOST_TOKENS + 1)
    return np.ascontiguousarray(given, dtype=np.int64)


@kernel(numba.int64[:](LENGTHS, numba.int64), inline=False)
def count_lengths(lengths, capacity):
    """Count the documents of each length: int64 [capacity + 1]."""
    count = np.zeros(capacity + 1, np.int64)
    for length in lengths:
        count[length] += 1
    return count


@kernel(numba.int64[:](LENGTHS, LENGTHS, numba.int32[::1]), inline=False)
def by_document(lengths, count, placed):
    """Pack of each document, int64 [n], from packs in order of placing: longest first, then by index."""
    first = np.empty(count.size, np.int64)
    at = 0
    for length in range(count.size - 1, -1, -1):
        first[length] = at
        at += count[length]
    pack_of = np.empty(lengths.size, np.int64)
    for i in range(lengths.size):
        length = lengths[i]
        pack_of[i] = placed[first[length]]
        first[length] += 1
    return pack_of


@kernel(numba.int64(LENGTHS, numba.int64), inline=False)
def most_packs(count, capacity):
    """Bound the packs that a method needs which opens one only if no other has room.

    Any two of its packs hold more than C together, so there are fewer than 2 · sum / C + 1.
    """
    documents, tokens = 0, 0
    for length in range(count.size):
        documents += count[length]
        tokens += count[length] * length
    return min(documents, 2 * (tokens // capacity) + 2)
