"""Evaluation items made ready to be looked for, each in the way that its length allows.

    ngram      ngram words or more (13)     all its runs of ngram words
    short      short_ngram or more (8)      all its runs of short_ngram words
    span       short_min or more (5)        all of it, anywhere in a text
    field      1 word or more               all of it, where a text is just that and nothing else

A bare "72" anywhere would match by chance, so an item of fewer than ``short_min`` words counts only
where a whole field or message equals it after normalising. An item without a word is not indexed.

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
from toolkit.kernels import gram, screen, text_buffers, to_text
from toolkit.kernels.shingle import power
from toolkit.kernels.space import unpunctuate
from toolkit.kernels.word import word_table

TIERS = ("ngram", "short", "span", "field")
ALL_BITS = 0xFFFFFFFFFFFFFFFF
_SETTINGS = ("ngram", "short_ngram", "short_min")


def bare_words(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Normalise v1, then punctuation to single spaces: what is indexed and what is scanned."""
    data, offsets = text_buffers(normalise(texts))
    out, out_offsets = np.empty(len(data), np.uint8), np.empty(len(offsets), np.int64)
    size = unpunctuate(data, offsets, out, out_offsets)
    return to_text(out[:size], out_offsets)


@dataclass(frozen=True, eq=False)
class Grams:
    """A tier: entries sorted by (hash, item, word), one a distinct gram of an item, and their table."""

    tier: str
    length: int
    how: int
    hash: np.ndarray
    item: np.ndarray
    word: np.ndarray
    of_word: np.ndarray  # for each word of all items, the entry of the gram that begins there, or -1
    slots: np.ndarray

    def identities(self, words: tuple[np.ndarray, ...], mask: int) -> np.ndarray:
        """uint64 for each word: the hash of the gram that begins there, 0 where none does."""
        out = np.empty(len(words[0]), np.uint64)
        (gram.wholes if self.how == gram.WHOLE else gram.rolling)(words[2], words[3], self.length, out)
        return out if mask == ALL_BITS else out & np.uint64(mask)


@dataclass(frozen=True, eq=False)
class NgramIndex:
    """Evaluation items ready to be looked for. Build it with ``build_index``."""

    items: pa.LargeStringArray
    ngram: int
    short_ngram: int
    short_min: int
    words: tuple[np.ndarray, ...]
    tables: tuple[Grams, ...]
    mask: int
    screening: tuple  # what ``screen.screen`` takes between the texts and its result

    @property
    def not_indexed(self) -> int:
        """Items without a word, which nothing can match."""
        return int((np.diff(self.words[3]) == 0).sum())

    def __repr__(self) -> str:
        grams = sum(len(t.hash) for t in self.tables)
        return f"NgramIndex({len(self.items):,} items, {grams:,} grams, {self.not_indexed:,} not indexed)"

    def to_table(self) -> pa.Table:
        """The bare items and the settings, as a table; ``from_table`` rebuilds the rest."""
        meta = {name: str(getattr(self, name)) for name in _SETTINGS}
        return pa.table({"item": self.items}).replace_schema_metadata(meta)

    @classmethod
    def from_table(cls, table: pa.Table) -> NgramIndex:
        """Rebuild an index from ``to_table``'s result; RequestError when it is none."""
        meta = table.schema.metadata or {}
        lacking = [name for name in _SETTINGS if name.encode() not in meta]
        if lacking or "item" not in table.schema.names:
            lacks = f"its metadata lack {' and '.join(lacking)}" if lacking else "it has no column item"
            raise RequestError(f"this table holds no n-gram index: {lacks}. Make one with to_table().")
        items = table["item"].combine_chunks()
        return build_bare(items, *(int(meta[name.encode()]) for name in _SETTINGS))


def build_index(
    items: pa.Array | pa.ChunkedArray, ngram: int = 13, short_min: int = 5, short_ngram: int | None = None
) -> NgramIndex:
    """Index evaluation items, each in the tier of its length (see the module).

    ``short_ngram`` is 8 if that lies between the two others, else the nearer of them. Raises
    RequestError unless 1 <= short_min <= short_ngram <= ngram <= 4096.
    """
    short = min(max(8, short_min), ngram) if short_ngram is None else short_ngram
    return build_bare(bare_words(items), ngram, short, short_min)


