"""Texts for the GPU's benchmark and for the tests of its kernels: hostile ones, random ones, and plenty.

All are two buffers, bytes and offsets, as the kernels take them. ``HOSTILE`` holds what breaks kernels;
``mixed`` is a corpus of lengths from none to hundreds of thousands, for races that only many warps show;
``of_length`` and ``one_giant`` are what speed is measured on: letters at random, a space in six.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

Buffers = tuple[np.ndarray, np.ndarray]

HOSTILE = [
    b"",
    b"a",
    b" ",
    b"\x00",
    b"\xff",
    b"",
    b"",
    b"ab",
    b"\x80\xff\xfe \xe0\xb8 \xf0\xa0\x80 \xe4\xb8",
    bytes(range(256)) * 5,
    "中文字 abc中文x あア ไทย \U00020000\U0003ffff\U0001f600豈 don’t".encode(),
    "中éa中ü中 𠀀éa".encode(),
    b"eight888 nine99999 sixteen-sixteen- seventeen-seventeen",
    b"  two  spaces  ",
    b"w " * 700,
    b"",
    b"x" * 3000,
    b"the cat sat on the mat " * 3,
    "中".encode() * 400,
    b"\xff" * 40,
    b"",
]
PIECES = [b" ", b"a", b"word", b"longer-than-eight", b"\xff", b"\x00", b"\xe4\xb8", *map(str.encode, "’中")]
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz      ", np.uint8)


def buffers(texts: list[bytes], before: bytes = b"") -> Buffers:
    """(data, offsets); ``before`` lies in the buffer and belongs to no text."""
    offsets = np.cumsum([len(before)] + [len(t) for t in texts]).astype(np.int64)
    return np.frombuffer(before + b"".join(texts), np.uint8), offsets


def random_texts(seed: int, count: int, most: int = 25) -> list[bytes]:
    """Texts of up to ``most`` hostile pieces each."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, most + 1, count)
    return [b"".join(PIECES[at] for at in rng.integers(0, len(PIECES), size)) for size in sizes]


@lru_cache(2)
def letters(size: int, seed: int = 0) -> np.ndarray:
    """So many bytes of lower case words between spaces, sometimes several; not to be written to."""
    found = _LETTERS[np.random.default_rng(seed).integers(0, len(_LETTERS), size, np.uint8)]
    found.setflags(write=False)
    return found


def mixed(size: int, seed: int = 0, longest: int = 200_000) -> Buffers:
    """Texts of any length, as many of 2 to 20 bytes as of 2,000 to 20,000; a tenth of it is no text."""
    rng = np.random.default_rng(seed)
    mean = longest / np.log(longest)
    draws = np.exp(rng.uniform(0, np.log(longest), int(2 * size / mean) + 64))
    lengths = np.where(rng.random(len(draws)) < 0.05, 0, draws.astype(np.int64))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    ends = ends[ends <= size]
    data = letters(int(ends[-1]), seed).copy()
    strange = rng.random(len(data)) < 0.1
    data[strange] = rng.integers(0, 256, int(strange.sum()), np.uint8)
    return data, ends.astype(np.int64)


def of_length(length: int, size: int, seed: int = 0) -> Buffers:
    """Texts of ``length`` bytes each, about ``size`` bytes in all, one at least."""
    count = max(1, size // length)
    return letters(count * length, seed), np.arange(count + 1, dtype=np.int64) * length


def one_giant(size: int, length: int = 200, seed: int = 0) -> Buffers:
    """One text of half of all bytes amid others of ``length`` bytes."""
    count = max(2, size // 2 // length)
    lengths = np.full(count + 1, length, np.int64)
    lengths[count // 2] = count * length
    return letters(int(lengths.sum()), seed), np.concatenate([[0], np.cumsum(lengths)])


def as_text(data: np.ndarray, offsets: np.ndarray) -> pa.LargeStringArray:
    """The same as an Arrow column, without a copy; the bytes must be UTF-8, and offsets begin at 0."""
    held = [pa.py_buffer(np.ascontiguousarray(values)) for values in (offsets, data)]
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, *held)
