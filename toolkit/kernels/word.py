"""Words on bytes: where each begins and ends, and its 64-bit hash, eight bytes at a time.

A word is a maximal run of non-space bytes (0x20 is the only space after normalising), except
that each code point of a script written without spaces (``reference.UNSPACED``) is a word of
its own; otherwise a Chinese page would be one word. All such code points have a lead byte of
0xE0 or above, so in one 64-bit register a few bit operations find the first byte that may
stop a word: a space, or a high lead byte that is then decoded. Most words are one load.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels import reference
from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, OUT_U64S, POINTER, kernel, pointer
from toolkit.kernels.hashing import load64, load_tail, mix64

U = np.uint64
SEED, STEP = U(reference.WORD_SEED), U(reference.WORD_STEP)
SPACES, LOW_BITS, HIGH_BITS = U(0x2020202020202020), U(0x0101010101010101), U(0x8080808080808080)
BYTE_INDEX = U(0x0001020304050607)  # (1 << 8k) * this >> 56 is k


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


@kernel(types.UniTuple(types.int64, 2)(POINTER, types.int64, types.int64, types.uint64))
def first_stop(data, i, stop, block):
    """Bytes of ``block`` (at ``i``) before its first space or unspaced code point, and the latter's width.

    8 and 0 when nothing in the block ends the word.
    """
    gaps = block ^ SPACES
    # The lowest zero byte of gaps is exact; what the borrow marks above it is never reached.
    marks = ((gaps - LOW_BITS) & ~gaps | block & (block << U(1)) & (block << U(2))) & HIGH_BITS
    while marks != U(0):
        low = (marks & (~marks + U(1))) >> U(7)
        at = types.int64((low * BYTE_INDEX) >> U(56))
        if i + at >= stop or data[i + at] == 0x20:
            return at, 0
        width = unspaced_width(data, i + at, stop)
        if width > 0:
            return at, width
        marks &= marks - U(1)
    return 8, 0


@kernel(types.Tuple((types.int64, types.int64, types.uint64))(POINTER, types.int64, types.int64, types.int64))
def next_word(data, i, stop, limit):
    """The next word at or after ``i``: (start, end, hash). There is none when start == end.

    ``limit`` is the length of the whole buffer: up to there, eight bytes may be loaded at once.
    """
    while i < stop and data[i] == 0x20:
        i += 1
    start, h, size = i, SEED, 8
    while size == 8 and i < stop:
        safe = i + 8 <= limit
        block = load64(data, i) if safe else load_tail(data, i, stop)
        size, width = first_stop(data, i, stop, block)
        if size == 0:
            if i > start:
                break
            size = width
        size = min(size, stop - i)
        if size < 8:
            block &= (U(1) << U(8 * size)) - U(1)
        h = (h ^ block) * STEP
        h ^= h >> U(32)
        i += size
    return start, i, mix64(h + U(i - start))


@kernel(types.int64(BYTES, I64S, OUT_I64S, OUT_I64S, OUT_U64S, OUT_I64S))
def words(data, offsets, starts, stops, hashes, word_offsets):
    """Write every word's place and hash, text after text; return their number.

    ``starts`` and ``stops`` are int64 positions in ``data``; row r's words are
    ``word_offsets[r]:word_offsets[r + 1]``. The outputs need ``most_words`` slots.
    """
    text, limit, count = pointer(data), len(data), 0
    for row in range(len(offsets) - 1):
        word_offsets[row] = count
        i, stop = offsets[row], offsets[row + 1]
        while True:
            start, i, h = next_word(text, i, stop, limit)
            if start == i:
                break
            starts[count], stops[count], hashes[count] = start, i, h
            count += 1
    word_offsets[len(offsets) - 1] = count
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
