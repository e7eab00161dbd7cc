"""Shingles: the 64-bit identity of every run of n words, or n bytes.

    H(s_1..s_n) = mix64( sum over j of  s_j * P^(n-j)  mod 2^64 ),      P odd

Order matters, and sliding by one is a multiplication and two additions whatever n is (Rabin
1981, Karp and Rabin 1987). s_j is a mixed word hash, or a byte plus one, unsigned: a byte read
as signed would make one curly apostrophe change every later shingle. A text shorter than n is
one shingle; an empty one has none. Repeats stay: a set is made by ``sort_unique``.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels import reference
from toolkit.kernels.compile import (
    BYTES,
    I64_POINTER,
    I64S,
    OUT_I64S,
    OUT_U32S,
    OUT_U64S,
    POINTER,
    U32_POINTER,
    U64_POINTER,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import mix64
from toolkit.kernels.word import BUFFER, cut, hash_words

U = np.uint64
STEP = U(reference.SHINGLE_STEP)
STEP_2 = U(reference.SHINGLE_STEP**2 & reference.M64)
SWOLLEN = 48  # hashes in a bucket from which on it is worth sorting by itself
SPARE = 16  # and what a loop over whole registers may read or write beyond them


@kernel(types.uint64(types.int64))
def power(n):
    """P^n mod 2^64: what the item that leaves an n-item window has been multiplied by."""
    p = U(1)
    for _ in range(n):
        p *= STEP
    return p


@kernel(types.uint64(U64_POINTER, types.int64, types.uint64))
def roll(raw, count, h):
    """Turn each change t of ``raw`` into the polynomial after it, h = h P + t; return the last.

    Two steps at once, h P^2 + (t P + u): the chain waits for one multiplication in two shingles.
    """
    for j in range(0, count - 1, 2):
        t = raw[j]
        raw[j] = h * STEP + t
        h = h * STEP_2 + (t * STEP + raw[j + 1])
        raw[j + 1] = h
    if count & 1:
        h = h * STEP + raw[count - 1]
        raw[count - 1] = h
    return h


@kernel(
    types.Tuple((types.int64, types.int64, types.uint64))(
        POINTER,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.uint64,
        types.uint64,
        I64_POINTER,
        I64_POINTER,
        U64_POINTER,
        U64_POINTER,
    )
)
def word_polynomials(data, i, stop, limit, n, leaving, h, starts, stops, hashes, raw):
    """The next words' polynomials into ``raw``, one a word: (where to go on, their number, the last one).

    Of a text's first n - 1 the window is not full. ``hashes`` holds the n words before and room for
    BUFFER more: n zeros where a text begins, for then nothing leaves the window.
    """
    count, i = cut(data, i, stop, limit, starts, stops, 0, BUFFER)
    hash_words(data, limit, starts, stops, 0, count, hashes, n, raw)
    for j in range(count):
        raw[j] = hashes[n + j] - hashes[j] * leaving
    h = roll(raw, count, h)
    for j in range(n):
        hashes[j] = hashes[count + j]
    return i, count, h


@kernel(
    types.Tuple((types.int64, types.int64, types.uint64))(
        POINTER, types.int64, types.int64, types.int64, types.int64, types.uint64, types.uint64, U64_POINTER
    )
)
def byte_polynomials(data, i, start, stop, n, leaving, h, raw):
    """The next bytes' polynomials into ``raw``, as ``word_polynomials`` does; the text began at ``start``."""
    count = min(stop - i, BUFFER)
    entering = min(count, max(0, start + n - i))
    for j in range(entering):
        raw[j] = U(data[i + j]) + U(1)
    for j in range(entering, count):
        raw[j] = (U(data[i + j]) + U(1)) - (U(data[i + j - n]) + U(1)) * leaving
    return i + count, count, roll(raw, count, h)


@kernel(types.int64(BYTES, I64S, types.int64, OUT_U64S, OUT_I64S))
def word_shingles(data, offsets, n, out, out_offsets):
    """Write the word shingles of each text; return their number. ``out`` needs ``most_words`` slots."""
    text, limit, leaving, total = pointer(data), len(data), power(n), 0
    starts, stops = np.empty(BUFFER, np.int64), np.empty(BUFFER, np.int64)
    hashes, raw = np.zeros(n + BUFFER, np.uint64), np.zeros(BUFFER, np.uint64)
    for row in range(len(offsets) - 1):
        out_offsets[row] = total
        i, stop = offsets[row], offsets[row + 1]
        h, seen = U(0), 0
        hashes[:n] = U(0)
        while i < stop:
            i, count, h = word_polynomials(
                text, i, stop, limit, n, leaving, h,
                pointer(starts), pointer(stops), pointer(hashes), pointer(raw),
            )  # fmt: skip
            for j in range(max(0, n - 1 - seen), count):
                out[total] = mix64(raw[j])
                total += 1
            seen += count
        if 0 < seen < n:
            out[total] = mix64(h)
            total += 1
    out_offsets[len(offsets) - 1] = total
    return total


