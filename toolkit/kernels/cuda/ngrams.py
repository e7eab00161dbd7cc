"""The look-up of n-grams through a door: the bits of ``kernels.gram``, and of ``screen`` on bare texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across
from toolkit.kernels.cuda.words import word_items

I64, U64 = np.int64, np.uint64


def _over_words(door: Any, kernel: str, hashes: Any, word_offsets: Any, n: int) -> Any:
    hashes, word_offsets = door.array(hashes, U64), door.array(word_offsets, I64)
    out = door.empty(len(hashes), U64)
    if len(hashes):
        args = (hashes, word_offsets, I64(len(word_offsets) - 1), I64(n), out)
        door.launch("ngrams.cu", kernel, *across(len(hashes)), args)
    return out


def rolling(door: Any, hashes: Any, word_offsets: Any, n: int) -> Any:
    """The gram of n words from each word on, uint64; 0 where the text ends first. Offsets begin at 0."""
    return _over_words(door, "rolling", hashes, word_offsets, n)


def wholes(door: Any, hashes: Any, word_offsets: Any, most: int) -> Any:
    """The sum over all words of a text at its first word, if it has at most ``most``; else 0."""
    return _over_words(door, "wholes", hashes, word_offsets, most)


def scan(door: Any, grams: Any, slots: Any, entry_hash: Any) -> tuple[Any, Any]:
    """(word, first entry), int64 each, of every gram whose hash is indexed, in order; see ``gram.scan``."""
    grams, slots, entry_hash = door.array(grams, U64), door.array(slots, I64), door.array(entry_hash, U64)
    entries = door.full(len(grams), -1, I64)
    if len(grams):
        args = (grams, I64(len(grams)), slots, I64(len(slots)), entry_hash, entries)
        door.launch("ngrams.cu", "scan", *across(len(grams)), args)
    words = door.xp.flatnonzero(entries >= 0)
    return words, entries[words]


def propose(door: Any, data: Any, offsets: Any, screening: tuple) -> Any:
    """Which texts of bare words may hold an indexed n-gram: uint8[rows], as ``screen.screen`` says of them.

    ``screening`` is ``NgramIndex.screening``: lengths, steps, powers, filters, mask, bits, table.
    """
    lengths, steps, _, filters, mask, bits, table = screening
    hashes, word_offsets = word_items(door, data, offsets)
    rows = len(word_offsets) - 1
    flags = door.full(rows, 0, np.uint8)
    if len(hashes):
        tiers = (I64(len(lengths)), *(door.array(values, I64) for values in (lengths, steps, filters)))
        grams = (U64(mask), door.array(bits, U64), door.array(table, U64), I64(len(table)))
        args = (hashes, word_offsets, I64(rows), *tiers, *grams, flags)
        door.launch("ngrams.cu", "propose", *across(len(hashes)), args)
    return flags