def build_bare(
    items: pa.Array, ngram: int, short_ngram: int, short_min: int, mask: int = ALL_BITS
) -> NgramIndex:
    """``build_index`` of items that are bare words already; ``mask`` keeps some bits of each hash."""
    if not 1 <= short_min <= short_ngram <= ngram <= 4096:
        found = f"short_min {short_min}, short_ngram {short_ngram}, ngram {ngram}"
        raise RequestError(f"expected 1 <= short_min <= short_ngram <= ngram <= 4096, found {found}.")
    data, offsets = text_buffers(items)
    words = word_table(data, offsets)
    lengths = (ngram, short_ngram, short_min, short_min - 1)
    least = (ngram, short_ngram, short_min, 1, 1 << 62)
    tables = []
    for number, tier in enumerate(TIERS):
        how = (gram.GRAMS, gram.GRAMS, gram.SPAN, gram.WHOLE)[number]
        counts = np.diff(words[3])
        chosen = (counts >= least[number]) & (counts < ([1 << 62, *least])[number])
        tables.append(_grams(data, words, tier, lengths[number], how, chosen, mask))
    return NgramIndex(
        items, ngram, short_ngram, short_min, words, tuple(tables), mask, _screening(words, tables, mask)
    )


def _grams(
    data: np.ndarray, words: tuple, tier: str, length: int, how: int, chosen: np.ndarray, mask: int
) -> Grams:
    starts, stops, _, word_offsets = words
    none = np.empty(0, np.int64)
    identity = Grams(tier, length, how, none, none, none, none, none).identities(words, mask)
    item_of_word = np.repeat(np.arange(len(word_offsets) - 1), np.diff(word_offsets))
    compared = length if how == gram.GRAMS else 1  # of a whole item one gram is wanted: its first
    wanted = np.repeat(chosen, np.diff(word_offsets))
    if how != gram.GRAMS:
        wanted[:] = False
        wanted[word_offsets[:-1][chosen]] = True
    at = np.arange(len(starts), dtype=np.int64)
    entry = at[wanted & (at + compared <= word_offsets[1:][item_of_word])]
    entry = entry[np.lexsort((entry, item_of_word[entry], identity[entry]))]
    keys, items = identity[entry], item_of_word[entry]
    same_as = np.empty(len(entry), np.int64)
    gram.group(data, starts, stops, keys, items, entry, compared, same_as)
    kept = same_as == np.arange(len(entry))
    of_word = np.full(len(starts), -1, np.int64)
    of_word[entry] = (np.cumsum(kept) - 1)[same_as]
    keys, items, entry = keys[kept], items[kept], entry[kept]
    slots = np.full(_power_of_two(2 * len(keys)), -1, np.int64)
    gram.insert(keys, slots)
    return Grams(tier, length, how, keys, items, entry, of_word, slots)


def _screening(words: tuple, tables: list[Grams], mask: int) -> tuple:
    """What ``screen.proposes`` takes: filters of 16 bits a gram or more, and a table of 16 bytes or more."""
    used = [table for table in tables if len(table.hash)]
    steps = [0 if table.how == gram.WHOLE else max(1, (table.length - 1) // 2) for table in used]
    filters = [np.zeros(0, np.uint64)]
    hashes = np.zeros(_power_of_two(2 * sum(len(table.hash) for table in used)), np.uint64)
    powers = []
    for table, step in zip(used, steps, strict=True):
        parts = table.hash if step <= 1 else _parts(words, table, step, mask)
        filters.append(np.zeros(_power_of_two(16 * len(parts)) // 64, np.uint64))
        screen.fill_filter(parts, filters[-1])
        screen.fill_table(table.hash, hashes)
        powers += [power(table.length - max(step, 1) + 1), power(table.length)]
    columns = [[table.length for table in used], steps, np.cumsum([len(bits) for bits in filters])]
    lengths, step, ends = (np.array(column, np.int64) for column in columns)
    powers = np.array(powers, np.uint64)
    return lengths, step, powers, ends, np.uint64(mask), np.concatenate(filters), hashes


def _parts(words: tuple, table: Grams, step: int, mask: int) -> np.ndarray:
    """The hashes of the ``step`` shorter grams within each gram of a tier, one a place in the items."""
    wanted, out = np.zeros(len(words[0]), bool), np.empty(len(words[0]), np.uint64)
    for ahead in range(step):
        wanted[table.word + ahead] = True
    gram.rolling(words[2], words[3], table.length - step + 1, out)
    return out[wanted] & np.uint64(mask)


def _power_of_two(least: int) -> int:
    return 1 << max(6, int(least - 1).bit_length())
