"""Signatures of scheme rounds-1, fused with shingling: one hash a shingle and round, not k.

    h = mix64(identity ^ constant_r),   slot = (h mod 2^32) * k div 2^32,   value = h div 2^32
    signature[slot] = least value in the first round r < k that hits the slot; else in round k + slot

Two texts agree in a slot with probability J: the shingle that decides the slot of their union is
any of them alike, and decides both texts' slots if both have it. A text of more than k ln k
shingles mostly needs one round whatever k is; a short one repeats its few hashes until all slots
are hit, about k ln k hashes in all. Rounds later than a slot's first do not change it, so the
order of shingles, their repeats and when one stops do not matter. Method: Dahlgaard, Knudsen,
Thorup 2017, Fast Similarity Sketching.

A slot holds round << 32 | value while at work: one minimum decides both. Identities are kept for
later rounds, once each when they are many, and let go as soon as all slots are hit.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import (
    BYTES,
    I64S,
    OUT_SIGNATURES,
    OUT_U64S,
    U64_POINTER,
    U64S,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import mix64
from toolkit.kernels.shingle import BUFFER, SPARE, byte_polynomials, power, sort_unique, word_polynomials

U = np.uint64
LOW_HALF = U(0xFFFFFFFF)
UNHIT = U(0xFFFFFFFFFFFFFFFF)
ROOM = 1 << 14  # identities kept at first: 128 KiB
PATIENCE = 8  # rounds after which repeats are sought among many identities


@kernel(
    types.void(U64_POINTER, types.int64, types.int64, types.uint64, types.uint64, U64_POINTER, U64_POINTER)
)
def hash_round(ids, first, count, constant, k, slots, values):
    """Write the slot that each of ``ids[first:first + count]`` hits, and its value.

    Whole registers: up to SPARE more may be read and written.
    """
    for j in range((count + SPARE - 1) // SPARE * SPARE):
        h = mix64(ids[first + j] ^ constant)
        slots[j] = ((h & LOW_HALF) * k) >> U(32)
        values[j] = h >> U(32)


@kernel(types.int64(OUT_U64S, types.int64))
def distinct(ids, count):
    """Sort the first ``count`` identities and drop repeats, in place; return the number left."""
    return sort_unique(ids, np.array([0, count]))


@kernel(types.int64(U64S))
def unhit(least):
    """How many slots no shingle has hit yet."""
    missing = 0
    for j in range(len(least)):
        missing += least[j] == UNHIT
    return missing


@kernel(
    types.Tuple((types.Array(types.uint64, 1, "C"), types.int64))(OUT_U64S, types.int64, U64S), inline=False
)
def make_room(ids, kept, least):
    """Identities to go on with and their number; -1 when no later round can need any."""
    if unhit(least) == 0:
        return ids, -1
    kept = distinct(ids, kept)
    if 2 * kept > len(ids):
        wider = np.zeros(2 * len(ids), np.uint64)
        wider[:kept] = ids[:kept]
        return wider, kept
    return ids, kept


@kernel(types.void(OUT_U64S, types.int64, U64S, OUT_U64S, OUT_U64S, OUT_U64S), inline=False)
def later_rounds(ids, count, constants, slots, values, least):
    """Play rounds 1, 2, ... until no slot is missing; then, for each that is, the round that forces it."""
    k, missing, number = len(least), unhit(least), 1
    table, hit, value = pointer(least), pointer(slots), pointer(values)
    while number < k and missing > 0:
        if number == PATIENCE and count > k:
            count = distinct(ids, count)
        mark = U(number) << U(32)
        for first in range(0, count, BUFFER):
            size = min(BUFFER, count - first)
            hash_round(pointer(ids), first, size, constants[number], U(k), hit, value)
            for j in range(size):
                before = table[hit[j]]
                missing -= before == UNHIT
                table[hit[j]] = min(before, mark | value[j])
        number += 1
    for slot in range(k if missing > 0 else 0):
        if least[slot] == UNHIT:
            for j in range(count):
                least[slot] = min(least[slot], mix64(ids[j] ^ constants[k + slot]) >> U(32))


@kernel(
    types.void(
        U64_POINTER,
        types.int64,
        types.int64,
        U64_POINTER,
        types.int64,
        types.uint64,
        types.int64,
        U64_POINTER,
        U64_POINTER,
        U64_POINTER,
    )
)
def first_round(raw, first, count, ids, kept, constant, k, slots, values, least):
    """Mix the polynomials ``raw[first:count]`` into ``ids`` from ``kept`` on, and play round 0 with them."""
    for j in range((count - first + SPARE - 1) // SPARE * SPARE):
        ids[kept + j] = mix64(raw[first + j])
    hash_round(ids, kept, count - first, constant, U(k), slots, values)
    for j in range(count - first):
        least[slots[j]] = min(least[slots[j]], values[j])


@kernel(types.void(BYTES, I64S, types.int64, U64S, OUT_SIGNATURES))
def word_rounds(data, offsets, n, constants, out):
    """Write signatures of each text's word shingles into ``out`` uint32 (n_texts, k).

    ``constants`` uint64[2k] are the rounds'. The row of an empty text is all ones.
    """
    text, limit, leaving = pointer(data), len(data), power(n)
    starts, stops = np.empty(BUFFER, np.int64), np.empty(BUFFER, np.int64)
    hashes, raw = np.zeros(n + BUFFER, np.uint64), np.zeros(BUFFER + SPARE, np.uint64)
    slots, values = np.zeros(BUFFER + SPARE, np.uint64), np.zeros(BUFFER + SPARE, np.uint64)
    least, ids = np.zeros(out.shape[1], np.uint64), np.zeros(ROOM, np.uint64)
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        h, seen, kept, enough = U(0), 0, 0, False
        hashes[:n] = U(0)
        least[:] = UNHIT
        while i < stop:
            i, count, h = word_polynomials(
                text, i, stop, limit, n, leaving, h,
                pointer(starts), pointer(stops), pointer(hashes), pointer(raw),
            )  # fmt: skip
            first = max(0, n - 1 - seen)
            seen += count
            if i == stop and 0 < seen < n:
                raw[0], first, count = h, 0, 1
            if first >= count:
                continue
            if kept + BUFFER + SPARE > len(ids):
                ids, kept = make_room(ids, kept, least)
                enough = kept < 0
                kept = max(kept, 0)
            first_round(
                pointer(raw), first, count, pointer(ids), kept, constants[0], len(least),
                pointer(slots), pointer(values), pointer(least),
            )  # fmt: skip
            kept += 0 if enough else count - first
        if kept > 0:
            later_rounds(ids, kept, constants, slots, values, least)
        for slot in range(len(least)):
            out[row, slot] = np.uint32(least[slot] & LOW_HALF)


@kernel(types.void(BYTES, I64S, types.int64, U64S, OUT_SIGNATURES))
def byte_rounds(data, offsets, n, constants, out):
    """Write signatures of each text's byte shingles into ``out``, as ``word_rounds`` does."""
    text, leaving, raw = pointer(data), power(n), np.zeros(BUFFER + SPARE, np.uint64)
    slots, values = np.zeros(BUFFER + SPARE, np.uint64), np.zeros(BUFFER + SPARE, np.uint64)
    least, ids = np.zeros(out.shape[1], np.uint64), np.zeros(ROOM, np.uint64)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        i, h, kept, enough = start, U(0), 0, False
        least[:] = UNHIT
        while i < stop:
            first = max(0, start + n - 1 - i)
            i, count, h = byte_polynomials(text, i, start, stop, n, leaving, h, pointer(raw))
            if i == stop and stop - start < n:
                raw[0], first, count = h, 0, 1
            if first >= count:
                continue
            if kept + BUFFER + SPARE > len(ids):
                ids, kept = make_room(ids, kept, least)
                enough = kept < 0
                kept = max(kept, 0)
            first_round(
                pointer(raw), first, count, pointer(ids), kept, constants[0], len(least),
                pointer(slots), pointer(values), pointer(least),
            )  # fmt: skip
            kept += 0 if enough else count - first
        if kept > 0:
            later_rounds(ids, kept, constants, slots, values, least)
        for slot in range(len(least)):
            out[row, slot] = np.uint32(least[slot] & LOW_HALF)


@kernel(types.void(U64S, I64S, U64S, OUT_SIGNATURES))
def set_rounds(hashes, offsets, constants, out):
    """Write signatures of sets of mixed identities into ``out``, as ``word_rounds`` does."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    slots, values = np.zeros(BUFFER + SPARE, np.uint64), np.zeros(BUFFER + SPARE, np.uint64)
    least, ids = np.zeros(out.shape[1], np.uint64), np.zeros(longest + SPARE, np.uint64)
    for row in range(len(offsets) - 1):
        count = offsets[row + 1] - offsets[row]
        least[:] = UNHIT
        ids[:count] = hashes[offsets[row] : offsets[row + 1]]
        for first in range(0, count, BUFFER):
            size = min(BUFFER, count - first)
            hash_round(
                pointer(ids), first, size, constants[0], U(len(least)), pointer(slots), pointer(values)
            )
            for j in range(size):
                least[slots[j]] = min(least[slots[j]], values[j])
        if count > 0:
            later_rounds(ids, count, constants, slots, values, least)
        for slot in range(len(least)):
            out[row, slot] = np.uint32(least[slot] & LOW_HALF)
