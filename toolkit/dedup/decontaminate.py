"""Decontaminate: training texts that contain evaluation items, found exactly, with the span.

An item of at least n words is looked for by all its n-grams of words; one of short_min to n - 1
words as a whole; a shorter one is counted, not indexed (it would match by chance). Hashes
propose and the words themselves are compared, so every hit is real and none is missed. For each
(row, item): ``words`` is the longest run of the row of which every n-gram occurs in the item,
first one on a tie, and ``coverage`` the share of the item's words inside an n-gram found in the row.

Both sides are normalised v1, then punctuation becomes a space: ASCII other than letters and
digits, U+00A0-00BF, 2000-206F, 3000-303F except 3005-3007 (letters and a digit), FF01-FF0F,
FF1A-FF20, FF3B-FF40, FF5B-FF65. An underscore stays between two ASCII letters or digits, so that
an identifier is one word. Method: n-gram overlap (Brown et al. 2020, appendix C; n = 13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolkit.dedup.normalise import normalise
from toolkit.errors import RequestError
from toolkit.kernels import gram, text_buffers, to_text
from toolkit.kernels.space import gather, unpunctuate
from toolkit.kernels.word import word_table

CHUNK_BYTES = 1 << 20  # its words and hashes stay in the cache
ALL_BITS = 0xFFFFFFFFFFFFFFFF
FOUND = pa.schema(
    [
        ("row", pa.int64()),
        ("item", pa.int64()),
        ("words", pa.int64()),
        ("start_word", pa.int64()),
        ("coverage", pa.float64()),
        ("span", pa.large_string()),
    ]
)


def bare_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Normalise v1, then punctuation to single spaces: what is indexed and what is scanned."""
    data, offsets = text_buffers(normalise(texts))
    out, out_offsets = np.empty(len(data), np.uint8), np.empty(len(offsets), np.int64)
    size = unpunctuate(data, offsets, out, out_offsets)
    return to_text(out[:size], out_offsets)


@dataclass(frozen=True, eq=False)
class _Grams:
    """Entries sorted by (hash, item, word), one for each distinct gram of an item, and their table."""

    length: int
    whole: bool
    hash: np.ndarray
    item: np.ndarray
    word: np.ndarray
    of_word: np.ndarray  # for each word of all items, the entry of the gram that begins there, or -1
    bits: np.ndarray
    slots: np.ndarray


@dataclass(frozen=True, eq=False)
class NgramIndex:
    """Evaluation items ready to be looked for. Build it with ``build_index``."""

    items: pa.LargeStringArray
    ngram: int
    short_min: int
    words: tuple[np.ndarray, ...]
    tables: tuple[_Grams, ...]
    mask: int

    @property
    def not_indexed(self) -> int:
        """Items with fewer than ``short_min`` words, which nothing can match."""
        return int((np.diff(self.words[3]) < self.short_min).sum())

    def __repr__(self) -> str:
        grams = sum(len(t.hash) for t in self.tables)
        return f"NgramIndex({len(self.items):,} items, {grams:,} grams, {self.not_indexed:,} not indexed)"

    def to_table(self) -> pa.Table:
        """The bare items and the settings, as a table; ``from_table`` rebuilds the rest."""
        meta = {"ngram": str(self.ngram), "short_min": str(self.short_min)}
        return pa.table({"item": self.items}).replace_schema_metadata(meta)

    @classmethod
    def from_table(cls, table: pa.Table) -> NgramIndex:
        """Rebuild an index from ``to_table``'s result."""
        meta = table.schema.metadata or {}
        if b"ngram" not in meta or b"short_min" not in meta:
            raise RequestError("this table holds no n-gram index: its metadata lack ngram and short_min")
        return _build(table["item"].combine_chunks(), int(meta[b"ngram"]), int(meta[b"short_min"]))


def build_index(items: pa.Array | pa.ChunkedArray, ngram: int = 13, short_min: int = 5) -> NgramIndex:
    """Index evaluation items by their ``ngram``-word grams; see the module for short items.

    Raises RequestError unless 1 <= short_min <= ngram.
    """
    return _build(bare_words(items), ngram, short_min)


def _build(items: pa.Array, ngram: int, short_min: int, mask: int = ALL_BITS) -> NgramIndex:
    if not 1 <= short_min <= ngram <= 4096:
        raise RequestError(f"decontamination needs 1 <= short_min <= ngram <= 4096: {short_min}, {ngram}")
    data, offsets = text_buffers(items)
    words = word_table(data, offsets)
    counts = np.diff(words[3])
    wholly = (counts >= short_min) & (counts < ngram)
    tables = (
        _grams(data, words, ngram, np.repeat(counts >= ngram, counts), False, mask),
        _grams(data, words, short_min, _first_words(words[3], wholly), True, mask),
    )
    return NgramIndex(items, ngram, short_min, words, tables, mask)


def _first_words(word_offsets: np.ndarray, items: np.ndarray) -> np.ndarray:
    wanted = np.zeros(word_offsets[-1], bool)
    wanted[word_offsets[:-1][items]] = True
    return wanted


