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
from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, OUT_U64S, kernel, pointer
from toolkit.kernels.hashing import mix64
from toolkit.kernels.word import next_word

U = np.uint64
STEP = U(reference.SHINGLE_STEP)


@kernel(types.uint64(types.int64))
def power(n):
    """P^n mod 2^64: what the item that leaves an n-item window has been multiplied by."""
    p = U(1)
    for _ in range(n):
        p *= STEP
    return p


@kernel(types.int64(BYTES, I64S, types.int64, OUT_U64S, OUT_I64S))
def word_shingles(data, offsets, n, out, out_offsets):
    """Write the word shingles of each text; return their number. ``out`` needs ``most_words`` slots."""
    text, limit = pointer(data), len(data)
    window, leaving, count = np.zeros(n, np.uint64), power(n), 0
    for row in range(len(offsets) - 1):
        out_offsets[row] = count
        i, stop = offsets[row], offsets[row + 1]
        h, seen, slot = U(0), 0, 0
        while True:
            start, i, word = next_word(text, i, stop, limit)
            if start == i:
                break
            h = h * STEP + word
            if seen >= n:
                h -= window[slot] * leaving
            window[slot] = word
            slot = slot + 1 if slot + 1 < n else 0
            seen += 1
            if seen >= n:
                out[count] = mix64(h)
                count += 1
        if 0 < seen < n:
            out[count] = mix64(h)
            count += 1
    out_offsets[len(offsets) - 1] = count
    return count


@kernel(types.int64(BYTES, I64S, types.int64, OUT_U64S, OUT_I64S))
def byte_shingles(data, offsets, n, out, out_offsets):
    """Write the byte shingles of each text; return their number. ``out`` needs one slot a byte."""
    leaving, count = power(n), 0
    for row in range(len(offsets) - 1):
        out_offsets[row] = count
        start, stop = offsets[row], offsets[row + 1]
        h = U(0)
        for i in range(start, stop):
            h = h * STEP + (U(data[i]) + U(1))
            if i - start >= n:
                h -= (U(data[i - n]) + U(1)) * leaving
            if i - start >= n - 1:
                out[count] = mix64(h)
                count += 1
        if 0 < stop - start < n:
            out[count] = mix64(h)
            count += 1
    out_offsets[len(offsets) - 1] = count
    return count


@kernel(types.void(OUT_U64S, types.int64, types.int64))
def sort_range(hashes, start, stop):
    """Sort a range in place: by insertion when it is short, else by quicksort."""
    if stop - start > 48:
        hashes[start:stop].sort()
        return
    for i in range(start + 1, stop):
        x, j = hashes[i], i - 1
        while j >= start and hashes[j] > x:
            hashes[j + 1] = hashes[j]
            j -= 1
        hashes[j + 1] = x


@kernel(types.int64(OUT_U64S, OUT_I64S))
def sort_unique(hashes, offsets):
    """Sort each row's hashes, drop repeats, close the gaps, all in place; return the number left.

    The hashes are uniform, so their high bits alone deal a row into buckets of about two, which
    takes linear time; a bucket swollen by repeats is sorted like any array.
    """
    longest = 1
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    spare, ends = np.empty(longest, np.uint64), np.zeros(longest + 1, np.int64)
    count, stop = 0, offsets[0]
    for row in range(len(offsets) - 1):
        start, stop = stop, offsets[row + 1]
        offsets[row] = count
        size, bits = stop - start, 0
        while (2 << bits) < size:
            bits += 1
        shift = U(63 - bits)
        buckets = 1 << bits
        ends[: buckets + 1] = 0
        for i in range(start, stop):
            ends[types.int64(hashes[i] >> U(1) >> shift) + 1] += 1
        for bucket in range(buckets):
            ends[bucket + 1] += ends[bucket]
        for i in range(start, stop):
            bucket = types.int64(hashes[i] >> U(1) >> shift)
            spare[ends[bucket]] = hashes[i]
            ends[bucket] += 1
        first = 0
        for bucket in range(buckets):  # ends[bucket] is now where the bucket ends
            if ends[bucket] - first > 1:
                sort_range(spare, first, ends[bucket])
            first = ends[bucket]
        for i in range(size):
            if i == 0 or spare[i] != hashes[count - 1]:
                hashes[count] = spare[i]
                count += 1
    offsets[len(offsets) - 1] = count
    return count
