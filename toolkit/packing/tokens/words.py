r"""Cut text into the words that merges may not cross, by GPT-2's rule, and count them.

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

In words: an English contraction; else letters, or digits, or anything else that is not white
space, each with the one space before it; else white space, without its last character if a word
follows (that one belongs to the word if it is a space). A tokenizer.json says the same with a
ByteLevel pre-tokenizer; it is written out here because no release of the library hands its words
over fast. The classes are those of Python's Unicode tables: a character too new for them is neither
letter nor digit here, which costs a worse merge and never a byte.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import pyarrow as pa
from numba import types

from toolkit.kernels import text_buffers
from toolkit.kernels.alike import alike
from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, POINTER, kernel, pointer

_OTHER, _LETTER, _NUMBER, _SPACE = range(4)
_WHITE = (
    *range(9, 14),
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
)
_PART = 1 << 20  # bytes of text cut at once: 16 times as much is held for the places of words


@cache
def _classes() -> np.ndarray:
    """Class of each code point: uint8 [0x110000]."""
    names = {"L": _LETTER, "N": _NUMBER}
    found = [names.get(unicodedata.category(chr(c))[0], _OTHER) for c in range(0x110000)]
    classes = np.array(found, np.uint8)
    classes[list(_WHITE)] = _SPACE
    return classes


def count_words(texts: Iterable[str]) -> tuple[pa.LargeBinaryArray, np.ndarray]:
    """Count the words of texts: distinct words (UTF-8, in no order that means anything), int64 counts."""
    words, counts = pa.array([], pa.large_binary()), np.zeros(0, np.int64)
    for part in _parts(texts):
        some, times = _count(part)
        words, counts = _add_up(pa.concat_arrays([words, some]), np.concatenate([counts, times]))
    return words, counts


def words_of(text: str) -> list[str]:
    """Cut one text into words."""
    data = np.frombuffer(text.encode(), np.uint8)
    places = _cut(data, np.array([0, data.size]))
    return [bytes(data[a:b]).decode() for a, b in places.tolist()]


def _parts(texts: Iterable[str]) -> Iterator[pa.LargeStringArray]:
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= _PART:
            yield pa.array(part, pa.large_string())
            part, size = [], 0
    yield pa.array(part, pa.large_string())


def _cut(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    out = np.empty((int(offsets[-1] - offsets[0]), 2), np.int64)
    return out[: cut_words(data, offsets, _classes(), out.reshape(-1))]


def _count(texts: pa.LargeStringArray) -> tuple[pa.Array, np.ndarray]:
    data, offsets = text_buffers(texts)
    places = _cut(data, offsets)
    number, first = alike(data, places[:, None, :])
    words = [data[a:b].tobytes() for a, b in places[first].tolist()]
    return pa.array(words, pa.large_binary()), np.bincount(number, minlength=first.size)


def _add_up(words: pa.Array, counts: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    encoded = words.dictionary_encode()
    # bincount's weights are float64: exact below 2^53, and no corpus has as many words
    total = np.bincount(encoded.indices.to_numpy(), weights=counts, minlength=len(encoded.dictionary))
    return encoded.dictionary, total.astype(np.int64)


@kernel(types.UniTuple(types.int64, 2)(POINTER, types.int64))
def code_point(text, i):
    """The code point of valid UTF-8 at ``i``, and its width in bytes."""
    lead = types.int64(text[i])
    if lead < 0x80:
        return lead, 1
    one = types.int64(text[i + 1]) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | one, 2
    two = types.int64(text[i + 2]) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | one << 6 | two, 3
    return (lead & 0x07) << 18 | one << 12 | two << 6 | types.int64(text[i + 3]) & 0x3F, 4


@kernel(types.int64(POINTER, types.int64, types.int64))
def contraction(text, i, stop):
    """Bytes of the contraction at ``i``, or 0: 's 't 'm 'd 're 've 'll."""
    if text[i] != 0x27 or i + 1 >= stop:
        return 0
    one = text[i + 1]
    if one == 0x73 or one == 0x74 or one == 0x6D or one == 0x64:
        return 2
    two = text[i + 2] if i + 2 < stop else 0
    if (one == 0x72 or one == 0x76) and two == 0x65:
        return 3
    return 3 if one == 0x6C and two == 0x6C else 0


@kernel(types.int64(BYTES, I64S, BYTES, OUT_I64S), inline=False)
def cut_words(data, offsets, classes, out):
    """Write (start, end) of every word of valid UTF-8 texts; return how many there are."""
    text, kind, count = pointer(data), pointer(classes), 0
    for row in range(offsets.size - 1):
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            begin, last = i, i
            i += contraction(text, i, stop)
            if i == begin:
                code, width = code_point(text, i)
                if code == 0x20 and i + 1 < stop:
                    code, after = code_point(text, i + 1)
                    width = 1 if kind[code] == _SPACE else 1 + after
                mine = kind[code]
                i += width
                while i < stop:
                    code, width = code_point(text, i)
                    if kind[code] != mine:
                        break
                    last = i
                    i += width
                if mine == _SPACE and i < stop and last > begin:
                    i = last
            out[2 * count], out[2 * count + 1] = begin, i
            count += 1
    return count
