"""Words on bytes: where each begins and ends, and its 64-bit hash, eight bytes at a time.

A word is a maximal run of non-space bytes (0x20 is the only space after normalising), except
that each code point of a script written without spaces (``reference.UNSPACED``) is a word of
its own; otherwise a Chinese page would be one word. All such code points have a lead byte of
0xE0 or above, so one comparison of 64 bytes marks every byte that may stop a word: a space, or
a high lead byte that is then decoded. First the places are cut, then all words are hashed: two
loops without a guess about a word's length. Most words are one load.
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
    OUT_U64S,
    POINTER,
    U64_POINTER,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import load64, load_tail, mix64
from toolkit.kernels.vector import HIGH_LEAD, lowest_bit, marks64

U = np.uint64
SEED, STEP = U(reference.WORD_SEED), U(reference.WORD_STEP)
# What the first and the second eight bytes of a word of 0 to 16 bytes keep of a load.
FIRST = np.array([(1 << 8 * min(size, 8)) - 1 for size in range(17)], np.uint64)
SECOND = np.array([(1 << 8 * max(size - 8, 0)) - 1 for size in range(17)], np.uint64)
BLOCK = 64
BUFFER = 640  # words at once: what is known of them stays in the first-level cache
ANY = 1 << 62


@kernel(types.int64(POINTER, types.int64, types.int64), inline=False)
def unspaced_width(data, i, stop):
    """See ``reference.unspaced_width``."""
    lead = types.int64(data[i])
    if lead < 0xE0 or lead > 0xF7 or i + 3 > stop:
        return 0
    one, two = types.int64(data[i + 1]), types.int64(data[i + 2])
    if one & 0xC0 != 0x80 or two & 0xC0 != 0x80:
        return 0
    if lead < 0xF0:
        point = (lead & 0x0F) << 12 | (one & 0x3F) << 6 | two & 0x3F
        if 0x3040 <= point <= 0x9FFF or 0xF900 <= point <= 0xFAFF or 0x0E00 <= point <= 0x0EFF:
            return 3
        return 3 if 0x1000 <= point <= 0x109F or 0x1780 <= point <= 0x17FF else 0
    if i + 4 > stop or types.int64(data[i + 3]) & 0xC0 != 0x80:
        return 0
    plane = (lead & 0x07) << 2 | (one & 0x3F) >> 4
    return 4 if plane == 2 or plane == 3 else 0


@kernel(types.uint64(POINTER, types.int64, types.int64), inline=False)
def last_marks(data, at, limit):
    """``marks64`` for a block that the buffer's end cuts short."""
    marks = U(0)
    for j in range(limit - at):
        if data[at + j] == 0x20 or data[at + j] >= HIGH_LEAD:
            marks |= U(1) << U(j)
    return marks


@kernel(
    types.UniTuple(types.int64, 2)(
        POINTER, types.int64, types.int64, types.int64, I64_POINTER, I64_POINTER, types.int64, types.int64
    )
)
def cut(data, i, stop, limit, starts, stops, count, room):
    """Write the words' places from ``i`` on, after ``count`` others: (their number now, where to go on).

    Goes on to ``stop``, or until ``room`` might not hold the words of one more block. ``limit`` is
    the length of the whole buffer: up to there, 64 bytes may be loaded at once.
    """
    begin, at = i, i
    while at < stop and count + BLOCK + 2 <= room:
        marks = marks64(data, at) if at + BLOCK <= limit else last_marks(data, at, limit)
        if stop - at < BLOCK:
            marks &= (U(1) << U(stop - at)) - U(1)
        while marks != U(0):
            here = at + lowest_bit(marks)
            marks &= marks - U(1)
            space = data[here] == 0x20
            width = 1 if space else unspaced_width(data, here, stop)
            if width == 0:
                continue
            if here > begin:
                starts[count], stops[count] = begin, here
                count += 1
            begin = here + width
            if not space:
                starts[count], stops[count] = here, begin
                count += 1
        at += BLOCK
    if at < stop:
        return count, begin
    if begin < stop:
        starts[count], stops[count] = begin, stop
        count += 1
    return count, stop


