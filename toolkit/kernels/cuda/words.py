"""Words through a door: their hashes, and where each text's begin; the bits of ``kernels.word``."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.kernels.cuda.grid import across

I64 = np.int64


def word_table(door: Any, data: Any, offsets: Any, places: bool = True) -> tuple[Any, Any, Any, Any]:
    """Return (starts, stops, hashes uint64, word_offsets int64[rows + 1]) of all words; see ``words.cu``.

    Without ``places`` the first two are empty.
    """
    data, offsets = door.array(data, np.uint8), door.array(offsets, I64)
    first, last = (int(v) for v in door.numpy(offsets[[0, -1]]))
    base = first // 32 * 32
    blocks = -(-(last - base) // 32) if last > first else 0
    if not blocks:
        none = door.empty(0, I64)
        return none, none, door.empty(0, np.uint64), door.full(len(offsets), 0, I64)
    marks, counts = door.empty(blocks, np.uint32), door.empty(blocks, I64)
    text = (data, offsets, I64(len(offsets) - 1), I64(base), I64(blocks))
    door.launch("words.cu", "mark_words", *across(blocks), (*text, marks, counts))
    ends = door.xp.cumsum(counts)
    total = int(ends[-1])
    word_offsets = door.empty(len(offsets), I64)
    placed = (offsets, I64(len(offsets)), I64(base), I64(blocks), marks, door.array(ends - counts))
    door.launch("words.cu", "place_rows", *across(len(offsets)), (*placed, I64(total), word_offsets))
    hashes = door.empty(total, np.uint64)
    starts, stops = (door.empty(total if places else 0, I64) for _ in range(2))
    out = (placed[4], placed[5], hashes, starts, stops, I64(places))
    door.launch("words.cu", "hash_words", *across(blocks), (*text, *out))
    return starts, stops, hashes, word_offsets


def word_items(door: Any, data: Any, offsets: Any) -> tuple[Any, Any]:
    """Return (hashes uint64, word_offsets int64[rows + 1]) of all words."""
    return word_table(door, data, offsets, places=False)[2:]
