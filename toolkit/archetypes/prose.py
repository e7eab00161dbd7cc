"""Text by the chunk: one kernel writes the UTF-8 bytes of thousands of texts into one buffer.

A text is a run of sentences of 5 to 20 words drawn by Zipf's law, with capitals, names, numbers,
commas, dashes, paragraphs and, by style, emoji or a block of code. Text i depends on its own
seed alone: number n of text i is ``mix(seed_i + n * GOLDEN)``, so texts can be cut anywhere.
The trade-off: words are independent draws, so entropy is that of word frequencies (about 9 bits
a word); 13 equal words in a row by chance are out of the question, 3 are common.
"""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
from numba import njit

from toolkit.archetypes.code import FRAGMENT_DATA, FRAGMENT_OFFSETS, STATEMENTS
from toolkit.archetypes.draws import block
from toolkit.archetypes.language import WIDE, Lexicon

PROSE, LINE, MATHS, EMOJI, CODE = 0, 1, 2, 3, 4
COMMON = 200  # identifiers come from ranks after these, which hold Python's keywords

_buffers = threading.local()
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WIDE = np.uint64(WIDE)
_U27, _U30, _U31 = np.uint64(27), np.uint64(30), np.uint64(31)


@njit(cache=True)
def _mix(x):
    x = (x ^ (x >> _U30)) * _M1
    x = (x ^ (x >> _U27)) * _M2
    return x ^ (x >> _U31)


@njit(cache=True)
def _put(out, at, data, offsets, index):
    # A fixed count of unsigned indices becomes two vector moves; what lands too far is overwritten.
    source, target = np.uint64(offsets[index]), np.uint64(at)
    for k in range(_WIDE):
        out[target + k] = data[source + k]
    return at + offsets[index + 1] - offsets[index]


@njit(cache=True)
def _number(out, at, value):
    digits, limit = np.int64(1), np.int64(10)
    while value >= limit:
        digits += 1
        limit *= 10
    for k in range(digits - 1, -1, -1):
        out[at + k] = 48 + value % 10
        value //= 10
    return at + digits


@njit(cache=True)
def _prose(out, at, state, lang, words, style, data, offsets, first, ranks, spaced, marks, emoji):
    written, left, start = 0, 4, True
    rare_number = 7 if style == MATHS else 31
    while written < words:
        state += _GOLDEN
        draw = _mix(state)
        rank = np.int64(ranks[lang, np.int64(draw & np.uint64(0xFFFF))])
        r = np.int64(draw >> np.uint64(17))  # 47 bits, never negative
        if not start and (r & rare_number) == 0:
            at = _number(out, at, ((r >> 31) & 0xFFFF) >> ((r >> 28) & 7))
        else:
            name = rank > COMMON and ((r >> 5) & 15) == 0
            at = _put(out, at, data, offsets, first[lang] + 2 * rank + (1 if start or name else 0))
        written += 1
        left -= 1
        start = False
        if left <= 0 or written == words:
            kind = (r >> 9) & 15
            mark = 2 if kind < 2 or (style == MATHS and written == words) else (3 if kind == 2 else 1)
            at = _put(out, at, data, offsets, marks[lang, mark])
            start = True
            left = 5 + ((r >> 13) & 15)
            if style == EMOJI and ((r >> 17) & 3) == 0:
                out[at] = 32
                at = _put(out, at + 1, data, offsets, emoji[0] + ((r >> 31) % (emoji[1] - emoji[0])))
            if written < words:
                if style in (PROSE, CODE) and ((r >> 19) & 3) == 0:
                    out[at] = 10
                    out[at + 1] = 10
                    at += 2
                elif spaced[lang]:
                    out[at] = 32
                    at += 1
        else:
            if ((r >> 21) & 15) == 0:
                at = _put(out, at, data, offsets, marks[lang, 0])
            elif ((r >> 25) & 63) == 0 and spaced[lang] and style != MATHS:
                out[at] = 32
                out[at + 1], out[at + 2], out[at + 3] = 0xE2, 0x80, 0x94
                at += 4
            if spaced[lang]:
                out[at] = 32
                at += 1
    return at


@njit(cache=True)
def _code(out, at, state, lines, data, offsets, first, size, fragment_data, fragment_offsets, statements):
    for line in range(lines + 2):
        state += _GOLDEN
        r = _mix(state)
        last = statements.shape[0] - 1
        middle = 1 + np.int64(r % np.uint64(last - 1))
        row = 0 if line == 0 else (last if line == lines + 1 else middle)
        for k in range(statements.shape[1]):
            step = statements[row, k]
            if step == -3:
                break
            state += _GOLDEN
            r = _mix(state)
            if step >= 0:
                at = _put(out, at, fragment_data, fragment_offsets, step)
            elif step == -1:
                word = COMMON + np.int64(r % np.uint64(size - COMMON))
                at = _put(out, at, data, offsets, first + 2 * word)
            else:
                at = _number(out, at, np.int64(r & np.uint64(1023)))
    return at


@njit(cache=True)
def _write(seeds, langs, words, styles, data, offsets, first, sizes, ranks, spaced, marks, emoji,
           fragment_data, fragment_offsets, statements, out, ends):  # fmt: skip
    at = np.int64(0)
    for i in range(len(seeds)):
        n = np.int64(words[i])
        if n > 0:
            at = _prose(out, at, seeds[i], langs[i], n, styles[i], data, offsets, first, ranks, spaced,
                        marks, emoji)  # fmt: skip
            if styles[i] == CODE:
                at = _code(out, at, ~seeds[i], n // 24 + 1, data, offsets, first[0], sizes[0],
                           fragment_data, fragment_offsets, statements)  # fmt: skip
        ends[i] = at


def _scratch(room: int) -> np.ndarray:
    """Return this thread's buffer, grown if need be: fresh pages cost as much as the text in them."""
    if getattr(_buffers, "out", None) is None or len(_buffers.out) < room:
        _buffers.out = np.empty(room, np.uint8)
    return _buffers.out


def texts(
    words_of: Lexicon, base: int, langs: np.ndarray, words: np.ndarray, styles: np.ndarray
) -> list[str]:
    """Return one string a row: ``words[i]`` words (int32) of language ``langs[i]`` (uint8).

    ``styles[i]`` (uint8) is PROSE (paragraphs), LINE (one paragraph), MATHS (one paragraph, many
    numbers, a question), EMOJI or CODE (prose, then a Python block of about words / 24 statements).
    Zero words give an empty string. Shapes are (n,) for all three; ``base`` is a 64-bit base.
    """
    count = len(words)
    seeds = block(base, count)
    room = int(words.sum(dtype=np.int64)) * (WIDE + 16) + count * 2048 + WIDE
    out, ends = _scratch(room), np.empty(count, np.int64)
    _write(seeds, langs, words, styles, words_of.data, words_of.offsets, words_of.first, words_of.sizes,
           words_of.ranks, words_of.spaced, words_of.marks, words_of.emoji,
           FRAGMENT_DATA, FRAGMENT_OFFSETS, STATEMENTS, out, ends)  # fmt: skip
    raw = memoryview(out)
    return [str(raw[a:b], "utf-8") for a, b in pairwise([0, *ends.tolist()])]
