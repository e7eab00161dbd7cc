"""One training example before it takes a file's shape: its texts, their roles, and a key.

The problem: the same words must be able to appear in two files of different shapes, or twice in
one file under different metadata, and still be the same example. So what an example says
(``roles``, ``texts``) is kept apart from how a file writes it down. ``key`` fixes whatever else
belongs to the example (tool calls, verifier, mark-up); metadata comes from another number.

Roles by regime: sft uses system, user, input, call, tool, assistant; preference ends in prompt,
chosen, rejected; rl is prompt (or doc, a coding task's docstring), answer, rationale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toolkit.archetypes.draws import block
from toolkit.archetypes.feed import Feed
from toolkit.archetypes.language import Lexicon
from toolkit.archetypes.prose import CODE, EMOJI, LINE, MATHS, PROSE, texts
from toolkit.archetypes.scripts import LANGUAGES

# role: fewest words, most words; the draw is cubed, so the mean is a quarter of the way up
WORDS = {
    "system": (20, 60),
    "user": (10, 50),
    "input": (8, 60),
    "call": (6, 14),
    "tool": (3, 12),
    "assistant": (30, 130),
    "prompt": (12, 80),
    "chosen": (40, 120),
    "rejected": (30, 100),
    "doc": (16, 70),
    "answer": (0, 0),
    "rationale": (24, 80),
}
ROLES = tuple(WORDS)
_LOW = np.array([low for low, _ in WORDS.values()], np.int64)
_SPAN = np.array([high - low for low, high in WORDS.values()], np.int64)
# slots of 64: English six in ten, and every script present
_SLOTS = {"en": 38, "fr": 5, "de": 5, "ru": 4, "el": 2, "ar": 2, "hi": 2, "zh": 3, "ja": 3}
_LANGS = np.repeat(
    np.array([LANGUAGES.index(name) for name in _SLOTS], np.uint8), np.array(list(_SLOTS.values()))
)
_LONG_PROMPT = 60  # words added to an rl prompt, so that near-duplicates can be planted on it
# styles by a 4-bit draw
_ONE_LINE = {"system", "input", "call", "tool"}
_STYLES = np.array(
    [
        [LINE] * 16
        if role in _ONE_LINE
        else [MATHS] * 16
        if role in ("doc", "answer", "rationale")
        else [PROSE] * 11 + [EMOJI] * 2 + [CODE] * 2 + [LINE]
        for role in ROLES
    ],
    np.uint8,
)


class Sample(NamedTuple):
    """``texts[i]`` is said in the role ``roles[i]``; ``key`` is an unsigned 64-bit number."""

    roles: tuple[str, ...]
    texts: tuple[str, ...]
    key: int


def regime_of(roles: tuple[str, ...]) -> str:
    """Return the regime that a tuple of roles belongs to."""
    if "chosen" in roles:
        return "preference"
    return "rl" if "answer" in roles else "sft"


def language_of(sample: Sample) -> int:
    """Return the number of the language that an example was written in."""
    return int(_LANGS[sample.key >> 4 & 63])


def fresh(words_of: Lexicon, feed: Feed, base: int, count: int) -> list[Sample]:
    """Write ``count`` new examples for a feed; they depend on ``base`` and the feed alone."""
    keys = block(base, count)
    picks = (keys & np.uint64(15)).astype(np.int64)
    patterns = [feed.patterns[i % len(feed.patterns)] for i in picks.tolist()]
    lengths = np.array([len(pattern) for pattern in patterns])
    codes = np.array([ROLES.index(role) for pattern in feed.patterns for role in pattern])
    starts = np.cumsum([0, *map(len, feed.patterns)])[picks % len(feed.patterns)]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    code = codes[np.repeat(starts, lengths) + within]
    langs = _LANGS[((keys >> np.uint64(4)) & np.uint64(63)).astype(np.int64)]
    written = _texts(words_of, base ^ 0x7E57, code, np.repeat(langs, lengths), feed.maths)
    cuts = [0, *ends.tolist()]
    return [
        Sample(pattern, _finish(pattern, written[a:b], key), key)
        for pattern, a, b, key in zip(patterns, cuts[:-1], cuts[1:], keys.tolist(), strict=True)
    ]


def _texts(words_of: Lexicon, base: int, code: np.ndarray, langs: np.ndarray, maths: bool) -> list[str]:
    draws = block(base ^ 0xA5A5, len(code))
    u = (draws & np.uint64(0xFFFF)).astype(np.int64)
    words = _LOW[code] + ((_SPAN[code] * (u * u >> 16) >> 16) * u >> 16)
    style = ((draws >> np.uint64(16)) & np.uint64(15)).astype(np.int64)
    styles = _STYLES[code, style]
    if maths:
        styles = np.where(code == ROLES.index("prompt"), MATHS, styles).astype(np.uint8)
        longer = (code == ROLES.index("prompt")) & (style < 8)
        words = words + longer * _LONG_PROMPT
    # words of scripts without spaces are one or two characters long
    words = words + words * (words_of.spaced[langs] == 0)
    return texts(words_of, base, langs, words.astype(np.int32), styles)


def _finish(pattern: tuple[str, ...], written: list[str], key: int) -> tuple[str, ...]:
    """Fill in the texts that are not prose: a final answer is a number, a tool returns JSON."""
    if "answer" in pattern:
        written[pattern.index("answer")] = str((key >> 20) % 90_000 + 10)
    elif "tool" in pattern:
        at = pattern.index("tool")
        note = written[at].replace('"', "'")
        written[at] = f'{{"status": "ok", "id": {(key >> 24) % 10**7}, "note": "{note}"}}'
    return tuple(written)
