"""Which texts may hold an indexed n-gram of words: one pass over raw bytes, and nothing is written.

A plain text (ASCII, and the punctuation of U+00A0-00BF and U+2000-206F) needs no normalised copy:
eight bytes at a time are lowered and cut at the first byte that is no letter or digit, which gives
the same words and hashes as normalising, ``unpunctuate`` and ``word.words``. Any other text whose
NFC is certain is first written out as its bare words, into room that stays in the cache. With the
running sums S_i = S_(i-1) P + s_i of the word hashes s, the n-gram after word j is S_(j+n) - S_j P^n:
one multiplication, whatever n is.

Any n words in a row hold a run of q = n - t + 1 that begins at a multiple of t, so every t-th q-gram
of a text is asked for in a filter of the items' q-grams (64-bit blocks, two bits a gram, Putze et
al. 2007), and only where one is there the n-grams around it in a table. The words decide elsewhere.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.bare import ASCII, BYTE_INDEX, bare_text, lowered
from toolkit.kernels.compile import (
    BYTES,
    I64_POINTER,
    I64S,
    OUT_BYTES,
    OUT_U64S,
    POINTER,
    U32S,
    U64_POINTER,
    U64S,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import load64, load_tail, mix64
from toolkit.kernels.shingle import STEP
from toolkit.kernels.space import is_alphanumeric
from toolkit.kernels.word import BUFFER, SEED, absorb, cut, hash_words

U = np.uint64
NOTHING, PROPOSED, NOT_PLAIN = 0, 1, 2
SPARE = 64  # bytes that may be loaded beyond a text
_LETTER = np.array([chr(b).isalnum() and b < 128 for b in range(256)], np.uint8)


@kernel(types.int64(POINTER, POINTER, types.int64, types.int64))
def gap_end(text, letter, i, stop):
    """Where the punctuation and space at ``i`` end; -1 at a character that is not plain."""
    while i < stop and letter[text[i]] == 0:
        byte = text[i]
        if byte < 0x80:
            i += 1
        elif byte == 0xE2 and i + 3 <= stop:
            if text[i + 1] != 0x80 and (text[i + 1] != 0x81 or text[i + 2] > 0xAF):
                return -1
            i += 3
        elif byte == 0xC2 and i + 2 <= stop and (text[i + 1] >= 0xA0 or text[i + 1] == 0x85):
            i += 2
        else:
            return -1
    return i


@kernel(types.int64(POINTER, types.int64, types.int64, types.uint64))
def letters_before(text, i, stop, marks):
    """Bytes at ``i`` before the first marked one that ends a word, or 8; an inner underscore does not."""
    while marks != U(0):
        low = (marks & (~marks + U(1))) >> U(7)
        at = types.int64((low * BYTE_INDEX) >> U(56))
        p = i + at
        if p + 1 >= stop or text[p] != 0x5F:
            return at
        if not is_alphanumeric(types.int64(text[p - 1])) or not is_alphanumeric(types.int64(text[p + 1])):
            return at
        marks &= marks - U(1)
    return 8


@kernel(types.int64(POINTER, POINTER, types.int64, types.int64, types.int64, OUT_U64S))
def plain_sums(text, letter, i, stop, limit, sums):
    """Write the running sums S_1, S_2 ... of a raw text's words; return their number, -1 if not plain."""
    count, total = 0, U(0)
    while True:
        i = gap_end(text, letter, i, stop)
        if i < 0 or i >= stop:
            return -1 if i < 0 else count
        start, h, size = i, SEED, 8
        while size == 8 and i < stop:
            block, marks = lowered(load64(text, i) if i + 8 <= limit else load_tail(text, i, stop))
            size = 8
            if marks != U(0):
                size = letters_before(text, i, stop, marks)
            size = min(size, stop - i)
            if size == 0:
                break
            if size < 8:
                block &= (U(1) << U(8 * size)) - U(1)
            h = absorb(h, block)
            i += size
        total = total * STEP + mix64(h + U(i - start))
        count += 1
        sums[count] = total


@kernel(
    types.int64(
        POINTER,
        types.int64,
        types.int64,
        types.int64,
        I64_POINTER,
        I64_POINTER,
        U64_POINTER,
        U64_POINTER,
        OUT_U64S,
    )
)
def bare_sums(text, i, stop, limit, starts, stops, hashes, second, sums):
    """``plain_sums`` of a text that is normalised and has no punctuation, in any script.

    The other arrays are room for BUFFER words.
    """
    count, total = 0, U(0)
    while i < stop:
        words, i = cut(text, i, stop, limit, starts, stops, 0, BUFFER)
        hash_words(text, limit, starts, stops, 0, words, hashes, 0, second)
        for j in range(words):
            total = total * STEP + hashes[j]
            count += 1
            sums[count] = total
    return count


