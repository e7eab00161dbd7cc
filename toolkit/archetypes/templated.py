"""Chats made from one template on different topics: alike in form, different in substance.

The problem: a support bot repeats one long system prompt and one phrase around the user's topic.
Compared as whole transcripts two such chats reach a Jaccard similarity of 0.8 and more; what was
asked and answered differs, so all must survive. A group shares a system prompt of 560 to 700
words and a wrapper of 20 to 30; the topic (3 words) and the answer (40 to 60) are new each time.
"""

from __future__ import annotations

import numpy as np

from toolkit.archetypes.draws import base_of, mix
from toolkit.archetypes.language import Lexicon
from toolkit.archetypes.prose import LINE, PROSE, texts
from toolkit.archetypes.sample import Sample

GROUP = 64


class Templates:
    """Hands out the chats of all groups in order; holds one group at a time."""

    def __init__(self, words_of: Lexicon, seed: int, total: int) -> None:
        self._words_of, self._seed, self._total = words_of, seed, total
        self._groups = max(1, total // GROUP)
        self._made, self._group = 0, -1
        self._system = self._before = self._after = ""

    def _write(self, base: int, words: list[int], styles: list[int]) -> list[str]:
        counts, kinds = np.array(words, np.int32), np.array(styles, np.uint8)
        return texts(self._words_of, base, np.zeros(len(words), np.uint8), counts, kinds)

    def _open(self, group: int) -> None:
        base = base_of(self._seed, "template", group)
        size = mix(base)
        self._group = group
        self._system, self._before, self._after = self._write(
            base, [560 + size % 141, 10 + size % 6, 10 + (size >> 8) % 6], [PROSE, LINE, LINE]
        )

    def next(self) -> tuple[Sample, int]:
        """Return the next chat and the number of its group."""
        group = min(self._made * self._groups // max(self._total, 1), self._groups - 1)
        if group != self._group:
            self._open(group)
        key = base_of(self._seed, "templated", self._made)
        self._made += 1
        topic, answer = self._write(key, [3, 40 + key % 21], [LINE, PROSE])
        user = f"{self._before} {topic} {self._after}"
        return Sample(("system", "user", "assistant"), (self._system, user, answer), key), group
