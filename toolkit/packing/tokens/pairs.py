"""Neighbouring pairs of a set of words, counted once and then kept up to date merge by merge.

Each distinct word is stored once, with its count as weight. Its symbols are a doubly linked
list, so that a merge unlinks one symbol. Every symbol but a word's last begins one pair, and all
symbols that begin the same pair form a second linked list: a merge visits the places of its pair
and nothing else.

    merge (a, b) -> z   in  x a b y:    (x, a) and (b, y) lose the word's count, (x, z) and (z, y) gain it

New pairs all contain z, so two arrays over the vocabulary, one for each side, find them without a
hash table. Overlapping places (a a a) are merged from the left. Total work: the number of symbols
that merges touch.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import types

from toolkit.kernels import text_buffers
from toolkit.kernels.compile import I64S, kernel


class Pairs:
    """All pairs of neighbours in weighted words; a pair is known by a number."""

    def __init__(self, words: pa.LargeBinaryArray, counts: np.ndarray, byte_ids: np.ndarray, vocab_size: int):
        """Take distinct ``words``, their int64 ``counts``, and the id of each byte (int32 [256])."""
        data, offsets = text_buffers(words.view(pa.large_string()))
        lengths = np.diff(offsets)
        self.symbol = byte_ids[data[offsets[0] : offsets[-1]]]
        n = self.symbol.size
        self.weight = np.repeat(counts, lengths)
        self.left, self.right = np.arange(-1, n - 1, dtype=np.int32), np.arange(1, n + 1, dtype=np.int32)
        filled = lengths > 0
        starts = (offsets[:-1] - offsets[0])[filled]
        self.left[starts] = -1
        self.right[(starts + lengths[filled]) - 1] = -1
        self.pair = np.full(n, -1, np.int32)  # number of the pair that begins at a symbol
        self.after, self.before = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        self.by_left, self.by_right = np.full(vocab_size, -1, np.int32), np.full(vocab_size, -1, np.int32)
        self._collect()

    def _collect(self) -> None:
        begins = np.flatnonzero(self.right >= 0)
        key = self.symbol[begins].astype(np.int64) << 32 | self.symbol[self.right[begins]]
        known, number = np.unique(key, return_inverse=True)
        self.used = known.size
        self.first, self.second = (known >> 32).astype(np.int32), (known & 0xFFFFFFFF).astype(np.int32)
        self.head, self.counts = np.full(self.used, -1, np.int32), np.zeros(self.used, np.int64)
        _link(begins, number.astype(np.int64), self._lists())

    def _lists(self) -> tuple[np.ndarray, ...]:
        return self.weight, self.pair, self.after, self.before, self.head, self.counts

    def all(self) -> list[tuple[int, int, int, int]]:
        """Return (count, first, second, number) of every pair."""
        return self._rows(np.arange(self.used))

    def count(self, pair: int) -> int:
        """How often a pair occurs now."""
        return int(self.counts[pair])

    def _rows(self, numbers: np.ndarray) -> list[tuple[int, int, int, int]]:
        columns = (self.counts[numbers], self.first[numbers], self.second[numbers], numbers)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def merge(self, pair: int, id_: int, known: bool) -> list[tuple[int, int, int, int]]:
        """Merge a pair into ``id_``; return the rows, as ``all``, of the pairs that occur more often now.

        ``known``: another pair was merged into the same id before, so pairs with it may exist.
        """
        self._make_room(2 * self.by_left.size)
        old = self.used
        if known:
            _find_sides(id_, self.used, self._sides())
        self.used = _merge(
            pair, id_, self.used, (self.symbol, self.left, self.right), self._sides(), self._lists()
        )
        self.by_left.fill(-1)
        self.by_right.fill(-1)
        if known:
            with_id = (self.first[: self.used] == id_) | (self.second[: self.used] == id_)
            return self._rows(np.flatnonzero(with_id))
        return self._rows(np.arange(old, self.used))

    def _sides(self) -> tuple[np.ndarray, ...]:
        return self.by_left, self.by_right, self.first, self.second

    def _make_room(self, more: int) -> None:
        if self.used + more > self.head.size:
            extra = np.full(max(more, self.used), -1, np.int32)
            self.first, self.second, self.head = (
                np.concatenate([a, extra]) for a in (self.first, self.second, self.head)
            )
            self.counts = np.concatenate([self.counts, np.zeros(extra.size, np.int64)])


_I32S, _I64S = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")
_WORDS = types.UniTuple(_I32S, 3)
_SIDES = types.UniTuple(_I32S, 4)
_LISTS = types.Tuple((_I64S, _I32S, _I32S, _I32S, _I32S, _I64S))


@kernel(types.void(types.int64, types.int64, _LISTS))
def _put(i, number, lists):
    """Let symbol ``i`` begin a pair."""
    weight, pair, after, before, head, counts = lists
    pair[i], before[i], after[i] = number, -1, head[number]
    if head[number] >= 0:
        before[head[number]] = i
    head[number] = i
    counts[number] += weight[i]


@kernel(types.void(types.int64, _LISTS))
def _take(i, lists):
    """Let symbol ``i`` begin no pair."""
    weight, pair, after, before, head, counts = lists
    number = pair[i]
    if before[i] >= 0:
        after[before[i]] = after[i]
    else:
        head[number] = after[i]
    if after[i] >= 0:
        before[after[i]] = before[i]
    counts[number] -= weight[i]
    pair[i] = -1


@kernel(types.void(I64S, I64S, _LISTS), inline=False)
def _link(begins, number, lists):
    for k in range(begins.size):
        _put(begins[k], number[k], lists)


@kernel(types.void(types.int64, types.int64, _SIDES), inline=False)
def _find_sides(id_, used, sides):
    """Fill in the pairs with ``id_`` that exist: by their other symbol, (id_, id_) by its right one."""
    by_left, by_right, first, second = sides
    for number in range(used):
        if first[number] == id_:
            by_right[second[number]] = number
        elif second[number] == id_:
            by_left[first[number]] = number


@kernel(types.int64[:](types.int64, types.boolean, _LISTS), inline=False)
def _places(number, overlap, lists):
    """Where a pair begins; from the left if its places may overlap."""
    _, _, after, _, head, _ = lists
    count, i = 0, head[number]
    while i >= 0:
        count, i = count + 1, after[i]
    places = np.empty(count, np.int64)
    i = head[number]
    for k in range(count):
        places[k], i = i, after[i]
    if overlap:
        places.sort()
    return places


@kernel(types.int64(types.int64, types.int64, types.int64, _WORDS, _SIDES, _LISTS), inline=False)
def _merge(number, id_, used, words, sides, lists):
    """Merge pair ``number`` into ``id_`` wherever it occurs; return how many pairs are known then."""
    symbol, left, right = words
    by_left, by_right, first, second = sides
    pair = lists[1]
    for i in _places(number, first[number] == second[number], lists):
        if pair[i] != number:
            continue  # the symbol was the right half of the place before it
        j, one = right[i], left[i]
        two = right[j]
        _take(i, lists)
        symbol[i], right[i] = id_, two
        if two >= 0:
            _take(j, lists)
            left[two] = i
            other = symbol[two]
            if by_right[other] < 0:
                by_right[other], first[used], second[used] = used, id_, other
                used += 1
            _put(i, by_right[other], lists)
        if one >= 0:
            _take(one, lists)
            other = symbol[one]
            side = by_right if other == id_ else by_left
            if side[other] < 0:
                side[other], first[used], second[used] = used, other, id_
                used += 1
            _put(one, side[other], lists)
    return used
