"""Two texts side by side as one: what both have, and what only one of them has.

    the cat [-sat-] {+stood+} on the mat

Words are compared after normalising, as dedup compares them; long stretches that both share are cut short.
"""

from __future__ import annotations

from difflib import SequenceMatcher

import pyarrow as pa

from toolkit import dedup

MOST = 4_000  # words of a text that are compared: the matcher's time grows with their product
_AROUND = 6  # words that are shown on each side of a difference


def difference(removed: str, kept: str) -> str:
    """What ``removed`` has that ``kept`` lacks, in [- -], and the other way round, in {+ +}."""
    one, two = (text.split() for text in dedup.normalise(pa.array([removed, kept])).to_pylist())
    if max(len(one), len(two)) > MOST:
        return f"not shown: {len(one):,} and {len(two):,} words, more than {MOST:,}"
    shown: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            shown += _shortened(one[a:b], first=a == 0, last=b == len(one))
            continue
        shown += [f"[-{' '.join(one[a:b])}-]"] if b > a else []
        shown += [f"{{+{' '.join(two[c:d])}+}}"] if d > c else []
    return " ".join(shown)


def _shortened(words: list[str], first: bool, last: bool) -> list[str]:
    """The ends of a stretch that lie beside a difference."""
    if len(words) <= 2 * _AROUND + 1:
        return words
    head, tail = (0 if first else _AROUND), (0 if last else _AROUND)
    return [*words[:head], "…", *words[len(words) - tail :]]
