"""Decontaminate: training texts that contain evaluation items, found exactly, with the span.

Hashes propose and the words themselves are compared, so every hit is real and none is missed.
A text is one field of a record: no n-gram runs across two of them. For each (text, item):
``words`` is the longest run of the text of which every n-gram occurs in the item (of a short
item: all of it), the first one on a tie, and ``coverage`` the share of the item's words inside
an n-gram found in the text. How an item is looked for depends on its length: see ``ngrams``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from toolkit import kernels
from toolkit.dedup.ngrams import TIERS, Grams, NgramIndex, bare_words
from toolkit.dedup.points import folds
from toolkit.errors import RequestError
from toolkit.kernels import gram, screen, text_buffers, to_text
from toolkit.kernels.space import gather
from toolkit.kernels.word import word_table

NO_FOLDS = np.empty(0, np.uint32)
CHUNK_BYTES = 1 << 20
FOUND = pa.schema(
    [
        ("row", pa.int64()),
        ("item", pa.int64()),
        ("tier", pa.string()),  # one of TIERS
        ("words", pa.int64()),
        ("start_word", pa.int64()),
        ("coverage", pa.float64()),
        ("span", pa.large_string()),
    ]
)
_ORDER = [("row", "ascending"), ("item", "ascending")]


def find(index: NgramIndex, texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Every (text, item) that shares a gram, best hit each, sorted: a table of schema FOUND.

    ``words`` and ``start_word`` count the text's bare words; ``span`` is that stretch as normalised.
    Needs memory for a few megabytes of text at a time, whatever the number of rows.
    """
    data, offsets = text_buffers(texts)
    memory, screening = _Memory(index), index.screening
    if card := kernels.door(int(offsets[-1] - offsets[0])):
        on_host = partial(_screened, screening)
        flags = kernels.offload.screen(card, data, offsets, screening, screen.NOT_PLAIN, on_host)
        rows = np.flatnonzero(flags == screen.NOT_PLAIN)  # not ASCII: most of these the host can tell
        flags[rows] = _screened(screening, *text_buffers(to_text(data, offsets).take(pa.array(rows))))
    else:
        flags = _screened(screening, data, offsets)
    for rows, bare in _bare_chunks(data, offsets, np.flatnonzero(flags == screen.NOT_PLAIN)):
        again = np.empty(len(rows), np.uint8)
        screen.screen(*text_buffers(bare), True, NO_FOLDS, *index.screening, again)
        memory.confirm(bare.take(pa.array(np.flatnonzero(again))), rows[again > 0])
    for rows, bare in _bare_chunks(data, offsets, np.flatnonzero(flags == screen.PROPOSED)):
        memory.confirm(bare, rows)
    return pa.concat_tables([FOUND.empty_table(), *memory.found]).combine_chunks().sort_by(_ORDER)


