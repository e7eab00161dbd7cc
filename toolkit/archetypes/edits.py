"""Near-duplicates at known edit rates.

An edit of rate r on a text of w words touches ``round(r w)`` of them, at least one. Scattered
edits break up to five word:5 shingles each, so J is about (1 - r)^5 / (2 - (1 - r)^5); a block
inserted in one place breaks four at its edge, so J is about 1 / (1 + r). Rates of scattered
edits stop at 4.5 % and of swaps at 3 %, which keeps J above about one half. Case and punctuation vanish under
a normaliser that removes them; they are planted because they do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toolkit.archetypes.draws import Draws
from toolkit.archetypes.sample import Sample, regime_of

SCATTERED, SWAPPED = (0.005, 0.01, 0.02, 0.03, 0.04, 0.045), (0.005, 0.01, 0.02, 0.03)
BLOCK = (0.005, 0.01, 0.02, 0.04, 0.08)
RATES = {
    "substitute": SCATTERED,
    "delete": SCATTERED,
    "insert_front": BLOCK,
    "insert_middle": BLOCK,
    "case": SCATTERED,
    "punctuation": SCATTERED,
    "reorder": SWAPPED,
}
FEWEST = 60  # words; below this one edit is already a large rate
_SPACES = re.compile(r"(\s+)")
_MARKS = ",.;:!?…"


def _flip_case(word: str) -> str:
    flipped = word.upper() if word != word.upper() else word.lower()
    return flipped if flipped.lower() == word.lower() else word


def _flip_mark(word: str) -> str:
    return word[:-1] if word[-1] in _MARKS and len(word) > 1 else word + ","


def _rewrite(parts: list[str], kind: str, count: int, draws: Draws, vocabulary: tuple[str, ...]) -> bool:
    """Change ``count`` of the words ``parts[0::2]`` in place; False if there are not so many."""
    words = parts[0::2]
    able: Sequence[int]
    if kind == "reorder":
        able = [i for i in range(0, len(words) - 1, 2) if words[i] != words[i + 1]]
    elif kind == "case":
        able = [i for i, word in enumerate(words) if word.isascii() and _flip_case(word) != word]
    else:
        able = range(len(words))
    if len(able) < count:
        return False
    for i in (able[k] for k in draws.sample(len(able), count)):
        if kind == "substitute":
            fresh = draws.pick(vocabulary)
            parts[2 * i] = fresh if fresh != words[i] else fresh + fresh
        elif kind == "delete":
            parts[2 * i : 2 * i + 2] = ["", ""][: len(parts[2 * i : 2 * i + 2])]
        elif kind == "case":
            parts[2 * i] = _flip_case(words[i])
        elif kind == "punctuation":
            parts[2 * i] = _flip_mark(words[i])
        else:
            parts[2 * i], parts[2 * i + 2] = words[i + 1], words[i]
    return True


def edit(text: str, kind: str, count: int, draws: Draws, vocabulary: tuple[str, ...]) -> str | None:
    """Return ``text`` with ``count`` words edited, or None where the kind cannot be done so often."""
    parts = _SPACES.split(text)
    if kind.startswith("insert"):
        block = " ".join(draws.pick(vocabulary) for _ in range(count))
        at = 0 if kind == "insert_front" else len(parts) // 4 * 2
        parts[at] = f"{block} {parts[at]}"
    elif not _rewrite(parts, kind, count, draws, vocabulary):
        return None
    return "".join(parts).strip()


def _targets(sample: Sample) -> tuple[list[int], list[int]]:
    """Return which texts are edited, and the words of the whole that each one stands for."""
    sizes = [len(text.split()) for text in sample.texts]
    regime = regime_of(sample.roles)
    if regime == "preference":  # both branches, each measured with the prompt it follows
        shared, last = sum(sizes[:-2]), len(sizes) - 1
        return [last - 1, last], [shared + sizes[-2], shared + sizes[-1]]
    if regime == "rl":
        return [0], [sizes[0]]
    said = [i for i, role in enumerate(sample.roles) if role in ("user", "input", "assistant", "call")]
    return [max(said, key=lambda i: sizes[i])], [sum(sizes[i] for i in said)]


def near(sample: Sample, draws: Draws, vocabulary: tuple[str, ...]) -> tuple[Sample, str, float] | None:
    """Return an edited copy, the kind of edit and its rate (edited words / words); None if too short.

    A preference pair has both branches edited at the same rate; an rl example has its prompt
    edited; otherwise the longest turn is, and the rate is over all turns.
    """
    which, wholes = _targets(sample)
    if min(wholes) < FEWEST:
        return None
    kind = draws.pick(tuple(RATES))
    rate = draws.pick(RATES[kind])
    texts, edited = list(sample.texts), 0
    for i, whole in zip(which, wholes, strict=True):
        count = max(1, round(rate * whole))
        changed = edit(texts[i], kind, count, draws, vocabulary)
        if changed is None:
            return None
        texts[i], edited = changed, edited + count
    return sample._replace(texts=tuple(texts)), kind, edited / sum(wholes)