@kernel(types.int64(BYTES, I64S, types.int64, OUT_U64S, OUT_I64S))
def byte_shingles(data, offsets, n, out, out_offsets):
    """Write the byte shingles of each text; return their number. ``out`` needs one slot a byte."""
    text, leaving, total = pointer(data), power(n), 0
    raw = np.zeros(BUFFER, np.uint64)
    for row in range(len(offsets) - 1):
        out_offsets[row] = total
        start, stop = offsets[row], offsets[row + 1]
        i, h = start, U(0)
        while i < stop:
            seen = i - start
            i, count, h = byte_polynomials(text, i, start, stop, n, leaving, h, pointer(raw))
            for j in range(max(0, n - 1 - seen), count):
                out[total] = mix64(raw[j])
                total += 1
        if 0 < stop - start < n:
            out[total] = mix64(h)
            total += 1
    out_offsets[len(offsets) - 1] = total
    return total


@kernel(types.int64(U64_POINTER, types.int64, types.int64, types.uint64, U64_POINTER, U32_POINTER))
def deal(hashes, first, size, shift, spare, ends):
    """Deal hashes into ``spare`` by their high bits; ``ends``, zeros at first, gets where each bucket ends.

    Returns the size of the largest bucket.
    """
    for i in range(first, first + size):
        ends[(hashes[i] >> shift) + U(1)] += np.uint32(1)
    largest, before = np.uint32(0), np.uint32(0)
    for bucket in range(1, (1 << types.int64(U(64) - shift)) + 1):
        here = ends[bucket]
        largest = max(largest, here)
        before = np.uint32(before + here)
        ends[bucket] = before
    for i in range(first, first + size):
        bucket = hashes[i] >> shift
        spare[ends[bucket]] = hashes[i]
        ends[bucket] += np.uint32(1)
    return types.int64(largest)


@kernel(types.void(U64_POINTER, types.int64))
def insertion_sort(hashes, size):
    """Sort in place what is nearly sorted."""
    for i in range(1, size):
        x, j = hashes[i], i - 1
        while j >= 0 and hashes[j] > x:
            hashes[j + 1] = hashes[j]
            j -= 1
        hashes[j + 1] = x


@kernel(types.void(OUT_U64S, OUT_U32S, types.int64), inline=False)
def sort_swollen(hashes, ends, buckets):
    """Sort the buckets that repeats have made large."""
    first = 0
    for bucket in range(buckets):
        last = types.int64(ends[bucket])
        if last - first > SWOLLEN:
            hashes[first:last].sort()
        first = last


@kernel(types.int64(OUT_U64S, OUT_I64S))
def sort_unique(hashes, offsets):
    """Sort each row's hashes, drop repeats, close the gaps, all in place; return the number left.

    A row has fewer than 2^32 hashes. They are uniform, so their high bits alone deal a row into
    buckets of one or none, in linear time; what is left is a few neighbours to exchange.
    """
    longest = 1
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    spare, ends = np.empty(longest + 1, np.uint64), np.zeros(4 * longest + 4, np.uint32)
    count, stop, dealt, room = 0, offsets[0], pointer(hashes), pointer(spare)
    for row in range(len(offsets) - 1):
        start, stop = stop, offsets[row + 1]
        offsets[row] = count
        size, bits = stop - start, 1
        while (1 << bits) < 2 * size:
            bits += 1
        ends[: (1 << bits) + 1] = 0
        largest = deal(dealt, start, size, U(64 - bits), pointer(spare), pointer(ends))
        if largest > SWOLLEN:
            sort_swollen(spare, ends, 1 << bits)
        insertion_sort(room, size)
        if size > 0:
            spare[size] = ~spare[size - 1]
        for i in range(size):
            dealt[count] = room[i]
            count += room[i] != room[i + 1]
    offsets[len(offsets) - 1] = count
    return count
