"""Vocabularies whose word frequencies follow Zipf's law, laid out for a kernel.

The problem: text of equally likely words shares no 5-grams and compresses like noise; text of a
few repeated sentences shares all of them. Word r of a vocabulary gets the weight
1 / (r + 2.7) (Zipf-Mandelbrot, exponent 1), common words first. Drawing is one look-up in a
table of 65,536 ranks; the weights are integers, so the table is the same on every machine.
The trade-off: a word rarer than 1 in 65,536 is either never drawn or drawn a little too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.archetypes.draws import Draws, base_of
from toolkit.archetypes.scripts import EMOJI, SCRIPTS, Script

TABLE = 1 << 16
WIDE = 32  # bytes a kernel moves at a time: the longest string allowed, and the buffer's padding


@dataclass(frozen=True)
class Lexicon:
    """All strings a kernel may write, in one buffer, with how to draw them.

    ``data`` uint8 UTF-8 bytes; string i is ``data[offsets[i]:offsets[i + 1]]``, offsets int64.
    Word r of language l is string ``first[l] + 2 r``, its capitalised form the next one.
    ``ranks`` uint16 (languages, 65536): the rank to use for a uniform 16-bit number.
    ``sizes`` int64 words a language; ``spaced`` uint8; ``marks`` int64 (languages, 4).
    ``emoji`` is the range of string numbers of emoji. No string is longer than ``WIDE`` bytes,
    and ``data`` ends in ``WIDE`` zeros so that a copy of fixed width may read past the last one.
    """

    words: tuple[tuple[str, ...], ...]
    data: np.ndarray
    offsets: np.ndarray
    first: np.ndarray
    sizes: np.ndarray
    ranks: np.ndarray
    spaced: np.ndarray
    marks: np.ndarray
    emoji: np.ndarray


def _word(inventories: list[list[str]], draws: Draws, syllables: int) -> str:
    """Join syllables; only the last has a coda, so final letters stay final."""
    onsets, nuclei, codas = inventories
    parts = [draws.pick(onsets) + draws.pick(nuclei) for _ in range(syllables)]
    return "".join([*parts, draws.pick(codas)]).replace("-", "")


def _vocabulary(script: Script) -> tuple[str, ...]:
    """Return ``script.size`` different words, common ones first, longer ones at rarer ranks."""
    draws = Draws(base_of(0, "vocabulary", script.name))
    inventories = [part.split() for part in (script.onsets, script.nuclei, script.codas)]
    words = dict.fromkeys(script.common.split())
    while len(words) < script.size:
        longer = len(words) > script.size // 4
        word = _word(inventories, draws, 1 + draws.below(2) + (longer and script.spaced))
        if len(word.encode()) <= WIDE - 4:
            words[word] = None
    return tuple(words)


def _ranks(size: int) -> np.ndarray:
    """Return uint16 (65536,): rank by uniform 16-bit number, weights 10^12 / (10 r + 37)."""
    weights = np.int64(10**12) // (np.arange(size, dtype=np.int64) * 10 + 37)
    edges = np.cumsum(weights)
    points = (np.arange(TABLE, dtype=np.int64) * 2 + 1) * (edges[-1] // (2 * TABLE))
    return np.searchsorted(edges, points, side="right").astype(np.uint16)


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Build the lexicon of every language, once a process (about 0.3 s)."""
    words = tuple(_vocabulary(script) for script in SCRIPTS)
    strings: list[str] = []
    first, marks = [], []
    for script, vocabulary in zip(SCRIPTS, words, strict=True):
        first.append(len(strings))
        for word in vocabulary:
            strings += (word, word[0].upper() + word[1:])
        marks.append([len(strings) + i for i in range(4)])
        strings += script.marks
    emoji = (len(strings), len(strings) + len(EMOJI))
    encoded = [string.encode() for string in [*strings, *EMOJI]]
    return Lexicon(
        words=words,
        data=np.frombuffer(b"".join(encoded) + bytes(WIDE), np.uint8),
        offsets=np.concatenate([[0], np.cumsum([len(string) for string in encoded])]).astype(np.int64),
        first=np.array(first, np.int64),
        sizes=np.array([len(vocabulary) for vocabulary in words], np.int64),
        ranks=np.stack([_ranks(len(vocabulary)) for vocabulary in words]),
        spaced=np.array([script.spaced for script in SCRIPTS], np.uint8),
        marks=np.array(marks, np.int64),
        emoji=np.array(emoji, np.int64),
    )