def _grams(data: np.ndarray, words: tuple, length: int, wanted: np.ndarray, whole: bool, mask: int) -> _Grams:
    starts, stops, _, word_offsets = words
    identity = _identities(words, length, mask)
    item_of_word = np.repeat(np.arange(len(word_offsets) - 1), np.diff(word_offsets))
    at = np.arange(len(starts), dtype=np.int64)
    entry = at[wanted & (at + length <= word_offsets[1:][item_of_word])]
    entry = entry[np.lexsort((entry, item_of_word[entry], identity[entry]))]
    keys, items = identity[entry], item_of_word[entry]
    same_as = np.empty(len(entry), np.int64)
    gram.group(data, starts, stops, keys, items, entry, length, same_as)
    kept = same_as == np.arange(len(entry))
    of_word = np.full(len(starts), -1, np.int64)
    of_word[entry] = (np.cumsum(kept) - 1)[same_as]
    keys, items, entry = keys[kept], items[kept], entry[kept]
    slots = np.full(_power_of_two(2 * len(keys)), -1, np.int64)
    bits = np.zeros(_power_of_two(16 * len(keys)) // 64, np.uint64)
    gram.insert(keys, bits, slots)
    return _Grams(length, whole, keys, items, entry, of_word, bits, slots)


def _power_of_two(least: int) -> int:
    return 1 << max(6, int(least - 1).bit_length())


def _identities(words: tuple, length: int, mask: int) -> np.ndarray:
    out = np.empty(len(words[0]), np.uint64)
    gram.rolling(words[2], words[3], length, out)
    return out if mask == ALL_BITS else out & np.uint64(mask)


def find(index: NgramIndex, texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Every (row, item) that shares a gram, best hit each, sorted: a table of schema FOUND.

    ``words`` and ``start_word`` count the row's bare words; ``span`` is that stretch as normalised.
    Needs memory for a few megabytes of text at a time, whatever the number of rows.
    """
    bare = bare_words(texts)
    state = [_state(index, table) for table in index.tables]
    data, offsets = text_buffers(bare)
    parts = [FOUND.empty_table()]
    for first, last in _chunks(offsets):
        words = word_table(data, offsets[first : last + 1])
        for table, memory in zip(index.tables, state, strict=True):
            parts.append(_find_chunk(index, table, memory, data, words, first))
    return pa.concat_tables(parts).combine_chunks().sort_by([("row", "ascending"), ("item", "ascending")])


def _chunks(offsets: np.ndarray):
    first, n = 0, len(offsets) - 1
    while first < n:
        last = int(np.searchsorted(offsets, offsets[first] + CHUNK_BYTES, side="right")) - 1
        last = min(max(last, first + 1), n)
        yield first, last
        first = last


def _state(index: NgramIndex, table: _Grams) -> tuple[np.ndarray, ...]:
    n = len(index.items)
    unmet = np.full(n, -1, np.int64)
    empty = [np.empty(size, np.int64) for size in (n, n, 2 * n, n)]
    return np.full(len(table.hash), -1, np.int64), unmet, *empty


def _find_chunk(index: NgramIndex, table: _Grams, state, data, words, first: int) -> pa.Table:
    starts, stops, _, word_offsets = words
    grams = _identities(words, table.length, index.mask)
    hit_word, hit_entry = np.empty(len(grams), np.int64), np.empty(len(grams), np.int64)
    hits = gram.scan(grams, table.bits, table.slots, table.hash, hit_word, hit_entry)
    if not hits:
        return FOUND.empty_table()
    hit_word, hit_entry = hit_word[:hits], hit_entry[:hits]
    sharing = np.searchsorted(table.hash, table.hash[hit_entry], side="right") - hit_entry
    word_row = np.repeat(np.arange(len(word_offsets) - 1), np.diff(word_offsets))
    out = np.empty((int(sharing.sum()), 5), np.int64)
    item_starts, item_stops, _, item_words = index.words
    count = gram.confirm(
        data, starts, stops, word_offsets, word_row, first, hit_word, hit_entry, table.length, table.whole,
        text_buffers(index.items)[0], item_starts, item_stops, item_words,
        table.hash, table.item, table.word, table.of_word, *state, out,
    )  # fmt: skip
    return _as_table(out[:count], data, words, first, item_words)


def _as_table(found: np.ndarray, data, words, first: int, item_words: np.ndarray) -> pa.Table:
    starts, stops, _, word_offsets = words
    row, item, length, start_word, covered = found.T
    begin = word_offsets[row - first] + start_word
    span_from, span_to = starts[begin], stops[begin + length - 1]
    out = np.empty(int((span_to - span_from).sum()), np.uint8)
    out_offsets = np.empty(len(found) + 1, np.int64)
    gather(data, span_from, span_to, out, out_offsets)
    coverage = covered / np.diff(item_words)[item]
    columns = [*(np.ascontiguousarray(c) for c in (row, item, length, start_word)), coverage]
    return pa.table([*map(pa.array, columns), to_text(out, out_offsets)], schema=FOUND)