@kernel(types.uint64(types.uint64, types.uint64))
def absorb(h, block):
    """One step of a word's hash: take in eight bytes."""
    h = (h ^ block) * STEP
    return h ^ (h >> U(32))


@kernel(types.uint64(POINTER, types.int64, types.int64), inline=False)
def hash_long(data, start, stop):
    """See ``reference.hash_word``: any word, one block after another, nothing loaded beyond it."""
    h, i = SEED, start
    while i < stop:
        h = absorb(h, load64(data, i) if stop - i >= 8 else load_tail(data, i, stop))
        i += 8
    return mix64(h + U(stop - start))


@kernel(
    types.void(
        POINTER,
        types.int64,
        I64_POINTER,
        I64_POINTER,
        types.int64,
        types.int64,
        U64_POINTER,
        types.int64,
        U64_POINTER,
    )
)
def hash_words(data, limit, starts, stops, first, last, hashes, at, second):
    """Write the hashes of words ``first`` to ``last`` into ``hashes`` from ``at`` on; ``second`` is room.

    Loads first, then a loop over registers that takes in two blocks and chooses the right result: a
    processor cannot guess which words are longer than eight bytes. Those beyond 16 are done again.
    """
    others = False
    for j in range(first, last):
        start = starts[j]
        size = stops[j] - start
        other = size > 16 or start + 16 > limit
        others |= other
        if not other:
            hashes[at + j - first] = load64(data, start) & FIRST[U(size)]
            second[j - first] = load64(data, start + 8) & SECOND[U(size)]
    for j in range(last - first):
        size = stops[first + j] - starts[first + j]
        one = absorb(SEED, hashes[at + j])
        two = absorb(one, second[j])
        hashes[at + j] = mix64((two if size > 8 else one) + U(size))
    if others:
        for j in range(first, last):
            if stops[j] - starts[j] > 16 or starts[j] + 16 > limit:
                hashes[at + j - first] = hash_long(data, starts[j], stops[j])


@kernel(types.int64(BYTES, I64S, OUT_I64S, OUT_I64S, OUT_U64S, OUT_I64S))
def words(data, offsets, starts, stops, hashes, word_offsets):
    """Write every word's place and hash, text after text; return their number.

    ``starts`` and ``stops`` are int64 positions in ``data``; row r's words are
    ``word_offsets[r]:word_offsets[r + 1]``. The outputs need ``most_words`` slots.
    """
    text, limit, count, second = pointer(data), len(data), 0, np.empty(BUFFER, np.uint64)
    for row in range(len(offsets) - 1):
        word_offsets[row] = count
        i, stop = offsets[row], offsets[row + 1]
        count, _ = cut(text, i, stop, limit, pointer(starts), pointer(stops), count, ANY)
    word_offsets[len(offsets) - 1] = count
    for first in range(0, count, BUFFER):
        last = min(first + BUFFER, count)
        hash_words(
            text, limit, pointer(starts), pointer(stops), first, last, pointer(hashes), first, pointer(second)
        )
    return count


def most_words(offsets: np.ndarray) -> int:
    """Return an upper bound on the words in all rows: a word takes two bytes, but the last of a row."""
    return int(offsets[-1] - offsets[0] + len(offsets) - 1) // 2 + 1


def word_table(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return (starts int64, stops int64, hashes uint64, word_offsets int64[n + 1]) of all words."""
    room = most_words(offsets)
    starts, stops = np.empty(room, np.int64), np.empty(room, np.int64)
    hashes, word_offsets = np.empty(room, np.uint64), np.empty(len(offsets), np.int64)
    count = words(data, offsets, starts, stops, hashes, word_offsets)
    return starts[:count], stops[:count], hashes[:count], word_offsets