@kernel(types.boolean(types.uint64, U64S, types.int64, types.int64))
def in_filter(gram, bits, first, size):
    """Whether a gram may be in the filter ``bits[first:first + size]``."""
    wanted = (U(1) << (gram & U(63))) | (U(1) << ((gram >> U(6)) & U(63)))
    return bits[first + (types.int64(gram >> U(20)) & (size - 1))] & wanted == wanted


@kernel(types.boolean(types.uint64, U64S))
def in_table(gram, table):
    """Whether a gram's hash is in the table; an empty slot is 0."""
    at = types.int64(gram >> U(12)) & (len(table) - 1)
    while table[at] != U(0):
        if table[at] == gram | U(1):
            return True
        at = (at + 1) & (len(table) - 1)
    return False


@kernel(types.void(U64S, OUT_U64S))
def fill_filter(grams, bits):
    """Add grams to a filter whose size is a power of two."""
    for gram in grams:
        wanted = (U(1) << (gram & U(63))) | (U(1) << ((gram >> U(6)) & U(63)))
        bits[types.int64(gram >> U(20)) & (len(bits) - 1)] |= wanted


@kernel(types.void(U64S, OUT_U64S))
def fill_table(grams, table):
    """Add grams to a table whose size is a power of two, above the number of all its grams."""
    for gram in grams:
        at = types.int64(gram >> U(12)) & (len(table) - 1)
        while table[at] != U(0) and table[at] != gram | U(1):
            at = (at + 1) & (len(table) - 1)
        table[at] = gram | U(1)


@kernel(types.boolean(U64S, types.int64, I64S, I64S, U64S, I64S, types.uint64, U64S, U64S))
def proposes(sums, count, lengths, steps, powers, filters, mask, bits, table):
    """Whether an n-gram of a text is indexed.

    Tier i: n is ``lengths[i]``, t ``steps[i]``, or 0 where all of a text of up to n words is one gram.
    Its powers P^q and P^n are ``powers[2 * i]`` and the next, its filter ``bits[filters[i]:filters[i + 1]]``.
    """
    for tier in range(len(lengths)):
        n, step, first = lengths[tier], steps[tier], filters[tier]
        size = filters[tier + 1] - first
        if step == 0:
            gram = sums[count] & mask
            if 0 < count <= n and in_filter(gram, bits, first, size) and in_table(gram, table):
                return True
            continue
        q, q_power, n_power = n - step + 1, powers[2 * tier], powers[2 * tier + 1]
        for j in range(0, count - q + 1, step):
            if in_filter((sums[j + q] - sums[j] * q_power) & mask, bits, first, size):
                for k in range(max(0, j - step + 1), min(j, count - n) + 1):
                    if in_table((sums[k + n] - sums[k] * n_power) & mask, table):
                        return True
    return False


@kernel(
    types.void(
        BYTES,
        I64S,
        types.boolean,
        U32S,
        I64S,
        I64S,
        U64S,
        I64S,
        types.uint64,
        U64S,
        U64S,
        OUT_BYTES,
    )
)
def screen(data, offsets, bare, folds, lengths, steps, powers, filters, mask, bits, table, out):
    """Write NOTHING, PROPOSED or (unless the texts are ``bare``) NOT_PLAIN for each text.

    ``folds`` as in ``dedup.points``; empty if all is ASCII, or bare.
    """
    text, letter, limit, longest = pointer(data), pointer(_LETTER), len(data), 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    sums = np.zeros(longest + 1 if bare else longest // 2 + 2, np.uint64)
    room = np.empty(1 if bare else longest + longest // 2 + 2 * SPARE, np.uint8)
    starts, stops = np.empty(BUFFER, np.int64), np.empty(BUFFER, np.int64)
    hashes, second = np.empty(BUFFER, np.uint64), np.empty(BUFFER, np.uint64)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        if bare:
            count = bare_sums(
                text, start, stop, limit,
                pointer(starts), pointer(stops), pointer(hashes), pointer(second), sums,
            )  # fmt: skip
        else:
            count = plain_sums(text, letter, start, stop, limit, sums)
            if count < 0 and len(folds) > 0:
                size = bare_text(
                    text, start, stop, limit,
                    pointer(ASCII), pointer(folds), pointer(room),
                )  # fmt: skip
                if size >= 0:
                    count = bare_sums(
                        pointer(room), 0, size, len(room),
                        pointer(starts), pointer(stops), pointer(hashes), pointer(second), sums,
                    )  # fmt: skip
        out[row] = NOT_PLAIN if count < 0 else NOTHING
        if count > 0 and proposes(sums, count, lengths, steps, powers, filters, mask, bits, table):
            out[row] = PROPOSED


@kernel(types.int64(BYTES, I64S, types.int64, OUT_U64S))
def sums_of(data, offsets, row, out):
    """``plain_sums`` of one row, for those who want to look: ``out`` uint64, a slot a byte and one more."""
    return plain_sums(pointer(data), pointer(_LETTER), offsets[row], offsets[row + 1], len(data), out)
