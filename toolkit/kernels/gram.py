"""Which n-grams of a text are indexed, and what they prove: an open-addressing table, then the words.

Only texts that ``screen`` proposes come here. Entries are sorted by hash; a table slot holds the
first entry of its hash. A hit still only proposes: ``confirm`` compares words.
"""

from __future__ import annotations

import numpy as np
from numba import types

from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, OUT_PAIRS, OUT_U64S, POINTER, U64S, kernel, pointer
from toolkit.kernels.shingle import STEP, power

U = np.uint64
GRAMS, SPAN, WHOLE = 0, 1, 2


@kernel(types.void(U64S, I64S, types.int64, OUT_U64S))
def rolling(hashes, word_offsets, n, out):
    """Write the sum over the n-gram from each word on (see ``screen``); 0 where the text ends first."""
    leaving = power(n)
    for row in range(len(word_offsets) - 1):
        h = U(0)
        for w in range(word_offsets[row], word_offsets[row + 1]):
            h = h * STEP + hashes[w]
            out[w] = U(0)
            if w - word_offsets[row] >= n:
                h -= hashes[w - n] * leaving
            if w - word_offsets[row] >= n - 1:
                out[w - n + 1] = h


@kernel(types.void(U64S, I64S, types.int64, OUT_U64S))
def wholes(hashes, word_offsets, most, out):
    """Write the sum over all words of a text at its first word, if it has at most ``most``; else 0."""
    out[:] = U(0)
    for row in range(len(word_offsets) - 1):
        first, last = word_offsets[row], word_offsets[row + 1]
        if first < last <= first + most:
            for w in range(first, last):
                out[first] = out[first] * STEP + hashes[w]


@kernel(types.void(U64S, OUT_I64S))
def insert(entry_hash, slots):
    """Fill the table (its size a power of two, slots -1 at first) from sorted hashes."""
    mask = len(slots) - 1
    for e in range(len(entry_hash)):
        h = entry_hash[e]
        if e > 0 and entry_hash[e - 1] == h:
            continue
        at = types.int64(h & U(mask))
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = e


@kernel(types.int64(U64S, I64S, U64S, OUT_I64S, OUT_I64S))
def scan(grams, slots, entry_hash, words, entries):
    """Write (word, first entry) for each gram whose hash is indexed; return how many."""
    mask, count = len(slots) - 1, 0
    for w in range(len(grams)):
        h = grams[w]
        at = types.int64(h & U(mask))
        while slots[at] >= 0:
            if entry_hash[slots[at]] == h:
                words[count], entries[count] = w, slots[at]
                count += 1
                break
            at = (at + 1) & mask
    return count


@kernel(types.boolean(POINTER, I64S, I64S, types.int64, POINTER, I64S, I64S, types.int64, types.int64))
def same_words(text, starts, stops, w, other, other_starts, other_stops, v, n):
    """Whether n words from word ``w`` of one text equal n words from word ``v`` of another."""
    for k in range(n):
        i, j = starts[w + k], other_starts[v + k]
        length = stops[w + k] - i
        if other_stops[v + k] - j != length:
            return False
        for at in range(length):
            if text[i + at] != other[j + at]:
                return False
    return True


@kernel(types.void(BYTES, I64S, I64S, U64S, I64S, I64S, types.int64, OUT_I64S))
def group(data, starts, stops, entry_hash, entry_item, entry_word, n, same_as):
    """Point each entry, sorted by (hash, item, word), at its item's first entry with the same words."""
    text, first = pointer(data), 0
    for e in range(len(entry_hash)):
        if entry_hash[e] != entry_hash[first] or entry_item[e] != entry_item[first]:
            first = e
        same_as[e] = e
        for f in range(first, e):
            if same_as[f] == f and same_words(
                text, starts, stops, entry_word[e], text, starts, stops, entry_word[f], n
            ):
                same_as[e] = f
                break


@kernel(
    types.int64(
        BYTES, I64S, I64S, I64S, I64S, types.int64, I64S, I64S, types.int64, types.int64,
        BYTES, I64S, I64S, I64S, U64S, I64S, I64S, I64S,
        OUT_I64S, OUT_I64S, OUT_I64S, OUT_I64S, OUT_I64S, OUT_I64S,
        OUT_PAIRS,
    )
)  # fmt: skip
def confirm(
    data, starts, stops, word_offsets, word_row, row_base, hit_word, hit_entry, n, how,
    item_data, item_starts, item_stops, item_words, entry_hash, entry_item, entry_word, entry_of_word,
    seen, met, last, run, best, touched, out,
):  # fmt: skip
    """Turn hits into one row a (text, item): row, item, longest run in words, its first word, words covered.

    ``how``: GRAMS of n words, an item as a SPAN anywhere, or an item that is the WHOLE text.
    ``seen`` marks the entries met in a row (by row number), ``met``, ``last``, ``run`` and ``best``
    (start and length interleaved) hold each item's state in the current row, ``touched`` its items.
    """
    text, other, count, h, grams = pointer(data), pointer(item_data), 0, 0, how == GRAMS
    while h < len(hit_word):
        row, items = word_row[hit_word[h]], 0
        stamp = row + row_base
        while h < len(hit_word) and word_row[hit_word[h]] == row:
            w, e = hit_word[h], hit_entry[h]
            h += 1
            key = entry_hash[e]
            while e < len(entry_hash) and entry_hash[e] == key:
                item, v, at = entry_item[e], entry_word[e], e
                e += 1
                length = n if grams else item_words[item + 1] - item_words[item]
                if w + length > word_offsets[row + 1]:
                    continue
                if how == WHOLE and word_offsets[row + 1] - word_offsets[row] != length:
                    continue
                if not same_words(text, starts, stops, w, other, item_starts, item_stops, v, length):
                    continue
                seen[at] = stamp
                if met[item] != stamp:
                    met[item], best[2 * item + 1] = stamp, 0
                    touched[items] = item
                    items += 1
                    run[item] = w
                elif last[item] != w - 1 or not grams:
                    run[item] = w
                last[item] = w
                if w - run[item] + length > best[2 * item + 1]:
                    best[2 * item], best[2 * item + 1] = run[item], w - run[item] + length
        for t in range(items):
            item = touched[t]
            covered, until = 0, item_words[item]
            for v in range(item_words[item], item_words[item + 1]):
                e = entry_of_word[v]
                if e >= 0 and seen[e] == stamp:
                    until = v + (n if grams else item_words[item + 1] - item_words[item])
                covered += v < until
            out[count, 0], out[count, 1] = stamp, item
            out[count, 2], out[count, 3] = best[2 * item + 1], best[2 * item] - word_offsets[row]
            out[count, 4] = covered
            count += 1
    return count
