"""Evaluation sets, and the leaks of their items into training data.

Three sets in three shapes: word problems, coding tasks, general questions. A leak is a run of at
least 13 whitespace words of an item's question, verbatim, set into a training text between two
words; sometimes in another case, in quotes or in brackets, never edited inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from toolkit.archetypes.draws import Draws, base_of, block
from toolkit.archetypes.language import Lexicon
from toolkit.archetypes.prose import MATHS, texts
from toolkit.archetypes.sample import Sample

NGRAM = 13
SIZES = {"maths": 400, "code": 150, "general": 200}
FIELDS = {"maths": ("question", "answer"), "code": ("prompt", "canonical_solution"), "general": ("question",)}
LETTERS = "ABCD"
_SAID = ("user", "assistant", "prompt", "chosen", "doc")


@dataclass(frozen=True)
class Item:
    """One evaluation item: its set, its 0-based line in the set's file, and the text that can leak."""

    set: str
    line: int
    text: str


def _row(set_id: str, line: int, body: str, rest: str, key: int) -> tuple[dict[str, object], str]:
    a, b = key % 97 + 2, (key >> 8) % 89 + 3
    if set_id == "maths":
        return {"question": body, "answer": f"{rest} {a} * {b} = {a * b}\n#### {a * b}"}, body
    if set_id == "general":
        choices = [f"{rest.split()[i]} {(key >> (8 * i)) % 100}" for i in range(4)]
        return {"question": body, "choices": choices, "answer": LETTERS[key >> 40 & 3]}, body
    name = f"solve_{key >> 40:x}"
    prompt = f'def {name}(x, y):\n    """{body}\n\n    >>> {name}({a}, {b})\n    {a * b}\n    """\n'
    row = {
        "task_id": f"eval/{line}",
        "prompt": prompt,
        "canonical_solution": f"    return x * y + {key >> 50} * 0\n",
        "test": f"def check(candidate):\n    assert candidate({a}, {b}) == {a * b}\n",
        "entry_point": name,
    }
    return row, prompt


def write_sets(folder: Path, words_of: Lexicon, seed: int) -> list[Item]:
    """Write ``eval/*.jsonl`` below ``folder`` and return all items; questions have 15 to 60 words."""
    items = []
    for set_id, size in SIZES.items():
        base = base_of(seed, "evaluation", set_id)
        keys = block(base, size)
        words = np.stack([15 + (keys >> np.uint64(32)) % np.uint64(46), np.full(size, 12, np.uint64)], axis=1)
        flat = words.astype(np.int32).ravel()
        langs, styles = np.zeros(2 * size, np.uint8), np.full(2 * size, MATHS, np.uint8)
        written = texts(words_of, base ^ 0xE7A1, langs, flat, styles)
        rows = [
            _row(set_id, i, written[2 * i], written[2 * i + 1], key) for i, key in enumerate(keys.tolist())
        ]
        items += [Item(set_id, i, text) for i, (_, text) in enumerate(rows)]
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row, _ in rows)
        (folder / "eval" / f"{set_id}.jsonl").write_bytes(lines)
    return items


def leak(sample: Sample, items: list[Item], draws: Draws, plain: bool) -> tuple[Sample, Item, int]:
    """Return the example with a span of one item set into it, the item, and the span's words.

    ``plain`` keeps to questions that mark-up leaves as they are.
    """
    item = draws.pick([item for item in items if item.set == "maths"] if plain else items)
    # A word of bare punctuation (a doctest's ``>>>``) is none once punctuation is gone.
    found = list(re.finditer(r"\S*[^\W_]\S*", item.text))
    size = (NGRAM, len(found), NGRAM + draws.below(len(found) - NGRAM + 1))[draws.below(3)]
    start = draws.below(len(found) - size + 1)
    span = item.text[found[start].start() : found[start + size - 1].end()]
    span = (span, span, span.lower(), span.upper())[draws.below(4)]
    span = ("%s", "%s", '"%s"', "(%s)")[draws.below(4)] % span
    said = [i for i, role in enumerate(sample.roles) if role in _SAID]
    at = draws.pick(said)
    text = sample.texts[at]
    cut = text.find(" ", len(text) // 2)
    cut = len(text) if cut < 0 else cut
    # both sides are spaces, so that the span's first and last words stay words in any script
    changed = f"{text[:cut]} {span} {text[cut:].lstrip()}".rstrip()
    return sample._replace(texts=(*sample.texts[:at], changed, *sample.texts[at + 1 :])), item, size