def _screened(screening: tuple, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    flags = np.empty(len(offsets) - 1, np.uint8)
    screen.screen(data, offsets, False, _folds(data, offsets), *screening, flags)
    return flags


def _folds(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What the screen must know of code points: nothing where all is ASCII."""
    return NO_FOLDS if int(data[offsets[0] : offsets[-1]].max(initial=0)) < 0x80 else folds()


def find_in_fields(index: NgramIndex, fields: pa.Array | pa.ChunkedArray) -> pa.Table:
    """``find`` in records of several fields each: ``fields`` is a list of text a record, null for none.

    A row of the result is a (record, field, item): ``row`` is the record and ``field`` (int64) the
    number of the text in its list; sorted by row, item, field. Raises RequestError for another type.
    """
    if isinstance(fields, pa.ChunkedArray):
        fields = fields.combine_chunks()
    if not (pa.types.is_list(fields.type) or pa.types.is_large_list(fields.type)):
        raise RequestError(f"fields must be a column of lists of text, but this one is {fields.type}.")
    parents = fields.value_parent_indices() if hasattr(fields, "value_parent_indices") else None
    parents = pa.compute.list_parent_indices(fields) if parents is None else parents
    parents = parents.to_numpy().astype(np.int64)
    starts = np.searchsorted(parents, np.arange(len(fields)))
    found = find(index, fields.flatten())
    at = found["row"].to_numpy()
    table = found.set_column(0, "row", pa.array(parents[at], pa.int64()))
    table = table.add_column(1, "field", pa.array(at - starts[parents[at]], pa.int64()))
    return table.sort_by([*_ORDER, ("field", "ascending")])


def _bare_chunks(
    data: np.ndarray, offsets: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """Some of the rows after others, about CHUNK_BYTES at a time, with their bare words."""
    texts, first = to_text(data, offsets), 0
    ends = np.cumsum(np.diff(offsets)[rows])
    while first < len(rows):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + CHUNK_BYTES, side="right")))
        yield rows[first:last], bare_words(texts.take(pa.array(rows[first:last])))
        first = last


class _Memory:
    """What was found, and what of the index the text at hand has met; made when first needed."""

    def __init__(self, index: NgramIndex) -> None:
        self.index, self.found, self.seen = index, [], 0
        self.state: list[tuple[np.ndarray, ...]] = []

    def confirm(self, bare: pa.Array, rows: np.ndarray) -> None:
        """Compare the words of proposed texts; ``rows`` int64 are their numbers."""
        if not len(rows):
            return
        self.state = self.state or [_state(self.index, table) for table in self.index.tables]
        data, offsets = text_buffers(bare)
        words = word_table(data, offsets)
        for table, state in zip(self.index.tables, self.state, strict=True):
            if len(table.hash):
                found = _compare(self.index, table, state, data, words, self.seen)
                if len(found):
                    self.found.append(_as_table(self.index, table, found, data, words, self.seen, rows))
        self.seen += len(rows)


def _state(index: NgramIndex, table: Grams) -> tuple[np.ndarray, ...]:
    n = len(index.items)
    unmet = np.full(n, -1, np.int64)
    empty = [np.empty(size, np.int64) for size in (n, n, 2 * n, n)]
    return np.full(len(table.hash), -1, np.int64), unmet, *empty


def _compare(index: NgramIndex, table: Grams, state, data, words, first: int) -> np.ndarray:
    """int64 (hits, 5): text (counted from ``first``), item, words, first word, covered words."""
    starts, stops, _, word_offsets = words
    grams = table.identities(words, index.mask)
    hit_word, hit_entry = np.empty(len(grams), np.int64), np.empty(len(grams), np.int64)
    hits = gram.scan(grams, table.slots, table.hash, hit_word, hit_entry)
    hit_word, hit_entry = hit_word[:hits], hit_entry[:hits]
    sharing = np.searchsorted(table.hash, table.hash[hit_entry], side="right") - hit_entry
    word_row = np.repeat(np.arange(len(word_offsets) - 1), np.diff(word_offsets))
    out = np.empty((int(sharing.sum()), 5), np.int64)
    item_starts, item_stops, _, item_words = index.words
    count = gram.confirm(
        data, starts, stops, word_offsets, word_row, first, hit_word, hit_entry, table.length, table.how,
        text_buffers(index.items)[0], item_starts, item_stops, item_words,
        table.hash, table.item, table.word, table.of_word, *state, out,
    )  # fmt: skip
    return out[:count]


def _as_table(index: NgramIndex, table: Grams, found, data, words, first: int, rows) -> pa.Table:
    starts, stops, _, word_offsets = words
    row, item, length, start_word, covered = found.T
    begin = word_offsets[row - first] + start_word
    span_from, span_to = starts[begin], stops[begin + length - 1]
    out = np.empty(int((span_to - span_from).sum()), np.uint8)
    out_offsets = np.empty(len(found) + 1, np.int64)
    gather(data, span_from, span_to, out, out_offsets)
    columns = {
        "row": rows[row - first],
        "item": item,
        "tier": pa.repeat(table.tier, len(found)),
        "words": length,
        "start_word": start_word,
        "coverage": covered / np.diff(index.words[3])[item],
        "span": to_text(out, out_offsets),
    }
    arrays = [v if isinstance(v, pa.Array) else pa.array(np.ascontiguousarray(v)) for v in columns.values()]
    return pa.table(arrays, schema=FOUND)


__all__ = ["FOUND", "TIERS", "find", "find_in_fields"]
