"""Texts for the dedup benchmark: words of eight scripts, and duplicates planted with known kin.

``plain`` gives texts of one length whose words stand between single spaces in every script, already
normalised: every contestant cuts the same words. ``plant`` gives a corpus of which a known share is
varied from another text, in a known way, shuffled so that kin lie anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SYLLABLES = {
    "latin": "an be co der en fi ga hin lo mu no pra ri so ta un ve wi é ñu",
    "cyrillic": "ба ве го да жи зо ка ле ми но пре ра со ту ши",
    "greek": "αν βε γο δα ζι κα λο μι νο πρα ρε τυ φι χο",
    "arabic": "با تو جي دا را سو شي عا في قا لو ما ني",
    "devanagari": "का गो ची जा टे डा ती नो पा बे मा री लू सा",
    "hangul": "가 나 다 라 마 바 사 아 자 차 카 타 파 하 고 노 도",
}
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
KANA = [chr(code) for code in range(0x3041, 0x3094)]
SHARES = {"latin": 0.6, "cyrillic": 0.12, "greek": 0.04, "arabic": 0.05, "devanagari": 0.05,
          "hangul": 0.04, "han": 0.1}  # fmt: skip
KINDS = ("copy", "case", "substitute", "insert front", "insert middle", "delete", "reorder", "punctuation",
         "mixed")  # fmt: skip
EDITS = KINDS[2:7]
KIN_OF_BASES = 0.17  # share of originals that have variants, some 1.47 each: a fifth of all texts
CURLY = {"'": "’", '"': "“", " - ": " – ", "...": "…"}


class Words:
    """A supply of words of each script, drawn as often as words are: the n-th with weight 1 / (n + 3)."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self._draws = np.random.default_rng(seed)
        vocabulary = random.Random(1)  # the same words whatever the seed
        self._words = {script: _words(vocabulary, parts) for script, parts in SYLLABLES.items()}
        self._words["han"] = np.array([*HAN, *KANA], object)
        self._sums = {script: _sums(len(words)) for script, words in self._words.items()}
        self._drawn: dict[str, list[str]] = {script: [] for script in self._words}

    def draw(self, script: str, count: int) -> list[str]:
        """So many words, 10,000 at most."""
        if len(self._drawn[script]) < count:
            at = np.searchsorted(self._sums[script], self._draws.random(100_000))
            self._drawn[script] = self._words[script][at].tolist()
        drawn = self._drawn[script]
        taken = drawn[-count:]
        del drawn[-count:]
        return taken

    def script(self) -> str:
        """The script of one text."""
        return self.random.choices(list(SHARES), list(SHARES.values()))[0]


def plain(words: int, size: int, seed: int = 0) -> pa.Array:
    """Texts of so many words each, ``size`` bytes in all or a little more; no two alike."""
    supply, texts, written = Words(seed), [], 0
    while written < size:
        texts.append(" ".join(supply.draw(supply.script(), words)))
        written += len(texts[-1].encode())
    return pa.array(texts, pa.large_string())


def plant(texts: int, seed: int = 0) -> pa.Table:
    """A corpus of ``texts`` rows: id, text, kin (the same number for a text and its variants), kind."""
    supply, made = Words(seed), []
    columns: list[list] = [[], [], []]
    kin = count = 0
    while count < texts:
        for text, kind in _family(supply):
            if count < texts:
                for column, value in zip(columns, (text, kin, kind), strict=True):
                    column.append(value)
                count += 1
        kin += 1
        if len(columns[0]) >= 20_000 or count == texts:
            made.append(_table(columns))
            columns = [[], [], []]
    whole = pa.concat_tables(made)
    order = np.random.default_rng(seed + 1).permutation(texts)
    whole = whole.take(pa.array(order))
    names = pa.array([f"t{number:09d}" for number in range(texts)])
    return whole.add_column(0, "id", names).combine_chunks()


def write(table: pa.Table, folder: Path, files: int) -> None:
    """The ids and texts in so many Parquet files, ``part-0.parquet`` and on: what every tool is given."""
    folder.mkdir(parents=True)
    rows = -(-len(table) // files)
    for number in range(files):
        piece = table.select(["id", "text"]).slice(number * rows, rows)
        pq.write_table(piece, folder / f"part-{number}.parquet", row_group_size=10_000)


def _table(columns: list[list]) -> pa.Table:
    types = (pa.large_string(), pa.int64(), pa.string())
    arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["text", "kin", "kind"])


def _family(supply: Words) -> Iterator[tuple[str, str]]:
    """A text and, of some, its variants."""
    draw, script = supply.random, supply.script()
    words = _punctuated(supply, script, draw.randrange(40, 100))
    join = "" if script == "han" else " "
    yield join.join(words), "original"
    if draw.random() >= KIN_OF_BASES:
        return
    size = draw.choices([1, 2, 3, 4, 10], [0.8, 0.07, 0.07, 0.05, 0.01])[0]
    for kind in draw.choices(KINDS, k=size):
        yield vary(supply, script, words, kind), kind


def vary(supply: Words, script: str, words: list[str], kind: str) -> str:
    """A text of these words, changed: one to three edits where edits can be counted."""
    draw, words, join = supply.random, list(words), "" if script == "han" else " "
    if kind == "mixed":
        for one in draw.sample(EDITS, 2):
            _edit(supply, script, words, one)
        return join.join(words).upper()
    if kind in EDITS:
        for _ in range(draw.randrange(1, 4)):
            _edit(supply, script, words, kind)
    text = join.join(words)
    if kind == "case":
        return text.upper()
    if kind == "punctuation":
        for plain_, curly in CURLY.items():
            text = text.replace(plain_, curly, draw.randrange(1, 4))
    return text


def _edit(supply: Words, script: str, words: list[str], kind: str) -> None:
    at, (new,) = supply.random.randrange(1, len(words) - 6), supply.draw(script, 1)
    if kind == "substitute":
        words[at] = new
    elif kind == "insert front":
        words.insert(0, new)
    elif kind == "insert middle":
        words.insert(at, new)
    elif kind == "delete":
        del words[at]
    else:  # reorder: what stood before this word now stands behind all others
        words[:] = words[at:] + words[:at]


def _punctuated(supply: Words, script: str, count: int) -> list[str]:
    """Words in sentences of about a dozen, with an apostrophe, quotes or a dash here and there."""
    words, draw = supply.draw(script, count), supply.random
    marks = "。。，" if script == "han" else "..,"
    at = draw.randrange(6, 16)
    while at < count:
        words[at] += draw.choice(marks)
        at += draw.randrange(7, 17)
    if script != "han":
        for mark in ("{}'s", '"{}"', "{} -", "{}..."):
            at = draw.randrange(count)
            words[at] = mark.format(words[at])
    return words


def _words(draw: random.Random, parts: str) -> np.ndarray:
    syllables = parts.split()
    found: dict[str, None] = {}
    while len(found) < 6_000:
        found["".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3, 3, 4))))] = None
    return np.array(list(found), object)


def _sums(count: int) -> np.ndarray:
    weights = 1 / (np.arange(count) + 3)
    return np.cumsum(weights / weights.sum())
